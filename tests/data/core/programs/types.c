/* Whether types exist, and how large they are. */
#include "core.h"
struct task_struct { int pid; } CORE;
struct nobody_knows { int x; } CORE;
union bpf_attr { int x; } CORE;
enum bpf_map_type { BPF_MAP_TYPE_HASH = 1 };
typedef int pid_t;
typedef struct { int counter; } atomic_t;
typedef unsigned long long nobody_t;
struct list_head { struct list_head *next, *prev; } CORE;
typedef void (*rcu_callback_t)(struct list_head *head);
typedef int (*initcall_t)(void);
typedef long (*initxattrs)(void);
SEC("raw_tp/x") int types(void *ctx)
{
	out[0] = type_exists(struct task_struct); out[1] = type_size(struct task_struct);
	out[2] = type_exists(struct nobody_knows); out[3] = type_size(struct nobody_knows);
	out[4] = type_exists(union bpf_attr); out[5] = type_size(union bpf_attr);
	out[6] = type_exists(enum bpf_map_type); out[7] = type_size(enum bpf_map_type);
	out[8] = type_exists(pid_t); out[9] = type_size(atomic_t); out[10] = type_exists(nobody_t);
	out[11] = type_exists(rcu_callback_t); out[12] = type_exists(initcall_t);
	out[13] = type_size(initcall_t); out[14] = type_exists(initxattrs);
	return 0;
}
