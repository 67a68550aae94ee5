/* An enum value that this kernel does not have, without a check. */
#include "core.h"
enum bpf_map_type { BPF_MAP_TYPE_RINGBUFFER = 97 };
SEC("raw_tp/x") int enum_gone(void *ctx)
{
	out[0] = value_of(enum bpf_map_type, BPF_MAP_TYPE_RINGBUFFER);
	return 0;
}
