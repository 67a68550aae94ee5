/* Members of anonymous structs and unions, in the program, in the kernel, in both. */
#include "core.h"
struct page { unsigned long flags; struct { union { void *mapping; }; }; int _refcount; } CORE;
struct sk_buff { void *next; struct { struct { u32 tail; u16 protocol; }; }; void *sk; } CORE;
struct dentry { union { struct { int d_alias; } ; } d_u; } CORE;
SEC("raw_tp/x") int anonymous(void *ctx)
{
	struct page *page = ctx; struct sk_buff *skb = ctx; struct dentry *dentry = ctx;
	out[0] = field(BYTE_OFFSET, page->mapping);
	out[1] = field(BYTE_OFFSET, page->_refcount);
	out[2] = field(BYTE_OFFSET, skb->next);
	out[3] = field(BYTE_OFFSET, skb->protocol);
	out[4] = field(BYTE_OFFSET, skb->sk);
	out[5] = field(EXISTS, dentry->d_u);
	out[6] = field(EXISTS, dentry->d_u.d_alias);
	return 0;
}
