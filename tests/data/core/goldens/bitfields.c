#include "common.h"
struct task_struct { unsigned sched_reset_on_fork:1; unsigned in_execve:1; unsigned in_iowait:1; unsigned no_cgroup_migration:1; } PAI;
struct sk_buff { u8 cloned:1; u8 nohdr:1; u8 pkt_type:3; } PAI;
SEC("kprobe/a") int a(void *ctx){ struct task_struct *t=(void*)out[0]; struct sk_buff *s=(void*)out[1];
out[2]=foff(t->in_execve); out[3]=fsz(t->in_execve); out[4]=flsh(t->in_execve); out[5]=frsh(t->in_execve); out[6]=fsg(t->in_iowait); out[7]=foff(s->cloned); out[8]=flsh(s->cloned); out[9]=frsh(s->pkt_type); out[10]=fex(s->nohdr); return 0; }
