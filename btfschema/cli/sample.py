"""A few types, for a first look on a machine whose kernel has no BTF."""

from __future__ import annotations

from btfschema.model.builder import Builder
from btfschema.model.container import Btf
from btfschema.model.views import (
    Array,
    Const,
    Enum,
    Enumerator,
    Func,
    FuncProto,
    Fwd,
    Int,
    IntEncoding,
    Linkage,
    Member,
    Param,
    Ptr,
    Struct,
    Typedef,
)

__all__ = ["sample"]


def sample() -> Btf:
    """Types of a small task list, as a C compiler would describe them.

    ::

        typedef unsigned int u32;
        struct list_head { struct list_head *next, *prev; };
        enum task_state { TASK_RUNNING, TASK_SLEEPING, TASK_DEAD = 16 };
        struct mm;
        struct task {
            struct list_head tasks; enum task_state state; u32 pid : 22; u32 exiting : 1;
            char comm[16]; struct mm *mm;
        };
        struct task *find_task(const struct list_head *head, u32 pid);
    """
    b = Builder()
    uint = b.add(Int("unsigned int", 4))
    char = b.add(Int("char", 1, IntEncoding.SIGNED))
    u32 = b.add(Typedef("u32", uint))
    list_head = b.next_id
    to_list = list_head + 1
    b.add(Struct("list_head", 16, [Member("next", to_list), Member("prev", to_list, 64)]))
    b.add(Ptr(list_head))
    states = {"TASK_RUNNING": 0, "TASK_SLEEPING": 1, "TASK_DEAD": 16}
    state = b.add(Enum("task_state", 4, [Enumerator(*item) for item in states.items()]))
    name = b.add(Array(char, uint, 16))
    mm = b.add(Ptr(b.add(Fwd("mm"))))
    members = [
        Member("tasks", list_head),
        Member("state", state, 128),
        Member("pid", u32, 160, 22),
        Member("exiting", u32, 182, 1),
        Member("comm", name, 192),
        Member("mm", mm, 320),
    ]
    task = b.add(Struct("task", 48, members))
    head = b.add(Ptr(b.add(Const(list_head))))
    proto = b.add(FuncProto(b.add(Ptr(task)), [Param("head", head), Param("pid", u32)]))
    b.add(Func("find_task", proto, Linkage.GLOBAL))
    return b.build()
