#include "common.h"
struct pt_regs { u64 di, si, ip; } PAI; struct trace_entry { u16 type; } PAI; struct trace_event_raw_sys_enter { struct trace_entry ent; s64 id; u64 args[6]; } PAI;
SEC("tp/a") int a(struct trace_event_raw_sys_enter *c){ out[0]=c->id; out[1]=c->args[2]; out[2]=c->ent.type; return 0; }
SEC("kprobe/b") int b(struct pt_regs *r){ out[3]=r->di; out[4]=r->ip; return 0; }
