/* A distribution's audit_task_info, and the plain field elsewhere: modelled on stackrox/collector#1258. */
#include "core.h"
typedef struct { unsigned int val; } kuid_t;
struct audit_task_info { kuid_t loginuid; } CORE;
struct task_struct___cos { struct audit_task_info *audit; } CORE;
struct task_struct { kuid_t loginuid; } CORE;
SEC("raw_tp/sys_enter") int loginuid(void *ctx)
{
	struct task_struct___cos *cos = (void *)get_current_task();
	struct task_struct *task = (void *)cos;
	struct audit_task_info *info;
	kuid_t uid;
	read_into(info, cos->audit);
	read_into(uid, info->loginuid);
	out[0] = uid.val;
	if (field_exists(task->loginuid)) {
		read_into(uid, task->loginuid);
		out[1] = uid.val;
	}
	return 0;
}
