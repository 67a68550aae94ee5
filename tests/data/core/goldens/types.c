#include "common.h"
struct task_struct { int pid; } PAI; struct bpf_ringbuf; struct nosuch_t { int a; }; typedef int pid_t; typedef struct { int counter; } atomic_t; union bpf_attr { int a; }; enum bpf_map_type { BPF_MAP_TYPE_HASH = 1 }; typedef int (*nosuch_fn)(int); typedef void (*rcu_callback_t)(void *);
struct sock { int x; };
SEC("kprobe/a") int a(void *ctx){ out[1]=tex(struct task_struct); out[2]=tsz(struct task_struct); out[3]=tex(struct nosuch_t); out[4]=tex(pid_t); out[5]=tsz(atomic_t); out[6]=tex(union bpf_attr); out[7]=tsz(enum bpf_map_type); out[8]=tidl(struct sock); out[9]=tidt(struct sock); out[10]=tidt(struct nosuch_t); out[11]=tex(nosuch_fn); out[12]=tex(rcu_callback_t); out[13]=tsz(struct nosuch_t); return 0; }
