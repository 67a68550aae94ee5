"""A :class:`~btfschema.questions.comparison.Diff` as text, root causes first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from attrs import evolve

from btfschema.errors import counted
from btfschema.questions.changes import Difference
from btfschema.questions.comparison import Change, Diff, Entry

__all__ = ["lines"]

UNNAMED = "(unnamed)"
SIGNS = {"added": "+", "removed": "-", "changed": "~", "renamed": "=", "grown": "~", "moved": ">"}
# Consequences of a cause, and types that only one side has, that a line names.
SHOWN = 6
HEADS = ("added", "removed", "changed", "consequence", "same")


def lines(diff: Diff, *, full: bool = False) -> Iterator[str]:
    """The text, line by line.

    Args:
        diff: what changed.
        full: also name all consequences, and all types that only one of the two has.
    """
    counts = diff.counts()
    if not diff:
        yield "no differences"
        return
    heads = HEADS if diff.same else HEADS[:-1]
    yield f"{'':<12}" + "".join(f"{head:>13}" for head in heads)
    for kind, row in counts.items():
        yield f"{kind.lower():<12}" + "".join(f"{row[head]:>13,}" for head in heads)
    if diff.causes:
        yield ""
        yield f"Changed themselves: {len(diff.causes):,}"
    for change in diff.causes:
        yield ""
        yield from _cause(change, full)
    alone = [one for one in diff.consequences if not any(key in diff.changes for key in one.causes)]
    if alone:
        yield ""
        yield f"Changed with types that are not shown: {len(alone):,}"
    for change in alone:
        yield ""
        yield from _cause(change, full)
    for word, entries in (("Removed", diff.removed), ("Added", diff.added)):
        if entries:
            yield ""
            yield f"{word}: {len(entries):,}"
            yield from _listed(entries, full)


def _cause(change: Change, full: bool) -> Iterator[str]:
    sizes = ""
    if change.old.size is not None and change.new.size is not None:
        delta = change.new.size - change.old.size
        sizes = f": {change.old.size:,} -> {change.new.size:,} bytes ({delta:+,})" if delta else ""
    yield change.new.title + sizes
    said, mirrors = _said_once(change.differences)
    yield from _differences(said)
    for group, count in mirrors.items():
        yield f"    and the same in {group} ({counted(count, 'member')})"
    if change.causes:
        names = [f"{kind.lower()} {name}" for kind, name, _ in change.causes]
        yield f"    {'also ' if change.is_own else ''}changed with {_names(names, full)}"
    if change.consequences:
        count = len(change.consequences)
        names = [name for _, name, _ in change.consequences]
        verb = "type changes" if count == 1 else "types change"
        yield f"    {count:,} {verb} with it: {_names(names, full)}"


def _said_once(found: list[Difference]) -> tuple[list[Difference], Counter[str]]:
    """The differences without those that mirror another one; by named struct, how many do.

    The kernel's ``struct_group`` declares members twice in a union, in an anonymous struct and in a
    named one. A mirror has the place, type and size of what it mirrors, before and after, and one
    more name on the way to it.
    """
    known = {_place(one) for one in found}
    said: list[Difference] = []
    mirrors: Counter[str] = Counter()
    for one in found:
        steps = one.name.split(".")
        group = next((n for n in range(len(steps) - 1) if _place(one, n) in known), None)
        if group is None or not _has_place(one):
            said.append(one)
        else:
            mirrors[".".join(steps[: group + 1])] += 1
    return said, mirrors


def _has_place(one: Difference) -> bool:
    """Whether it is about a member, and not about a value or parameter."""
    return all(part is None or part.bit_offset is not None for part in (one.before, one.after))


def _place(one: Difference, without: int | None = None) -> tuple[object, ...]:
    """A difference as what a mirror shares with it; ``without`` a step of the way to the member."""
    parts = [one.before, one.after]
    if without is None:
        return (one.what, *parts)
    return (one.what, *(part and evolve(part, name=_less(part.name, without)) for part in parts))


def _less(path: str, step: int) -> str:
    steps = path.split(".")
    return ".".join(steps[:step] + steps[step + 1 :])


def _differences(found: list[Difference]) -> Iterator[str]:
    """Own changes one by one, members that only moved in runs of the same distance."""
    run: list[Difference] = []
    for one in [*found, None]:
        if one is not None and one.what == "moved" and (not run or _by(run[0]) == _by(one)):
            run.append(one)
            continue
        if run:
            yield _moved(run)
            run = []
        if one is None:
            break
        if one.what == "moved":
            run = [one]
        else:
            said = _difference(one)
            if len(found) == 1 and not _has_place(one):
                # What the type itself stands for has no name.
                said = said.removeprefix(f"{UNNAMED}: ")
            yield f"  {SIGNS[one.what]} {said}"


def _by(one: Difference) -> int | None:
    """By how many bits a member moved; None for what has no place."""
    if one.before is None or one.after is None:
        return None
    if one.before.bit_offset is None or one.after.bit_offset is None:
        return None
    return one.after.bit_offset - one.before.bit_offset


def _moved(run: list[Difference]) -> str:
    bits = _by(run[0])
    names = run[0].name or "an unnamed member"
    if len(run) > 1:
        names = f"{names} to {run[-1].name or 'an unnamed member'} ({len(run):,} members)"
    if bits is None:
        return f"  > {names}: another place"
    distance = counted(bits // 8, "byte", "+") if bits % 8 == 0 else counted(bits, "bit", "+")
    return f"  > {names}: {distance}"


def _difference(one: Difference) -> str:
    name = one.name or UNNAMED
    if one.before is None:
        return f"{name}: {one.after}"
    if one.after is None:
        return f"{name}: {one.before}"
    if one.what == "renamed":
        return f"{one.before.name} is now {name}: {one.after}"
    return f"{name}: {one.before} -> {one.after}"


def _names(names: list[str], full: bool) -> str:
    shown = names if full else names[:SHOWN]
    more = f" and {len(names) - len(shown):,} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def _listed(entries: tuple[Entry, ...], full: bool) -> Iterator[str]:
    kinds: dict[str, list[str]] = {}
    for entry in entries:
        kinds.setdefault(entry.kind.lower(), []).append(entry.name)
    for kind, names in kinds.items():
        yield f"  {kind} ({len(names):,}): {_names(names, full)}"
