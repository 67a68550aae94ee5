/* Bit fields, read as BPF_CORE_READ_BITFIELD does: size, offset and two shifts. */
#include "core.h"
struct sk_buff { u8 cloned : 1, nohdr : 1, pkt_type : 3; u8 ip_summed : 2; u16 mac_len; } CORE;
struct tcp_sock { u32 is_cwnd_limited : 1; u8 repair : 1; u8 nonagle : 4; } CORE;
struct task_struct { unsigned int sched_reset_on_fork : 1; int in_iowait : 1; } CORE;
#define ask(n, access) \
	out[n] = field(BYTE_OFFSET, access); out[n + 1] = field(BYTE_SIZE, access); \
	out[n + 2] = field(LSHIFT_U64, access); out[n + 3] = field(RSHIFT_U64, access); \
	out[n + 4] = field(SIGNED, access)
SEC("raw_tp/bits") int bits(void *ctx)
{
	struct sk_buff *skb = ctx; struct tcp_sock *tcp = ctx; struct task_struct *task = ctx;
	ask(0, skb->cloned); ask(1, skb->pkt_type); ask(2, skb->ip_summed); ask(3, skb->mac_len);
	ask(4, tcp->is_cwnd_limited); ask(5, tcp->nonagle);
	ask(6, task->sched_reset_on_fork); ask(7, task->in_iowait);
	return 0;
}
