/* Types that have all that the program knows of them, or not. Needs clang 15. */
#include "core.h"
struct list_head { struct list_head *next, *prev; } CORE;
struct list_head___three { struct list_head *next, *prev, *third; } CORE;
struct hlist_node { struct hlist_node *next, **pprev; } CORE;
struct task_struct { int pid; struct list_head tasks; struct task_struct *real_parent; } CORE;
struct task_struct___wrong { unsigned int pid; } CORE;
struct path { struct vfsmount *mnt; struct dentry *dentry; } CORE;
enum pid_type { PIDTYPE_PID, PIDTYPE_SID };
enum pid_type___more { PIDTYPE_PID___more, PIDTYPE_OTHER___more };
typedef void (*rcu_callback_t)(struct callback_head *head);
typedef void (*rcu_callback_t___two)(struct callback_head *head, int number);
typedef int pid_t;
typedef unsigned int pid_t___unsigned;
union bpf_attr { u32 x; } CORE;
SEC("raw_tp/x") int type_match(void *ctx)
{
	out[0] = type_matches(struct list_head); out[1] = type_matches(struct list_head___three);
	out[2] = type_matches(struct hlist_node); out[3] = type_matches(struct task_struct);
	out[4] = type_matches(struct task_struct___wrong); out[5] = type_matches(struct path);
	out[6] = type_matches(enum pid_type); out[7] = type_matches(enum pid_type___more);
	out[8] = type_matches(rcu_callback_t); out[9] = type_matches(rcu_callback_t___two);
	out[10] = type_matches(pid_t); out[11] = type_matches(pid_t___unsigned);
	out[12] = type_matches(union bpf_attr);
	return 0;
}
