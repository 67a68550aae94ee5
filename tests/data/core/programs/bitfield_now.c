/* Plain in the program, a bit field in the kernel: an offset comes out, a plain load can't. */
#include "core.h"
struct sk_buff { u8 cloned; u8 pkt_type; } CORE;
SEC("tp_btf/kfree_skb") int bitfield_now(u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	out[0] = field(BYTE_OFFSET, skb->pkt_type);
	out[1] = skb->cloned;
	return 0;
}
