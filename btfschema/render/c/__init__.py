"""C declarations of a container's types, as ``bpftool btf dump file FILE format c`` prints them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import BinaryIO

from attrs import field, frozen

from btfschema._doors import shown
from btfschema.arguments import require_choice, several
from btfschema.errors import EncodeError, UnresolvedError
from btfschema.model.container import Btf
from btfschema.model.memo import remembered
from btfschema.model.sizes import libbpf_pointer_size_of
from btfschema.render.c.chosen import left_out, objects_of
from btfschema.render.c.columns import TypeColumns
from btfschema.render.c.dialect import DIALECTS, Dialect, Like
from btfschema.render.c.emit import Emitter
from btfschema.render.c.faults import has_faults
from btfschema.render.c.kfuncs import kfuncs
from btfschema.render.c.repair import repaired
from btfschema.render.c.sort import sorted_ids

__all__ = ["Header", "Like", "c_header", "format_c", "write_c"]

__dir__ = shown(__all__)

HEAD = """\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

"""
KFUNC_MACROS = """\
#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

"""
FASTCALL_MACRO = """\
#ifndef __bpf_fastcall
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#else
#define __bpf_fastcall
#endif
#endif

"""
TAIL = """\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
"""
# Characters of any header.
PLENTY = 1 << 22


@frozen
class Header:
    """A C header.

    Attributes:
        text: the C.
        left_out: of the types that were asked for, those that the text does not declare: each in
            words, with the reason.
        is_empty: whether types were asked for, and none of them is declared.
    """

    text: str = field(repr=lambda text: f"<{len(text):,} characters>")
    left_out: tuple[str, ...] = ()
    is_empty: bool = False


def c_header(
    btf: Btf,
    ids: int | str | Iterable[int | str] | None = None,
    *,
    sort: bool = True,
    like: Like = "none",
    asserts: bool = False,
    told: Sequence[int] | None = None,
) -> Header:
    """A C header that declares types, such as ``vmlinux.h``.

    Types that C needs to know before others come first, however deeply they nest. The n-th holder
    of a name in its name space is called ``name___n``. Structs get explicit padding where a
    compiler would place members elsewhere, and are packed where that is the only way.

    What C can't say is changed until it can: names that are none become names, with the real one
    in a comment; members come in order; members that overlap become a union's; members without a
    name that are of a named struct are spelled out. What can't be said at all is left out, and
    named in a comment where it would be.

    Args:
        btf: the container; of split BTF its bases' types are written too, since C needs them.
        ids: what to write, in this order, with all that it needs: ids or names, or one of these.
            None for all types, and the kernel functions that BPF programs may call.
        sort: all types sorted by kind and name, so that two kernels' headers can be compared;
            otherwise in id order. Ids that are given keep their order.
        like: ``"none"`` writes all types, and each as it is. ``"7.8"``, ``"7.5"`` and ``"7.1"``
            give the text of that bpftool, byte for byte, faults included: see
            :class:`~btfschema.render.c.dialect.Dialect`. 7.1 never sorts.
        asserts: after each struct and union assert its size and its members' offsets.
        told: for a container whose types were put in another order, the id that messages name for
            each of its ids; the text then names no ids.

    Raises:
        ValueError: ``like`` is something else.
        TypeIdError: an id does not exist.
        UnresolvedError: with a bpftool's text, something can't be written as C, such as a struct
            that holds itself.
        EncodeError: with a bpftool's text, a struct has a gap of more than 16 MiB, which would
            become millions of lines; or types without a name hold each other so often that the
            text would be longer than 128 MiB.
    """
    require_choice("like", like, Like)
    dialect = DIALECTS[like]
    types = TypeColumns.of(btf).listed()
    if told is not None:
        types = types.telling(told)
    chosen: list[int] | None
    chosen = None if ids is None else [btf[one].id for one in several(ids, int, str)]
    if not dialect.exact:
        # bpftool infers no sizes from the members of structs.
        types = types.with_pointers_of(libbpf_pointer_size_of(btf))
        return _header(types, chosen, dialect, sort, asserts)
    if not has_faults(types, chosen or ()):
        try:
            # Real types need much less text than this; others are found out early.
            return _header(types, chosen, dialect, sort, asserts, PLENTY + 100 * types.count)
        except (UnresolvedError, EncodeError):
            # Only a walk over all types finds some faults; most BTF has none.
            pass
    return _header(remembered(types, repaired, repaired), chosen, dialect, sort, asserts)


def _header(
    types: TypeColumns,
    chosen: list[int] | None,
    dialect: Dialect,
    sort: bool,
    asserts: bool,
    most_text: int = 0,
) -> Header:
    objects = kfuncs(types) if chosen is None else objects_of(types, chosen)
    emitter = Emitter(types, dialect, asserts=asserts, objects=objects)
    if most_text:
        emitter.declarations.most_text = min(most_text, emitter.declarations.most_text)
    emitter.out.append(HEAD + KFUNC_MACROS * dialect.kfuncs + FASTCALL_MACRO * dialect.fastcall)
    if chosen is not None:
        roots: Iterable[int] = chosen
    elif sort and dialect.sorts:
        roots = sorted_ids(types, every=dialect.exact)
    else:
        roots = range(1, types.count)
    if chosen is not None and dialect.exact:
        for root in chosen:
            emitter.write_chosen(root)
    else:
        emitter.write_all(roots)
    if dialect.exact:
        emitter.write_unnamed_enums(range(1, types.count) if chosen is None else chosen)
    if dialect.kfuncs and chosen is None:
        emitter.declare_kfuncs()
    emitter.out.append(TAIL)
    absent = left_out(types, chosen or (), emitter.declarations.in_place, objects=dialect.exact)
    is_empty = bool(chosen) and len(absent) == len({*(chosen or ())})
    if chosen is None:
        absent = [types.message(type_id, text) for type_id, text in types.lost.items()]
    return Header("".join(emitter.out), (*absent, *emitter.remarked()), is_empty)


def format_c(
    btf: Btf,
    ids: int | str | Iterable[int | str] | None = None,
    *,
    sort: bool = True,
    like: Like = "none",
    asserts: bool = False,
) -> str:
    """The text of :func:`c_header`."""
    return c_header(btf, ids, sort=sort, like=like, asserts=asserts).text


def write_c(
    btf: Btf,
    out: BinaryIO,
    ids: int | str | Iterable[int | str] | None = None,
    *,
    sort: bool = True,
    like: Like = "none",
    asserts: bool = False,
    told: Sequence[int] | None = None,
) -> Header:
    """Write :func:`c_header` to a binary file, nothing when that fails; returns the header."""
    header = c_header(btf, ids, sort=sort, like=like, asserts=asserts, told=told)
    out.write(header.text.encode("utf-8", "surrogateescape"))
    return header
