/* What the programs share: no headers of libbpf or the kernel are needed to build them. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
typedef _Bool bool;

#define SEC(name) __attribute__((section(name), used))
#define CORE __attribute__((preserve_access_index))

enum { BYTE_OFFSET, BYTE_SIZE, EXISTS, SIGNED, LSHIFT_U64, RSHIFT_U64 };
#define field(what, access) __builtin_preserve_field_info(access, what)
#define field_exists(access) field(EXISTS, access)
#define type_exists(type) __builtin_preserve_type_info(*(type *)0, 0)
#define type_size(type) __builtin_preserve_type_info(*(type *)0, 1)
#define type_matches(type) __builtin_preserve_type_info(*(type *)0, 2)
#define type_id_local(type) __builtin_btf_type_id(*(type *)0, 0)
#define type_id_kernel(type) __builtin_btf_type_id(*(type *)0, 1)
#define value_exists(type, value) __builtin_preserve_enum_value(*(type *)value, 0)
#define value_of(type, value) __builtin_preserve_enum_value(*(type *)value, 1)

static long (*probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;
static u64 (*get_current_task)(void) = (void *)35;
#define read_into(to, access) \
	probe_read_kernel(&(to), sizeof(to), __builtin_preserve_access_index(&(access)))

char LICENSE[] SEC("license") = "GPL";
volatile u64 out[32];
