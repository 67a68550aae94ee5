/* task_struct.cpu moved into thread_info in Linux 5.16: modelled on aquasecurity/tracee#1171. */
#include "core.h"
struct task_struct { unsigned int cpu; int pid; } CORE;
SEC("raw_tp/sched_switch") int task_cpu(void *ctx)
{
	struct task_struct *task = (void *)get_current_task();
	unsigned int cpu;
	read_into(cpu, task->cpu);
	out[0] = cpu;
	return 0;
}
