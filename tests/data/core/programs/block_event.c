/* A tracepoint whose struct was renamed: block_rq_issue is an event of class block_rq. */
#include "core.h"
struct trace_event_raw_block_rq_issue { u32 dev; u64 sector; u32 nr_sector; u32 bytes; } CORE;
SEC("tp/block/block_rq_issue") int block_event(void *ctx)
{
	struct trace_event_raw_block_rq_issue *event = ctx;
	out[0] = event->sector;
	return 0;
}
