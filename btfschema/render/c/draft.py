"""Types that are being changed until C can declare them: what the steps of a repair share."""

from __future__ import annotations

from attrs import define, field

from btfschema.errors import EncodeError
from btfschema.render.c.columns import BY_ID, COMPOSITE, KNOWN, Members, TypeColumns
from btfschema.render.c.words import comment, identifier
from btfschema.schema.kinds import Kind

__all__ = ["Draft", "Part"]

# Types that a repair may add, besides two for each that there is.
MOST_TYPES = 100_000
# Steps that a repair may take to copy members and to compare their names, besides twenty for each
# type and member that there is.
MOST_STEPS = 4_000_000
# Underscores that tell names apart, before numbers do.
UNDERSCORES = 3


@define
class Part:
    """A member that may be moved, renamed or left out.

    Attributes:
        name: its name, perhaps with the real one in a comment.
        type_id: its type.
        offset: in bits, from the start of the struct.
        width: bits of a bit field; 0 for any other member.
        size: in bits.
    """

    name: str
    type_id: int
    offset: int
    width: int
    size: int = field(default=0)

    @property
    def end(self) -> int:
        """The bit after it."""
        return self.offset + self.size


class Draft:
    """A copy of types, with the members of each struct apart.

    Args:
        source: the types as they are; they stay so.

    Attributes:
        types: the types as they will be. Their members are in ``parts`` until :meth:`finish`.
        parts: the members of every struct and union.
    """

    def __init__(self, source: TypeColumns) -> None:
        self.source = source
        self.types = types = source.copy()
        members = source.exact_members
        self.parts: dict[int, list[Part]] = {}
        for type_id in range(source.count):
            if source.kinds[type_id] in COMPOSITE:
                first = source.firsts[type_id]
                span = range(first, first + source.vlens[type_id])
                self.parts[type_id] = [
                    Part(
                        members.names[at],
                        members.types[at],
                        members.offsets[at],
                        members.widths[at],
                    )
                    for at in span
                ]
        self._names = {*types.names, *members.names, *types.params[0]}
        self._names.update(types.values[0], types.values64[0])
        self._given: dict[str, str] = {}
        self._tried: dict[str, int] = {}
        self._made = 0
        self._spent = 0
        self._most_steps = MOST_STEPS + 20 * (source.count + len(members.names))

    def add(self, kind: int, name: str = "", size: int = 0, target: int = 0, flag: int = 0) -> int:
        """The id of one more type."""
        types = self.types
        if types.count > MOST_TYPES + 2 * self.source.count:
            raise _too_many(types.count, MOST_TYPES + 2 * self.source.count)
        values = {"kinds": kind, "names": name, "targets": target, "sizes": size, "flags": flag}
        for column in BY_ID:
            getattr(types, column).append(values.get(column, 0))
        types.referenced.append(True)
        types.count += 1
        if kind in COMPOSITE:
            self.parts[types.count - 1] = []
        return types.count - 1

    def add_struct(self, kind: int, size: int, parts: list[Part]) -> int:
        """The id of one more struct or union, which has no name."""
        made = self.add(kind, size=size)
        self.parts[made] = parts
        return made

    def spend(self, steps: int) -> None:
        """Count work that grows with how often structs without a name are written.

        Raises:
            EncodeError: it is more than any real types need.
        """
        self._spent += steps
        if self._spent > self._most_steps:
            raise _too_many(self._spent, self._most_steps)

    def fresh(self, name: str) -> str:
        """A name that nothing else has: the one that is given, or one like it."""
        found, tried = name, self._tried.get(name, 0)
        while found in self._names:
            tried += 1
            found = name + ("_" * tried if tried <= UNDERSCORES else f"_{tried}")
        self._tried[name] = tried
        self._names.add(found)
        return found

    def named(self, name: str, what: str = "unnamed") -> str:
        """A name that C takes; the same one for the same name, and none that others have.

        What has no name gets one of its own.
        """
        if not name:
            self._made += 1
            return self.fresh(f"{what}_{self._made}")
        given = self._given.get(name)
        if given is None:
            given = identifier(name, name)
            self._given[name] = given = name if given == name else self.fresh(given)
        return given

    def commented(self, name: str, what: str = "unnamed") -> str:
        """:meth:`named`, with the real name in a comment where it is another."""
        given = self.named(name, what)
        return given if given == name else f"{given} {comment(name or 'no name')}"

    def remark(self, type_id: int, text: str) -> None:
        """Let a type's definition say what it leaves out."""
        self.types.remarks.setdefault(type_id, []).append(text)

    def lose(self, type_id: int, why: str) -> None:
        """Leave a type out."""
        types = self.types
        if self.source.names[type_id] or self.source.kinds[type_id] not in KNOWN.qualifiers:
            types.lost[type_id] = f"{self.source.describe(type_id)}: {why}"
        types.kinds[type_id], types.targets[type_id] = Kind.VOID, 0

    def end(self, type_id: int) -> int:
        """What names, qualifiers and tags stand for."""
        types, steps = self.types, 0
        while types.kinds[type_id] in KNOWN.modifiers and steps < types.count:
            type_id, steps = types.targets[type_id], steps + 1
        return type_id

    def finish(self) -> TypeColumns:
        """The types, with the members as they are now."""
        types = self.types
        names: list[str] = []
        columns: tuple[list[int], list[int], list[int]] = ([], [], [])
        for type_id, parts in self.parts.items():
            types.firsts[type_id], types.vlens[type_id] = len(names), len(parts)
            names += [part.name for part in parts]
            columns[0].extend(part.type_id for part in parts)
            columns[1].extend(part.offset for part in parts)
            columns[2].extend(part.width for part in parts)
        types.members = Members(names, *columns)
        types.exact_members = types.members
        return types


def _too_many(number: int, most: int) -> EncodeError:
    return EncodeError(
        "too many nested structs without a name to write as C",
        got=number,
        expected=f"{most} at most",
    )
