/* Direct loads whose field has another size: unsigned integers and pointers may change width. */
#include "core.h"
struct task_struct { u64 flags; u16 personality; void *mm; u32 utime; } CORE;
SEC("tp_btf/sched_switch") int int_sizes(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[1];
	out[0] = task->flags;
	out[1] = task->personality;
	out[2] = (u64)task->mm;
	out[3] = task->utime;
	return 0;
}
