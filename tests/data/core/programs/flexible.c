/* Flexible arrays: last in the program, in the kernel, or only in one of them. */
#include "core.h"
struct cgroup { int level; void *ancestors[]; } CORE;
struct trace_event_raw_sched_process_exec { int pid; char __data[0]; } CORE;
struct task_struct { int x; u8 comm[]; } CORE;
struct cgroup___early { int level; void *ancestors[2]; } CORE;
SEC("raw_tp/x") int flexible(void *ctx)
{
	struct cgroup *cgroup = ctx; struct task_struct *task = ctx;
	struct trace_event_raw_sched_process_exec *exec = ctx;
	struct cgroup___early *early = ctx;
	out[0] = field(BYTE_OFFSET, cgroup->ancestors[3]);
	out[1] = field(EXISTS, exec->__data[9]);
	out[2] = field(EXISTS, task->comm[2]);
	out[3] = field(EXISTS, task->comm[40]);
	out[4] = field(BYTE_OFFSET, early->ancestors[1]);
	return 0;
}
