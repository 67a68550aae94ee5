"""What the verifier of the running kernel reaches, and what ``core`` says it does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from core_oracle import PROGRAMS, clang
from libbpf_oracle import run

from btfschema.co_re import Kernel, check_object, read_object

pytestmark = [pytest.mark.kernel, pytest.mark.debian]

HEAD = """
#include "core.h"
#define STATIC static __attribute__((noinline))
#define GLOBAL __attribute__((noinline))
#define KSYM __attribute__((section(".ksyms"), weak))
struct task_struct { int pid; int nobody; } CORE;
extern struct task_struct *bpf_task_acquire(struct task_struct *p) KSYM;
extern void no_such_kfunc(void) KSYM;
static long (*loop)(u32 times, void *callback, void *context, u64 flags) = (void *)181;
#define READ(task) { int value; read_into(value, task->nobody); out[0] = value; }
#define TASK struct task_struct *task = (void *)get_current_task();
"""
MAIN = 'SEC("raw_tp/sched_switch") int one(void *ctx)'
# Whether they load, and the program.
SNIPPETS = {
    "read-only flag": (
        True,
        "const volatile int old = 0; {main} {{ TASK if (old) READ(task) return 0; }}",
    ),
    "set flag": (
        False,
        "const volatile int old = 1; {main} {{ TASK if (old) READ(task) return 0; }}",
    ),
    "second flag": (
        True,
        "const volatile bool first = 1; const volatile short old = 7; "
        "{main} {{ TASK if (first) out[1] = 1; if (old != 7) READ(task) return 0; }}",
    ),
    "static flag": (
        True,
        "static const volatile u8 x = 3; static const volatile u64 old = 0; "
        "{main} {{ TASK out[2] = x; if (old) READ(task) return 0; }}",
    ),
    "flags in an array": (
        True,
        "const volatile int flags[4] = {{0, 1, 0, 1}}; "
        "{main} {{ TASK if (flags[2]) READ(task) return flags[1] - 1; }}",
    ),
    "flag in a section of its own": (
        True,
        'const volatile int old SEC(".rodata.mine") = 0; {main} {{ TASK if '
        "(old) READ(task) return 0; }}",
    ),
    "flag that may change": (
        False,
        "volatile int old = 0; {main} {{ TASK if (old) READ(task) return 0; }}",
    ),
    "check in a static function": (
        True,
        "STATIC int has(void *p) {{ struct task_struct *task = p; return "
        "field_exists(task->nobody); }} "
        "{main} {{ TASK if (has(task)) READ(task) return 0; }}",
    ),
    "check in a static function that tells two things": (
        False,
        "STATIC int has(int x) {{ return x ? out[3] : 0; }} "
        "{main} {{ TASK if (has(1)) READ(task) return has(0); }}",
    ),
    "read in a static function": (
        True,
        "STATIC int get(struct task_struct *task) {{ READ(task) return out[0]; }} "
        "{main} {{ TASK if (field_exists(task->nobody)) out[1] = get(task); return 0; }}",
    ),
    "read in a static function without a check": (
        False,
        "STATIC int get(struct task_struct *task) {{ READ(task) return out[0]; }} "
        "{main} {{ TASK out[1] = get(task); return 0; }}",
    ),
    "check that is passed on": (
        True,
        "STATIC int get(struct task_struct *task, int has) {{ if (has) "
        "READ(task) return out[0]; }} "
        "{main} {{ TASK out[1] = get(task, field_exists(task->nobody)); return 0; }}",
    ),
    "check and read in static functions": (
        True,
        "STATIC int has(void *p) {{ struct task_struct *task = p; return "
        "field_exists(task->nobody); }} "
        "STATIC int get(struct task_struct *task) {{ READ(task) return out[0]; }} "
        "{main} {{ TASK if (has(task)) out[1] = get(task); return 0; }}",
    ),
    "check in a global function": (
        False,
        "GLOBAL int has(int x) {{ struct task_struct *task = 0; "
        "return field_exists(task->nobody) + x - x; }} "
        "{main} {{ TASK if (has(0)) READ(task) return 0; }}",
    ),
    "check in a hidden function": (
        True,
        '__attribute__((visibility("hidden"))) GLOBAL int has(int x) {{ '
        "struct task_struct *task = 0; "
        "return field_exists(task->nobody); }} {main} {{ TASK if (has(0)) READ(task) return 0; }}",
    ),
    "read in a callback": (
        False,
        "STATIC int each(u32 i, void *c) {{ TASK READ(task) return 0; }} "
        "{main} {{ loop(2, each, 0, 0); return 0; }}",
    ),
    "read in a callback behind a check": (
        True,
        "STATIC int each(u32 i, void *c) {{ TASK READ(task) return 0; }} "
        "{main} {{ TASK if (field_exists(task->nobody)) loop(2, each, 0, 0); return 0; }}",
    ),
    "kernel function that is there": (
        False,
        "{main} {{ TASK if (bpf_task_acquire) READ(task) return 0; }}",
    ),
    "kernel function that is there, the other way": (
        True,
        "{main} {{ TASK if (!bpf_task_acquire) READ(task) return 0; }}",
    ),
    "kernel function that is not there": (
        True,
        "{main} {{ TASK if (no_such_kfunc) READ(task) return 0; }}",
    ),
    "kernel function that is not there, the other way": (
        False,
        "{main} {{ TASK if (!no_such_kfunc) READ(task) return 0; }}",
    ),
    "address of a variable": (
        False,
        "{main} {{ TASK if ((u64)&out > 5) READ(task) return 0; }}",
    ),
    "program that is not loaded": (
        True,
        'SEC("?raw_tp/x") int two(void *ctx) {{ TASK READ(task) return 0; }} '
        "{main} {{ return 0; }}",
    ),
    "function of a program that is not loaded": (
        True,
        "STATIC int get(struct task_struct *task) {{ READ(task) return out[0]; }} "
        'SEC("?raw_tp/x") int two(void *ctx) {{ TASK return get(task); }} {main} {{ return 0; }}',
    ),
    "exchange": (
        False,
        "{main} {{ TASK u64 one = 0; if (__sync_lock_test_and_set(&out[4], "
        "one)) READ(task) return 0; }}",
    ),
}


@pytest.mark.parametrize("cpu", ["v2", "v4"])
@pytest.mark.parametrize("name", SNIPPETS)
def test_the_verifier_reaches_what_core_says(
    name: str, cpu: str, loader: Path, running: Kernel, tmp_path: Path
) -> None:
    loads, text = SNIPPETS[name]
    source, program = tmp_path / "one.c", tmp_path / "one.o"
    source.write_text(HEAD + text.format(main=MAIN))
    compiler = clang()
    assert compiler is not None
    flags = ("-target", "bpf", f"-mcpu={cpu}", "-g", "-O2", f"-I{PROGRAMS}")
    run(compiler, *flags, "-c", source, "-o", program)
    done = subprocess.run([loader, program], capture_output=True, text=True, errors="replace")
    assert ("LOADED 0" in done.stdout) == loads, done.stdout
    report = check_object(read_object(program), running)
    assert report.loads == loads, report.findings
