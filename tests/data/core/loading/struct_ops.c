/* Structs of the kernel that a program implements. */
#include "../programs/core.h"
struct tcp_congestion_ops { int (*init)(void *sk); };
struct no_such_ops { int (*init)(void *sk); };
SEC("struct_ops/init") int init(void *ctx) { return 0; }
SEC(".struct_ops") struct tcp_congestion_ops here = { .init = (void *)init };
SEC(".struct_ops.link") struct no_such_ops gone = { .init = (void *)init };
SEC("?.struct_ops") struct no_such_ops not_made = { .init = (void *)init };
