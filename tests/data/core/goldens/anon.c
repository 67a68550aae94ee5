#include "common.h"
struct page { union { struct { void *mapping; u64 index; }; struct { u64 pp_magic; }; }; union { int _mapcount; }; } PAI;
struct sk_buff { union { struct { struct sk_buff *next; struct sk_buff *prev; }; }; unsigned len; u16 protocol; } PAI;
SEC("kprobe/a") int a(void *ctx){ struct page *p=(void*)out[0]; struct sk_buff *s=(void*)out[1]; void *m; rd(m,p->mapping); out[2]=(u64)m; rd(out[3],p->pp_magic); struct sk_buff *n; rd(n,s->next); out[4]=(u64)n; unsigned l; rd(l,s->len); out[5]=l; u16 pr; rd(pr,s->protocol); out[6]=pr; return 0; }
