/* Kernel functions and variables that a program calls and reads. */
#include "../programs/core.h"
#define KSYM __attribute__((section(".ksyms")))
#define WEAK __attribute__((weak))
struct task_struct { int pid; };
struct rq { int x; };
struct nobody { int x; };
extern struct task_struct *bpf_task_acquire___one(struct task_struct *task) KSYM;
extern int bpf_task_release(int one, int two, int three) KSYM;
extern int no_such_kfunc(void *one) KSYM;
extern int no_such_weak_kfunc(void *one) KSYM WEAK;
extern const struct rq runqueues KSYM;
extern const int no_such_variable KSYM;
extern const int no_such_weak_variable KSYM WEAK;
extern const struct nobody cpu_hw_events KSYM;
extern const void bpf_prog_active KSYM;
SEC("tc") int kernel_symbols(void *ctx)
{
	out[0] = (u64)bpf_task_acquire___one(ctx);
	out[1] = bpf_task_release(1, 2, 3);
	out[2] = no_such_kfunc(ctx);
	if (no_such_weak_kfunc)
		out[3] = no_such_weak_kfunc(ctx);
	out[4] = (u64)&runqueues;
	out[5] = (u64)&no_such_variable;
	out[6] = (u64)&no_such_weak_variable;
	out[7] = (u64)&cpu_hw_events;
	out[8] = (u64)&bpf_prog_active;
	return 0;
}
