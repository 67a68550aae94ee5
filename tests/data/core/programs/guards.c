/* Checks of several forms before fields that are not there: as a user of libbpf/libbpf#371 wants to
 * know beforehand. */
#include "core.h"
struct nobody_knows { int x; } CORE;
struct task_struct { int nobody; int nothing; int no_one; } CORE;
enum bpf_map_type { BPF_MAP_TYPE_NEVER = 97 };
static __attribute__((always_inline)) bool has_it(struct task_struct *task)
{
	return field_exists(task->nothing) && field(BYTE_SIZE, task->nothing) > 2;
}
SEC("raw_tp/x") int guards(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	int value = 0;
	if (type_exists(struct nobody_knows))
		out[0] = field(BYTE_OFFSET, ((struct nobody_knows *)ctx)->x);
	if (!field_exists(task->nobody))
		return 0;
	read_into(value, task->nobody);
	if (has_it(task))
		read_into(value, task->nothing);
	switch (value_exists(enum bpf_map_type, BPF_MAP_TYPE_NEVER)) {
	case 1: out[1] = value_of(enum bpf_map_type, BPF_MAP_TYPE_NEVER);
	}
	out[2] = value;
	return 0;
}
SEC("raw_tp/y") int no_guard(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	int value;
	if (out[5])
		read_into(value, task->no_one);
	else
		value = 0;
	out[2] = value;
	return 0;
}
