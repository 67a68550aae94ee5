/* Members of the right name and another type. */
#include "core.h"
struct list_head { void *next; } CORE;
struct task_struct {
	struct list_head pid; u32 tasks; void *comm; char *real_parent; u32 thread_info; int *prio;
	enum { A_VALUE } policy; float utime; u32 cpus_ptr;
} CORE;
SEC("raw_tp/x") int other_types(void *ctx)
{
	struct task_struct *task = ctx;
	out[0] = field_exists(task->pid);
	out[1] = field_exists(task->pid.next);
	out[2] = field_exists(task->tasks);
	out[3] = field_exists(task->comm);
	out[4] = field_exists(task->real_parent);
	out[5] = field_exists(task->thread_info);
	out[6] = field_exists(task->prio);
	out[7] = field_exists(task->policy);
	out[8] = field_exists(task->utime);
	out[9] = field_exists(task->cpus_ptr);
	return 0;
}
