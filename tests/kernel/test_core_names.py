"""Names that libbpf looks up in the running kernel's BTF, and what ``core`` says of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from core_oracle import clang
from libbpf_oracle import run

from btfschema.co_re import Kernel, check_object, read_object

pytestmark = [pytest.mark.kernel, pytest.mark.debian]

HEAD = """
#define SEC(name) __attribute__((section(name), used))
#define KSYM __attribute__((section(".ksyms")))
#define WEAK __attribute__((weak))
char LICENSE[] SEC("license") = "GPL";
unsigned long out;
struct task_struct; struct rq { int x; }; struct nobody { int x; };
"""
SECTIONS = (
    "fentry/vfs_read",
    "fentry/no_such_function",
    "fentry.s/no_such_function",
    "fexit/no_such_function",
    "fmod_ret/no_such_function",
    "fmod_ret.s/security_file_open",
    "?fentry/no_such_function",
    "kprobe/no_such_function",
    "lsm/file_open",
    "lsm/no_such_hook",
    "lsm_cgroup/no_such_hook",
    "tp_btf/sched_switch",
    "tp_btf/no_such_tracepoint",
    "iter/task",
    "iter.s/no_such_iterator",
    "fentry/vmlinux:vfs_read",
    "fentry/vmlinux:no_such_function",
    "fentry/no_such_module:vfs_read",
)
EXTERNS = {
    "struct task_struct *bpf_task_acquire(struct task_struct *p)": "bpf_task_acquire",
    "struct task_struct *bpf_task_acquire___one(struct task_struct *p)": "bpf_task_acquire___one",
    "int bpf_task_acquire(int one, int two)": "bpf_task_acquire",
    "void bpf_task_release(struct nobody *p)": "bpf_task_release",
    "int no_such_kfunc(void)": "no_such_kfunc",
    "const struct rq runqueues": "runqueues",
    "const struct nobody runqueues": "runqueues",
    "const int runqueues": "runqueues",
    "const int no_such_variable": "no_such_variable",
}
# What libbpf says of a name that it does not find, or that is something else.
REFUSED = ("failed to find kernel BTF type ID", "not found in kernel", "incompatible")


def compiled(text: str, folder: Path) -> Path:
    source, program = folder / "one.c", folder / "one.o"
    source.write_text(HEAD + text)
    compiler = clang()
    assert compiler is not None
    run(compiler, "-target", "bpf", "-mcpu=v3", "-g", "-O2", "-c", source, "-o", program)
    return program


def check(text: str, loader: Path, running: Kernel, folder: Path) -> None:
    program = compiled(text, folder)
    done = subprocess.run([loader, program], capture_output=True, text=True, errors="replace")
    refused = any(one in done.stdout for one in REFUSED)
    report = check_object(read_object(program), running)
    assert report.loads == (not refused), done.stdout
    if refused:
        assert "LOADED 0" not in done.stdout


@pytest.mark.parametrize("section", SECTIONS)
def test_attach_targets(section: str, loader: Path, running: Kernel, tmp_path: Path) -> None:
    text = f'SEC("{section}") int one(void *ctx) {{ return 0; }}'
    check(text, loader, running, tmp_path)


@pytest.mark.parametrize("weak", ["", "WEAK"])
@pytest.mark.parametrize("extern", EXTERNS)
def test_symbols(extern: str, weak: str, loader: Path, running: Kernel, tmp_path: Path) -> None:
    use = f"out = (unsigned long)&{EXTERNS[extern]};"
    text = f'extern {extern} KSYM {weak}; SEC("tc") int one(void *ctx) {{ {use} return 0; }}'
    check(text, loader, running, tmp_path)


@pytest.mark.parametrize("name", ["tcp_congestion_ops", "no_such_ops", "tcp_congestion_ops___one"])
@pytest.mark.parametrize("section", [".struct_ops", ".struct_ops.link", "?.struct_ops"])
def test_struct_ops(section: str, name: str, loader: Path, running: Kernel, tmp_path: Path) -> None:
    text = (
        f"struct {name} {{ char name[16]; }}; "
        f'SEC("{section}") struct {name} one = {{ .name = "bpf_one" }};'
    )
    program = compiled(text, tmp_path)
    done = subprocess.run([loader, program], capture_output=True, text=True, errors="replace")
    refused = "is not found in kernel BTF" in done.stdout
    assert check_object(read_object(program), running).loads == (not refused), done.stdout
