/* Elements inside and past the end, arrays of structs, arrays of arrays, the root as an array. */
#include "core.h"
struct rlimit { unsigned long rlim_cur, rlim_max; } CORE;
struct signal_struct { struct rlimit rlim[16]; } CORE;
struct task_struct { char comm[64]; int prio; } CORE;
struct net_device { char name[16]; } CORE;
SEC("raw_tp/x") int arrays(void *ctx)
{
	struct signal_struct *sig = ctx; struct task_struct *task = ctx; struct net_device *dev = ctx;
	out[0] = field(BYTE_OFFSET, sig->rlim[7].rlim_max);
	out[1] = field(BYTE_SIZE, sig->rlim[7]);
	out[2] = field(EXISTS, task->comm[15]);
	out[3] = field(EXISTS, task->comm[16]);
	out[4] = field(BYTE_OFFSET, task[2].prio);
	out[5] = field(BYTE_OFFSET, dev->name[5]);
	out[6] = field(BYTE_SIZE, task->comm);
	return 0;
}
