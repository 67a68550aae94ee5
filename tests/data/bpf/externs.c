#define SEC(n) __attribute__((section(n), used))
typedef unsigned int u32;
extern const int CONFIG_HZ SEC(".kconfig") __attribute__((weak));
extern const _Bool CONFIG_BPF SEC(".kconfig") __attribute__((weak));
extern const void bpf_prog_active SEC(".ksyms");
extern int bpf_kfunc_x(void *, int) SEC(".ksyms") __attribute__((weak));
int global_var = 3; static volatile int st = 4; const volatile int ro = 5; int bss1, bss2[4];
struct { int (*type)[1]; u32 *key; u32 *value; int (*max_entries)[4]; } m SEC(".maps");
__attribute__((noinline)) int sub(int x) { return x * st + bss1; }
__attribute__((noinline, visibility("hidden"))) int hid(int x) { return x * 7 + bss2[1]; }
SEC("xdp") int prog(void *ctx) { return sub(global_var)+hid(ro)+CONFIG_HZ+CONFIG_BPF + (&bpf_prog_active != 0) + bpf_kfunc_x(ctx, 3); }
char LICENSE[] SEC("license") = "GPL";
