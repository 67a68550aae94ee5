/* The same without a check: the old flavour's load is reached. */
#include "core.h"
struct task_struct___old { long state; } CORE;
SEC("raw_tp/sched_switch") int flavours_unguarded(void *ctx)
{
	struct task_struct___old *task = (void *)get_current_task();
	long state;
	read_into(state, task->state);
	out[0] = state;
	return 0;
}
