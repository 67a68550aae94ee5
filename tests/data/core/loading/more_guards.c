/* Checks that need more than a constant in a register: read-only data, calls, kernel functions.
 * tests/kernel/test_core_guards.py asks the verifier. */
#include "../programs/core.h"
#define NOINLINE __attribute__((noinline))
#define KSYM __attribute__((section(".ksyms"), weak))
#define READ(task) { int value; read_into(value, task->nobody); out[0] = value; }
#define PROGRAM(name) SEC("raw_tp/x") int name(struct task_struct *task)
struct task_struct { int pid; int nobody; } CORE;
extern struct task_struct *bpf_task_acquire(struct task_struct *task) KSYM;
extern void no_such_kfunc(void) KSYM;
const volatile int old_kernel = 0, new_kernel = 1;
volatile int may_change = 0;
static NOINLINE int has(struct task_struct *task) { return field_exists(task->nobody); }
static NOINLINE int get_passed(struct task_struct *task, int has) { if (has) READ(task) return out[0]; }
static NOINLINE int get_behind(struct task_struct *task) { READ(task) return out[0]; }
static NOINLINE int get_open(struct task_struct *task) { READ(task) return out[0]; }
NOINLINE int has_global(void) { return field_exists(((struct task_struct *)0)->nobody); }
PROGRAM(flag) { if (old_kernel) READ(task) return 0; }
PROGRAM(flag_is_set) { if (new_kernel) READ(task) return 0; }
PROGRAM(flag_may_change) { if (may_change) READ(task) return 0; }
PROGRAM(asks_function) { if (has(task)) READ(task) return 0; }
PROGRAM(asks_global) { if (has_global()) READ(task) return 0; }
PROGRAM(passes_on) { return get_passed(task, field_exists(task->nobody)); }
PROGRAM(calls_behind) { return has(task) ? get_behind(task) : 0; }
PROGRAM(calls_open) { return get_open(task); }
PROGRAM(kfunc_there) { if (bpf_task_acquire) READ(task) return 0; }
PROGRAM(kfunc_there_else) { if (!bpf_task_acquire) READ(task) return 0; }
PROGRAM(kfunc_gone) { if (no_such_kfunc) READ(task) return 0; }
