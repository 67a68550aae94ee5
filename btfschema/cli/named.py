"""What the NAMEs of ``show`` and ``graph`` mean: types by name, kind and name, id, glob or path."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click
from attrs import frozen

if TYPE_CHECKING:
    from btfschema.model.container import Btf

__all__ = ["Named", "ids_named", "one_named", "split_arguments", "wanted"]

# How files with BTF end; other names with a dot are paths to members.
FILES = (
    *(".btf", ".base", ".ko", ".o", ".bpf", ".elf", ".so", ".bin", ".img"),
    *(".gz", ".xz", ".zst", ".bz2", ".lz4", ".lzma", ".tar"),
)
# Types that an error names.
LISTED = 8
GLOB = re.compile(r"[*?]")


@frozen
class Named:
    """A type, or a member of it.

    Attributes:
        type_id: the type.
        path: the way to the member, such as ``se.avg``; empty for the type itself.
    """

    type_id: int
    path: str = ""


def split_arguments(arguments: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """The names, and the file when the last argument is one.

    Raises:
        click.UsageError: the first is a file, or there is nothing else.
    """
    *names, last = arguments
    first = names[0] if names else last
    if os.path.isfile(first) and not (names and _is_file(last)):  # noqa: PTH113
        rest = " ".join(arguments[1:]) or "NAME"
        raise click.UsageError(
            f"{first} is a file, and NAME comes first: btfschema show {rest} {first}"
        )
    if names and _is_file(last):
        return tuple(names), last
    return tuple(arguments), None


def _is_file(text: str) -> bool:
    """Whether an argument is a file, or looks like one that is not there."""
    from btfschema.sources.identity import starts_like_kernel

    # "vmlinux-6.12" is a file, although nothing ends so.
    if text == "-" or "/" in text or starts_like_kernel(text):
        return True
    if os.path.isfile(text):  # noqa: PTH113
        return True
    return "." in text[1:] and text.endswith(FILES)


def wanted(btf: Btf, names: Sequence[str]) -> list[Named]:
    """The types and members that arguments mean; a kind may be an argument of its own.

    Raises:
        BtfError, click.UsageError: as :func:`ids_named`; or a path leads nowhere.
    """
    found: list[Named] = []
    for name in _with_kinds(btf, names):
        head, path = _path(btf, name)
        found += [Named(type_id, path) for type_id in ids_named(btf, head)]
    return found


def _with_kinds(btf: Btf, names: Sequence[str]) -> list[str]:
    """``struct list_head``, also from two arguments."""
    kinds = {spec.name.lower() for spec in btf.kinds.values()}
    joined: list[str] = []
    kind = ""
    for name in names:
        if not kind and name.lower() in kinds and not btf.find_ids(name) and name != names[-1]:
            kind = f"{name} "
            continue
        joined.append(kind + name)
        kind = ""
    return joined


def _path(btf: Btf, name: str) -> tuple[str, str]:
    """A name, and the path to a member after it; names may have dots themselves."""
    kind, _, plain = name.rpartition(" ")
    found = re.search(r"[.\[]", plain)
    if found is None or found.start() == 0 or GLOB.search(plain) or btf.find_ids(plain):
        return name, ""
    head = plain[: found.start()]
    return f"{kind} {head}".strip(), plain[found.start() :].removeprefix(".")


def ids_named(btf: Btf, name: str) -> list[int]:
    """The types that an argument means.

    Args:
        btf: the types.
        name: an id, or a name or glob, with a kind before it or without.

    Raises:
        click.UsageError: the kind before the name is unknown.
        TypeIdError: there is no such id.
        UnknownNameError: there is no such name; the message has similar ones.
    """
    from btfschema.cli.select import kind_number, kinds_meant
    from btfschema.errors import UnknownNameError

    if name.isdecimal():
        return [btf[int(name)].id]
    if " " in name and (whole := btf.find_ids(name)):
        # C spells some names with spaces.
        return whole
    kind_name, _, plain = name.rpartition(" ")
    kinds = kinds_meant(kind_number(btf.kinds, kind_name)) if kind_name else frozenset[int]()
    every = _matching(btf, plain) if GLOB.search(plain) else btf.find_ids(plain)
    ids = [i for i in every if not kinds or btf[i].kind in kinds]
    # A struct may be declared only.
    ids = ids or [i for i in every if _declared(btf, i) in kinds]
    if ids:
        return ids
    hint = ""
    if every:
        hint = f"; there is {btf.describe(every[0])}"
    elif close := btf.names.close_to(plain):
        hint = f"; did you mean {', '.join(close)}?"
    raise UnknownNameError(f"no type {name!r}{hint}", got=name, expected="a name in this BTF")


def _declared(btf: Btf, type_id: int) -> int | None:
    """The kind that a type is a forward declaration of."""
    from btfschema.schema.parts import parts_of_plan

    types, row = btf.all_types, type_id - 1
    kind, flag = int(types.kinds[row]), bool(types.kind_flags[row])
    return parts_of_plan(types.plan).declared_by(kind, flag)


def _matching(btf: Btf, glob: str) -> list[int]:
    """The named types that a glob matches, in id order."""
    names = btf.strings.names(btf.all_types.name_offs)
    found = {name for name in set(names) if name and fnmatchcase(name, glob)}
    return [type_id for type_id, name in enumerate(names, 1) if name in found]


def one_named(btf: Btf, name: str) -> int:
    """The one type that an argument means.

    Raises:
        AmbiguousNameError: there are several.
    """
    from btfschema.errors import AmbiguousNameError

    ids = ids_named(btf, name)
    if len(ids) > 1:
        listed = ", ".join(btf.describe(type_id) for type_id in ids[:LISTED])
        more = f" and {len(ids) - LISTED} more" if len(ids) > LISTED else ""
        # No kind tells types of one kind.
        advice = "a kind or an id" if len({btf[type_id].kind for type_id in ids}) > 1 else "an id"
        raise AmbiguousNameError(
            f"{len(ids)} types are called {name!r}: {listed}{more}; give {advice}",
            got=ids,
            expected="one type",
        )
    return ids[0]
