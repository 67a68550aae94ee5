/* Signed integers may not: the loads become poison, while offsets that are added are fine. */
#include "core.h"
struct task_struct { s64 pid; s32 prio; s64 normal_prio; } CORE;
SEC("tp_btf/sched_switch") int int_signs(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	s64 normal;
	out[0] = task->pid;
	out[1] = task->prio;
	read_into(normal, task->normal_prio);
	out[2] = normal;
	return 0;
}
