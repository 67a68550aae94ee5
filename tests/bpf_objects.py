"""Small BPF programs in C, for what loaders repair: externs, sections, linkage, old kinds."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["SOURCES", "compiled"]

HEAD = """
#define SEC(n) __attribute__((section(n)))
#define WEAK __attribute__((weak))
#define NOINLINE __attribute__((noinline))
#define HIDDEN __attribute__((visibility("hidden")))
typedef unsigned int u32;
typedef unsigned long long u64;
char LICENSE[] SEC("license") = "GPL";
"""

SOURCES = {
    "empty": "",
    "global data": 'int g = 3; SEC("xdp") int p(void *c) { return g; }',
    "static data": 'static volatile int s = 4, t[3] = {1}; SEC("xdp") int p(void *c) '
    "{ return s + t[1]; }",
    "read-only data": "const volatile int r = 5; static const volatile char k[8] = {1, 2}; "
    'SEC("xdp") int p(void *c) { return r + k[2]; }',
    "bss": 'int a, b[4]; u64 d; SEC("xdp") int p(void *c) { return a + b[2] + (int)d; }',
    "hidden data": 'HIDDEN int h = 2; int v = 1; SEC("xdp") int p(void *c) { return h + v; }',
    "own section": 'int x SEC(".data.mine") = 1; long y SEC(".data.mine") = 2; '
    'SEC("xdp") int p(void *c) { return x + (int)y; }',
    "weak data": 'WEAK int w = 7; SEC("xdp") int p(void *c) { return w; }',
    "unsorted data": "int z = 1; char c1 = 2; int y = 3; char c2 = 4; long x = 5; "
    'SEC("xdp") int p(void *c) { return z + c1 + y + c2 + (int)x; }',
    "global function": "NOINLINE int f(int x) { return x * 3; } "
    'SEC("xdp") int p(void *c) { return f(4); }',
    "static function": "static NOINLINE int f(int x) { return x * 3; } "
    'SEC("xdp") int p(void *c) { return f(4); }',
    "hidden function": "HIDDEN NOINLINE int f(int x) { return x * 3; } "
    'SEC("xdp") int p(void *c) { return f(4); }',
    "weak function": "WEAK NOINLINE int f(int x) { return x * 3; } "
    'SEC("xdp") int p(void *c) { return f(4); }',
    "kconfig": 'extern int CONFIG_HZ SEC(".kconfig") WEAK; extern _Bool CONFIG_BPF '
    'SEC(".kconfig") WEAK; extern char CONFIG_LOCALVERSION[20] SEC(".kconfig") WEAK; '
    'extern u64 CONFIG_X SEC(".kconfig") WEAK; '
    'SEC("xdp") int p(void *c) { return CONFIG_HZ + CONFIG_BPF + CONFIG_LOCALVERSION[1] + '
    "(int)CONFIG_X; }",
    "ksym": 'extern const void bpf_prog_active SEC(".ksyms") WEAK; '
    'SEC("xdp") int p(void *c) { return &bpf_prog_active != 0; }',
    "typed ksym": 'struct rq { int n; }; extern struct rq runqueues SEC(".ksyms") WEAK; '
    'SEC("xdp") int p(void *c) { return &runqueues != 0; }',
    "kfunc": 'extern int nobodys_kfunc(void *, int) SEC(".ksyms") WEAK; '
    'SEC("xdp") int p(void *c) { return nobodys_kfunc(c, 3); }',
    "kfunc and ksym": 'extern int nobodys_kfunc(void *) SEC(".ksyms") WEAK; extern const void '
    'bpf_prog_active SEC(".ksyms") WEAK; SEC("xdp") int p(void *c) '
    "{ return nobodys_kfunc(c) + (&bpf_prog_active != 0); }",
    "map": "struct { int (*type)[1]; u32 *key; u64 *value; int (*max_entries)[4]; } m "
    'SEC(".maps"); SEC("xdp") int p(void *c) { return (long)&m != 0; }',
    "enums": "enum e { A = -1, B = 5 } g = A; enum big { C = 1ULL << 40, D } h = D; "
    'SEC("xdp") int p(void *c) { return g + (int)h; }',
    "forward enum": "enum fwd; struct s { enum fwd *f; int x; } g; "
    'SEC("xdp") int p(void *c) { return g.x; }',
    "bit fields": "struct s { u32 a : 3; int b : 5; u64 c : 40; } g = {1, 2, 3}; "
    'SEC("xdp") int p(void *c) { return g.a + g.b + (int)g.c; }',
    "tags": "#if defined(__clang__)\n#define T(x) __attribute__((btf_type_tag(x)))\n#define D(x) "
    "__attribute__((btf_decl_tag(x)))\n#else\n#define T(x)\n#define D(x)\n#endif\n"
    'struct s { int T("user") *p D("member"); } D("struct") g; '
    'SEC("xdp") int p(void *c) { return g.p != 0; }',
    "floats": 'struct s { double d; float f; int i; } g; SEC("xdp") int p(void *c) { return g.i; }',
}
"""What each is about, and its text without the head."""


def compiled(name: str, compiler: str, folder: Path) -> Path:
    """The object file that a compiler makes of a source.

    Args:
        name: the key in :data:`SOURCES`.
        compiler: ``clang-14`` or the like, or ``bpf-gcc``.
        folder: where to put it.
    """
    stem = f"{name.replace(' ', '_')}-{compiler}"
    source, target = folder / f"{stem}.c", folder / f"{stem}.o"
    source.write_text(HEAD + SOURCES[name])
    flags = ["-target", "bpf", "-g"] if compiler.startswith("clang") else ["-gbtf", "-mcpu=v3"]
    subprocess.run(
        [compiler, *flags, "-O2", "-c", source, "-o", target], check=True, capture_output=True
    )
    return target
