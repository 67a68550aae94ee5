"""Twenty paths that tools ask kernels for, and what CO-RE relocations of them come to."""

from __future__ import annotations

from btfschema import Btf, Builder, views
from btfschema.co_re import Kernel, Resolver
from btfschema.model.paths import steps_of
from btfschema.model.views.ext import CoreRelo, CoreReloKind
from btfschema.questions.offsets import Answer, parse_questions

__all__ = ["PATHS", "relocated"]

# elastic/quark's, libbpf-tools', Tetragon's and what changed in Linux from 4.19 to 6.18.
PATHS = """\
task_struct.start_boottime | task_struct.real_start_time
task_struct.__state | task_struct.state
task_struct.loginuid.val | task_struct.audit.loginuid.val
task_struct.pid_links[1].next | task_struct.thread_pid
task_struct.thread_info.flags | thread_info.flags
task_struct.sched_migrated
task_struct.in_execve
cfs_rq.nr_queued | cfs_rq.nr_running
cred.cap_effective.val | cred.cap_effective.cap[0]
kernfs_node.__parent | kernfs_node.parent
mm_struct.rss_stat[1].count | mm_struct.rss_stat.count[1].counter
request.q | request.rq_disk
sk_buff.protocol
sk_buff.ip_summed
sk_buff.tstamp_type | sk_buff.mono_delivery_time | sk_buff.__mono_tc_offset
sock.__sk_common.skc_v6_daddr.in6_u.u6_addr32[3]
sizeof(struct slab) | sizeof(struct page)
enum pid_type.PIDTYPE_TGID | enum pid_type.__PIDTYPE_TGID
exists(bpf_perf_event_data_kern.data) | exists(enum bpf_attach_type.BPF_TRACE_KPROBE_SESSION)
exists(trace_event_raw_block_rq_completion.dev)
""".splitlines()

Kind = CoreReloKind
Field = tuple[int, int | None, int, int]


def leaves() -> list[views.TypeView]:
    """What a program may say of a member's type; one of them fits each member."""
    return [
        views.Int("long", 8),
        views.Ptr(0),
        views.Struct("", 0, []),
        views.Enum("", 4, [views.Enumerator("", 0)]),
    ]


def program(name: str, path: str, leaf: views.TypeView, byteorder: str) -> tuple[Btf, int, str]:
    """A program's types that say no more than the path: the type's id and the access to it."""
    builder = Builder(byteorder="little" if byteorder == "little" else "big")
    index = builder.add(views.Int("int", 4))
    type_id = builder.add(leaf)
    access: list[str] = []
    for step in reversed(steps_of(path)):
        access.insert(0, "0" if isinstance(step, str) else str(step))
        if isinstance(step, str):
            type_id = builder.add(views.Struct("", 8, [views.Member(step, type_id)]))
        else:
            type_id = builder.add(views.Array(type_id, index, step + 1))
    built = builder.build()
    # The outermost struct has the name that is searched for.
    root = built[type_id]
    assert isinstance(root, views.Struct)
    builder.add(views.Struct(name, root.size, list(root.members)))
    return builder.build(), type_id + 1, ":".join(["0", *access])


def value_of(kernel: Btf, local: Btf, type_id: int, access: str, kind: CoreReloKind) -> int | None:
    """What one relocation comes to; None where it fails."""
    found = Resolver.of(local, Kernel(kernel)).resolve(CoreRelo(0, type_id, access, kind))
    return None if found.error is not None else found.value


def relocated(kernel: Btf, line: str) -> Answer:
    """The answer to a question by relocations of a program that asks it."""
    (question,) = parse_questions(line)
    for text, (what, name, path) in zip(question.texts, question.alternatives, strict=True):
        plain = name.split()[-1]
        found: Field | None
        if what == "sizeof":
            found = type_size(kernel, plain)
        elif name.startswith("enum "):
            found = enum_value(kernel, plain, path, exists=what == "exists")
        else:
            found = field(kernel, plain, path, exists=what == "exists")
        if found is not None:
            return Answer(line, text, *found)
    only_exists = all(what == "exists" for what, _, _ in question.alternatives)
    return Answer(line, question.texts[0], 0) if only_exists else Answer(line)


def type_size(kernel: Btf, name: str) -> Field | None:
    builder = Builder()
    local = builder.add(views.Struct(name, 0, []))
    built = builder.build()
    if not value_of(kernel, built, local, "0", Kind.TYPE_EXISTS):
        return None
    size = value_of(kernel, built, local, "0", Kind.TYPE_SIZE)
    return (size, None, 0, 0) if size else None


def enum_value(kernel: Btf, name: str, value: str, *, exists: bool) -> Field | None:
    builder = Builder()
    local = builder.add(views.Enum(name, 4, [views.Enumerator(value, 0)]))
    built = builder.build()
    if not value_of(kernel, built, local, "0", Kind.ENUMVAL_EXISTS):
        return None
    found = value_of(kernel, built, local, "0", Kind.ENUMVAL_VALUE)
    assert found is not None
    return 1 if exists else (found if found < 1 << 63 else found - (1 << 64)), None, 0, 0


def field(kernel: Btf, name: str, path: str, *, exists: bool) -> Field | None:
    for leaf in leaves():
        local, root, access = program(name, path, leaf, kernel.byteorder)

        def ask(kind: CoreReloKind) -> int | None:
            return value_of(kernel, local, root, access, kind)  # noqa: B023

        if not ask(Kind.FIELD_EXISTS):
            continue
        if exists:
            return 1, None, 0, 0
        offset, size = ask(Kind.FIELD_BYTE_OFFSET), ask(Kind.FIELD_BYTE_SIZE)
        assert offset is not None
        assert size is not None
        if path.endswith("]"):
            # Of an element CO-RE tells offset and size alone.
            return offset, size, 0, 0
        left, right = ask(Kind.FIELD_LSHIFT_U64), ask(Kind.FIELD_RSHIFT_U64)
        assert left is not None
        assert right is not None
        bits = 64 - right
        if bits == size * 8:
            return offset, size, 0, 0
        # CO-RE shifts to the left of 64 bits first, and then back.
        return offset, size, bits, 64 - left - bits
    return None
