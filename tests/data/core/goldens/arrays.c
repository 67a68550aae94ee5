#include "common.h"
struct rlimit { u64 rlim_cur, rlim_max; } PAI; struct signal_struct { struct rlimit rlim[16]; } PAI; struct net_device { char name[16]; int ifindex; unsigned char perm_addr[32]; } PAI; struct mm_struct___b { u64 saved_auxv[52]; } PAI;
SEC("kprobe/a") int a(void *ctx){ struct signal_struct *s=(void*)out[0]; struct net_device *d=(void*)out[1]; struct mm_struct___b *m=(void*)out[2]; rd(out[3], s->rlim[7].rlim_max); char c; rd(c,d->name[5]); out[4]=c; rd(c,d->perm_addr[31]); out[5]=c; rd(out[6],m->saved_auxv[1]); out[7]=fsz(m->saved_auxv); out[8]=fsz(s->rlim); return 0; }
