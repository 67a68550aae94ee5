/* The right name and another kind: no candidates. */
#include "core.h"
union task_struct { int pid; } CORE;
struct pid_type { int x; } CORE;
struct atomic_t { int counter; } CORE;
typedef int list_head;
SEC("raw_tp/x") int type_kinds(void *ctx)
{
	out[0] = type_exists(union task_struct);
	out[1] = type_exists(struct pid_type);
	out[2] = field_exists(((struct atomic_t *)ctx)->counter);
	out[3] = type_exists(list_head);
	out[4] = ((struct atomic_t *)ctx)->counter;
	return 0;
}
