/* A bit field in the program, plain in the kernel. */
#include "core.h"
struct task_struct { u32 pid : 8, tgid : 24; } CORE;
SEC("raw_tp/x") int bitfield_before(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	out[0] = field(BYTE_OFFSET, task->tgid);
	out[1] = field(BYTE_SIZE, task->tgid);
	out[2] = field(LSHIFT_U64, task->pid);
	out[3] = field(RSHIFT_U64, task->pid);
	out[4] = field(SIGNED, task->pid);
	return 0;
}
