/* What is a flavour and what is not. */
#include "core.h"
struct task_struct___a___b { int pid; } CORE;
struct task_struct____c { int pid; } CORE;
struct ___task_struct { int pid; } CORE;
enum pid_type___mine { PIDTYPE_TGID___mine = 17, PIDTYPE_NEVER___mine = 18 };
SEC("raw_tp/x") int flavour_names(void *ctx)
{
	out[0] = field_exists(((struct task_struct___a___b *)ctx)->pid);
	out[1] = field_exists(((struct task_struct____c *)ctx)->pid);
	out[2] = field_exists(((struct ___task_struct *)ctx)->pid);
	out[3] = value_exists(enum pid_type___mine, PIDTYPE_TGID___mine);
	out[4] = value_of(enum pid_type___mine, PIDTYPE_TGID___mine);
	out[5] = value_exists(enum pid_type___mine, PIDTYPE_NEVER___mine);
	return 0;
}
