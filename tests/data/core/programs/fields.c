/* Every question about a plain field. */
#include "core.h"
struct task_struct { int pid; unsigned int flags; u64 utime; char comm[16]; } CORE;
SEC("raw_tp/fields") int fields(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	out[0] = field(BYTE_OFFSET, task->pid);
	out[1] = field(BYTE_SIZE, task->pid);
	out[2] = field(EXISTS, task->pid);
	out[3] = field(SIGNED, task->pid);
	out[4] = field(LSHIFT_U64, task->pid);
	out[5] = field(RSHIFT_U64, task->pid);
	out[6] = field(SIGNED, task->flags);
	out[7] = field(BYTE_SIZE, task->comm);
	out[8] = field(BYTE_OFFSET, task->comm[3]);
	out[9] = field(BYTE_SIZE, task->comm[3]);
	out[10] = field(RSHIFT_U64, task->utime);
	return 0;
}
