/* Enum values that moved, that are gone, that are wide, and negative ones. */
#include "core.h"
enum bpf_map_type { BPF_MAP_TYPE_HASH = 99, BPF_MAP_TYPE_RINGBUF = 98, BPF_MAP_TYPE_NEVER = 97 };
enum hmm_pfn_flags { HMM_PFN_VALID = 1ULL << 40, HMM_PFN_WRITE = 2 };
enum perf_callchain_context { PERF_CONTEXT_KERNEL = -1ULL, PERF_CONTEXT_USER = -2ULL };
enum nobody_knows { NOBODY_VALUE = 3 };
enum rq_end_io_ret { RQ_END_IO_NONE = -7 };
SEC("raw_tp/x") int enum_values(void *ctx)
{
	out[0] = value_exists(enum bpf_map_type, BPF_MAP_TYPE_HASH);
	out[1] = value_of(enum bpf_map_type, BPF_MAP_TYPE_HASH);
	out[2] = value_of(enum bpf_map_type, BPF_MAP_TYPE_RINGBUF);
	out[3] = value_exists(enum bpf_map_type, BPF_MAP_TYPE_NEVER);
	out[4] = value_of(enum hmm_pfn_flags, HMM_PFN_VALID);
	out[5] = value_of(enum hmm_pfn_flags, HMM_PFN_WRITE);
	out[6] = value_of(enum perf_callchain_context, PERF_CONTEXT_USER);
	out[7] = value_exists(enum nobody_knows, NOBODY_VALUE);
	out[8] = value_of(enum rq_end_io_ret, RQ_END_IO_NONE);
	if (value_exists(enum bpf_map_type, BPF_MAP_TYPE_NEVER))
		out[9] = value_of(enum bpf_map_type, BPF_MAP_TYPE_NEVER);
	return 0;
}
