/* A program that libbpf loads when it is told to, and one that it loads. */
#include "../programs/core.h"
struct task_struct { int nobody; int pid; } CORE;
SEC("?raw_tp/x") int not_loaded(void *ctx)
{
	struct task_struct *task = ctx;
	out[0] = task->nobody;
	return 0;
}
SEC("raw_tp/x") int loaded(void *ctx)
{
	struct task_struct *task = ctx;
	out[0] = field_exists(task->pid);
	return 0;
}
