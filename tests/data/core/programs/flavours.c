/* task_struct.state became __state in Linux 5.14: one flavour a name, each behind its check. */
#include "core.h"
struct task_struct___old { long state; } CORE;
struct task_struct___new { unsigned int __state; } CORE;
SEC("raw_tp/sched_switch") int flavours(void *ctx)
{
	void *task = (void *)get_current_task();
	struct task_struct___new *new = task;
	struct task_struct___old *old = task;
	if (field_exists(new->__state)) {
		u32 state; read_into(state, new->__state); out[0] = state;
	} else if (field_exists(old->state)) {
		long state; read_into(state, old->state); out[0] = state;
	}
	return 0;
}
