/* Over ambiguous_kernel.c: types that agree, types that don't, and candidates that are dropped. */
#include "core.h"
struct agree { int a; int b; } CORE;
struct differ { int a; int b; } CORE;
struct sized { int a; } CORE;
enum valued { VALUED_ONE = 1, VALUED_TWO = 2 };
struct dropped { int only_first; int common; } CORE;
struct bits { int low : 3; } CORE;
SEC("raw_tp/agree") int ok(void *ctx)
{
	out[0] = field(BYTE_OFFSET, ((struct agree *)ctx)->b);
	out[1] = field_exists(((struct dropped *)ctx)->only_first);
	out[2] = field(BYTE_OFFSET, ((struct dropped *)ctx)->common);
	out[3] = value_of(enum valued, VALUED_ONE);
	out[4] = type_exists(struct sized);
	return 0;
}
SEC("raw_tp/differ") int refused(void *ctx)
{
	out[0] = field(BYTE_OFFSET, ((struct differ *)ctx)->b);
	out[1] = value_of(enum valued, VALUED_TWO);
	out[2] = type_size(struct sized);
	out[3] = type_id_kernel(struct agree);
	out[4] = field(LSHIFT_U64, ((struct bits *)ctx)->low);
	out[5] = field_exists(((struct differ *)ctx)->b);
	return 0;
}
