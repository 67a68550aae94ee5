/* Ids of types, in the program and in the kernel. */
#include "core.h"
struct sock { int x; } CORE;
struct nobody_knows { int x; } CORE;
typedef int pid_t;
SEC("raw_tp/x") int type_ids(void *ctx)
{
	out[0] = type_id_local(struct sock); out[1] = type_id_kernel(struct sock);
	out[2] = type_id_kernel(struct nobody_knows); out[3] = type_id_kernel(pid_t);
	out[4] = type_id_local(int);
	return 0;
}
