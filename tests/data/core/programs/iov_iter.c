/* iov_iter.type became iter_type in Linux 5.14, iov became __iov in 6.4: as in
 * open-telemetry/opentelemetry-ebpf-instrumentation#1649. */
#include "core.h"
struct iovec { void *iov_base; unsigned long iov_len; } CORE;
struct iov_iter { unsigned int type; const struct iovec *iov; unsigned long count; } CORE;
SEC("kprobe/tcp_sendmsg") int iov_iter(void *ctx)
{
	struct iov_iter *iter = ctx;
	const struct iovec *iov; unsigned int type; unsigned long count;
	read_into(type, iter->type);
	read_into(iov, iter->iov);
	read_into(count, iter->count);
	out[0] = type + count + (u64)iov;
	return 0;
}
