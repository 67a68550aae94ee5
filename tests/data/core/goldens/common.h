typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64; typedef int s32; typedef long long s64;
#define SEC(x) __attribute__((section(x), used))
#define PAI __attribute__((preserve_access_index))
static long (*probe_read)(void *dst, u32 size, const void *src) = (void *)113;
enum { FI_OFF=0, FI_SZ=1, FI_EX=2, FI_SIGN=3, FI_LSH=4, FI_RSH=5 };
#define rd(d, s) probe_read(&(d), sizeof(d), __builtin_preserve_access_index(&(s)))
#define fex(f) __builtin_preserve_field_info(f, FI_EX)
#define fsz(f) __builtin_preserve_field_info(f, FI_SZ)
#define foff(f) __builtin_preserve_field_info(f, FI_OFF)
#define fsg(f) __builtin_preserve_field_info(f, FI_SIGN)
#define flsh(f) __builtin_preserve_field_info(f, FI_LSH)
#define frsh(f) __builtin_preserve_field_info(f, FI_RSH)
#define tex(t) __builtin_preserve_type_info(*(t *)0, 0)
#define tsz(t) __builtin_preserve_type_info(*(t *)0, 1)
#define tmatch(t) __builtin_preserve_type_info(*(t *)0, 2)
#define tidl(t) __builtin_btf_type_id(*(t *)0, 0)
#define tidt(t) __builtin_btf_type_id(*(t *)0, 1)
#define evex(t, v) __builtin_preserve_enum_value(*(t *)v, 0)
#define evval(t, v) __builtin_preserve_enum_value(*(t *)v, 1)
char LICENSE[] SEC("license") = "GPL";
u64 out[32];
