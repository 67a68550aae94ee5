/* request.rq_disk went in Linux 5.17, the disk is at q->disk: modelled on ccfos/huatuo#27. */
#include "core.h"
struct gendisk { int major; int first_minor; } CORE;
struct request { struct gendisk *rq_disk; unsigned int __data_len; } CORE;
SEC("tp_btf/block_rq_issue") int rq_disk(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	out[0] = rq->rq_disk->major;
	out[1] = rq->__data_len;
	return 0;
}
