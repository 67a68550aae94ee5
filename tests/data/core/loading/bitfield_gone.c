/* Several relocations of one line that fail for the same reason; flavours of what is not there. */
#include "../programs/core.h"
struct sk_buff { u8 nobody : 1; } CORE;
struct gone___m { int x; } CORE;
enum bpf_map_type { BPF_MAP_TYPE_GONE___m = 97 };
#define ask(n, access) \
	out[n] = field(BYTE_OFFSET, access); out[n + 1] = field(BYTE_SIZE, access); \
	out[n + 2] = field(LSHIFT_U64, access); out[n + 3] = field(RSHIFT_U64, access)
SEC("raw_tp/bits") int bitfield_gone(void *ctx)
{
	struct sk_buff *skb = ctx; struct gone___m *gone = ctx;
	ask(0, skb->nobody);
	out[5] = field(BYTE_OFFSET, gone->x);
	out[6] = value_of(enum bpf_map_type, BPF_MAP_TYPE_GONE___m);
	return 0;
}
