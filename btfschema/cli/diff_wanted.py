"""Which types ``diff`` is asked for, by ``--kind``, ``--name`` and ``--api``; what is in neither.

A name that neither file has is an error: with a typing error in it, a list of what must stay stable
would always pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase, translate
from typing import TYPE_CHECKING

import click
from attrs import Factory, define, field, frozen

from btfschema.arguments import is_pattern
from btfschema.cli.inputs import list_text
from btfschema.cli.select import kind_number, kinds_meant
from btfschema.errors import SpecError
from btfschema.escapes import printable
from btfschema.model.finding import instead
from btfschema.questions.catalog import catalog_of
from btfschema.schema import KINDS
from btfschema.schema.parts import parts_of_plan

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.questions.comparison import Entry

__all__ = ["Wanted"]


@frozen
class Asked:
    """Types that are named: by a pattern of ``--name``, or in a line of ``--api``.

    Attributes:
        where: what names them: ``--name``, or file and line.
        text: as it was written.
        name: their name, or the pattern.
        kinds: of these kinds, by name; of all when empty.
        pattern: whether the name is one.
    """

    where: str
    text: str
    name: str
    kinds: frozenset[str] = frozenset()
    pattern: bool = False

    def means(self, kind: str, name: str) -> bool:
        """Whether it means a type."""
        if self.kinds and kind not in self.kinds:
            return False
        return fnmatchcase(name, self.name) if self.pattern else name == self.name

    def among(self, there: dict[str, set[str]]) -> bool:
        """Whether it means one of these types: names, and the kinds of those that have each."""
        names: Iterable[str] = there if self.pattern else (self.name,)
        return any(self.means(kind, name) for name in names for kind in there.get(name, ()))


@define
class Wanted:
    """The types that are asked for, and who asks for what no file has had so far.

    Attributes:
        kinds: names of kinds; all when empty.
        named: by ``--name``; all types when empty.
        listed: by ``--api``, by name; all types when None.
    """

    kinds: frozenset[str]
    named: tuple[Asked, ...]
    listed: dict[str, list[Asked]] | None
    _missing: list[Asked] = field(init=False, default=Factory(lambda self: [*self._asked()], True))
    _last: Btf | None = field(init=False, default=None)

    @classmethod
    def of(cls, names: Sequence[str], kinds: Sequence[str], api: str | None) -> Wanted:
        """What the options say.

        Raises:
            click.UsageError: a kind is unknown, or its types are never compared.
            SpecError: the list names nothing.
            OSError: the list can't be read.
        """
        chosen = frozenset[str]().union(*map(_kinds, kinds))
        named = tuple(Asked("--name", one, one, pattern=is_pattern(one)) for one in names)
        return cls(chosen, named, _listed(api) if api is not None else None)

    def _asked(self) -> Iterator[Asked]:
        yield from self.named
        for lines in (self.listed or {}).values():
            yield from lines

    def __bool__(self) -> bool:
        """Whether only some types are asked for."""
        return bool(self.kinds or self.named or self.listed is not None)

    def __call__(self, entry: Entry) -> bool:
        """Whether a type is asked for."""
        kind, name = entry.kind, entry.name
        if self.kinds and kind not in self.kinds:
            return False
        if self.named and not any(one.means(kind, name) for one in self.named):
            return False
        listed = self.listed
        return listed is None or any(one.means(kind, name) for one in listed.get(name, ()))

    def see(self, *btfs: Btf) -> None:
        """Note which of them files have; the last one's names are suggested for the others."""
        for btf in btfs:
            if self._missing:
                there = self._types(btf)
                self._missing = [one for one in self._missing if not one.among(there)]
                self._last = btf

    def _types(self, btf: Btf) -> dict[str, set[str]]:
        """The names of a file's own types that may be meant, and the kinds of those with each."""
        numbers = parts_of_plan(btf.types.plan).called
        kinds = {number: btf.kinds.name(number) for number in numbers}
        kinds = {n: kind for n, kind in kinds.items() if not self.kinds or kind in self.kinds}
        every = catalog_of(btf).names
        # Of a kernel's names few are looked for.
        names = {one.name for one in self._missing if not one.pattern}
        if patterns := [translate(one.name) for one in self._missing if one.pattern]:
            names.update(filter(re.compile("|".join(patterns)).match, set(every)))
        found: dict[str, set[str]] = {}
        for number, name in zip(btf.types.kinds.tolist(), every, strict=True):
            if name in names and name and number in kinds:
                found.setdefault(name, set()).add(kinds[number])
        return found

    def missing(self) -> list[str]:
        """A line for each name that no file had."""
        found = []
        for one in self._missing:
            hint = instead(self._last, one.name) if self._last is not None else ""
            kinds = f" of kind {' or '.join(sorted(self.kinds))}" if self.kinds else ""
            text = printable(one.text)
            found.append(f"{one.where}: neither A nor B has a type '{text}'{kinds}{hint}")
        return found


def _kinds(text: str) -> frozenset[str]:
    """The kinds that ``--kind`` names: one, or both kinds of enums.

    Raises:
        click.UsageError: there is none, or its types are never compared.
    """
    from btfschema.schema.plan import plan_of

    number = kind_number(KINDS, text)
    spec = KINDS.get(number)
    if spec is not None and not (spec.named and number in parts_of_plan(plan_of()).called):
        raise click.UsageError(f"--kind {text}: diff matches types by name, and these have none")
    return frozenset(map(KINDS.name, kinds_meant(number)))


def _listed(file: str) -> dict[str, list[Asked]]:
    """What a list names: a type or function in each line, with its kind before it or without.

    Raises:
        SpecError: it names nothing.
    """
    found: dict[str, list[Asked]] = {}
    kinds = {spec.name: spec for spec in KINDS.values()}
    try:
        text = list_text(file)
    except SpecError as error:
        raise SpecError(f"{printable(file)}: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        spec = kinds.get(words[0].upper()) if len(words) > 1 else None
        # What C calls so may be declared only.
        numbers = kinds_meant(spec.number) | _declaring(spec.number) if spec else ()
        meant = frozenset(map(KINDS.name, numbers))
        name = " ".join(words[1:] if spec else words)
        one = Asked(f"{printable(file)}:{number}", " ".join(words), name, meant)
        found.setdefault(name, []).append(one)
    if not found:
        raise SpecError(f"{printable(file)}: names no types", expected="one in each line")
    return found


def _declaring(number: int) -> frozenset[int]:
    """The kinds of what declares types of a kind."""
    return frozenset(spec.number for spec in KINDS.values() if number in (spec.declares or ()))
