#include "common.h"
struct task_struct___old { long state; } PAI; struct task_struct___new { unsigned int __state; } PAI; struct task_struct___none { int never_there; } PAI; struct nosuch___x { int a; } PAI;
SEC("kprobe/a") int a(void *ctx){ void *t=(void*)out[0]; if (fex(((struct task_struct___new*)t)->__state)) { unsigned s; rd(s, ((struct task_struct___new*)t)->__state); out[1]=s; } else if (fex(((struct task_struct___old*)t)->state)) { long s; rd(s, ((struct task_struct___old*)t)->state); out[1]=s; }
out[2]=fex(((struct task_struct___none*)t)->never_there); out[3]=fex(((struct nosuch___x*)t)->a); return 0; }
