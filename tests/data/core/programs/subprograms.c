/* Relocations in functions that are called, and in two programs of one section. */
#include "core.h"
struct task_struct { int pid; int tgid; int gone_long_ago; } CORE;
static __attribute__((noinline)) int helper(struct task_struct *task)
{
	int pid; read_into(pid, task->pid); return pid;
}
__attribute__((noinline)) int broken(struct task_struct *task)
{
	int gone; read_into(gone, task->gone_long_ago); return gone;
}
SEC("raw_tp") int first(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	int tgid; read_into(tgid, task->tgid);
	out[0] = tgid + helper(task); return 0;
}
SEC("raw_tp") int second(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	int tgid; read_into(tgid, task->tgid);
	out[1] = tgid + broken(task); return 0;
}
