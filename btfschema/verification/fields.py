"""Fields that a kernel manages: locks, lists, trees, counted pointers (``btf_parse_struct_metas``).

From 6.2 on a kernel looks into each struct that has a member of a type such as ``bpf_spin_lock``,
or a pointer tagged ``kptr``, and refuses BTF in which it finds there what it could not manage. Such
structs are few, so they are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import evolve, frozen

from btfschema.arrays import distinct
from btfschema.model.container import Btf
from btfschema.schema.kinds import MEMBER_BITFIELD, Kind
from btfschema.schema.plan import NAME_OFF, U32_MAX
from btfschema.verification.findings import Findings
from btfschema.verification.resolution import BROKEN, resolution
from btfschema.verification.rules import (
    MAX_DEPTH,
    MAX_OWNERSHIP_DEPTH,
    MAX_SPECIAL_FIELDS,
)

__all__ = ["check_special_fields"]

# Size and alignment of each managed type (btf_field_type_size, btf_field_type_align).
MANAGED = {
    "bpf_spin_lock": (4, 4),
    "bpf_list_head": (16, 8),
    "bpf_list_node": (24, 8),
    "bpf_rb_root": (16, 8),
    "bpf_rb_node": (32, 8),
    "bpf_refcount": (4, 4),
}
ONCE = ("bpf_spin_lock", "bpf_refcount")
ROOTS = {"bpf_list_head": "bpf_list_node", "bpf_rb_root": "bpf_rb_node"}
POINTERS = ("kptr_untrusted", "kptr", "percpu_kptr")
OWNING = ("kptr", "percpu_kptr", *ROOTS)
POINTER_SIZE = 8
REPEATABLE = (*POINTERS, *ROOTS)
CONTAINS = "contains:"


class RefusedError(Exception):
    """What a kernel can't manage: the rule, what was found, what was expected."""

    def __init__(self, rule: str, got: Any, expected: str) -> None:
        super().__init__(rule)
        self.rule, self.got, self.expected = rule, got, expected


@frozen
class Special:
    """A managed field: its type, where it is in bytes, and which struct it owns, if any."""

    name: str
    offset: int
    size: int
    owns: int = 0
    node: str = ""


@frozen
class Found:
    """What a struct holds, with all structs in it.

    Attributes:
        fields: the managed fields in the order of members.
        once: of those that may be there once, all that were met, also those of a wrong size.
        height: how many structs deep it goes below this one.
    """

    fields: tuple[Special, ...] = ()
    once: tuple[str, ...] = ()
    height: int = 0


@frozen
class Record:
    """A record by the schema's names."""

    id: int
    kind: int
    name: str
    third: int
    values: dict[str, Any]


def check_special_fields(findings: Findings, btf: Btf) -> None:
    """Every struct that has a managed member; split BTF is not asked."""
    if btf.base is None:
        _Checker(findings, btf).check()


class _Checker:
    def __init__(self, findings: Findings, btf: Btf) -> None:
        self.findings = findings
        self.btf = btf
        self.types = btf.types
        self.known: dict[int, Found] = {}
        self.managed: dict[int, Found] = {}

    def check(self) -> None:
        """Look into each struct with a member of a managed type; then at who owns whom."""
        special = np.array([*self._managed_types(), *self._tagged_pointers()], np.int64)
        if not len(special):
            return
        members = self.types.elements(Kind.STRUCT)
        direct = np.isin(members.column("type_id"), special)
        count = len(self.findings.violations)
        for row in distinct(members.owners[direct]).tolist():
            try:
                self.managed[row + 1] = self._managed(row + 1)
            except RefusedError as refused:
                self._say(row, refused)
        for type_id, found in self.managed.items():
            for special_field in found.fields:
                if special_field.name in ROOTS and special_field.owns not in self.managed:
                    got = self.btf.describe(special_field.owns)
                    self._say(
                        type_id - 1, RefusedError("field.node", got, "a struct with the node")
                    )
        if len(self.findings.violations) == count:
            self._check_ownership()

    def _say(self, row: int, refused: RefusedError) -> None:
        place = (row, None, NAME_OFF.word)
        self.findings.place(refused.rule, place, refused.got, refused.expected)

    def _managed_types(self) -> Iterator[int]:
        """The first struct of each managed type's name."""
        structs = self.types.kinds == Kind.STRUCT
        for name in MANAGED:
            rows = np.flatnonzero(structs & self.types.named(name))
            if len(rows):
                yield int(rows[0]) + 1

    def _tagged_pointers(self) -> Iterator[int]:
        """Pointers, and volatile ones, to a struct that is tagged as one to manage."""
        resolved = resolution(self.btf)
        tags = np.flatnonzero((self.types.kinds == Kind.TYPE_TAG) & self.types.named(POINTERS)) + 1
        tags = tags[resolved.kinds_of(resolved.take("thirds", tags)) != Kind.TYPE_TAG]
        finals = resolved.finals_of(tags)
        tags = tags[(finals != BROKEN) & (resolved.kinds_of(np.maximum(finals, 0)) == Kind.STRUCT)]
        if not len(tags):
            return
        leads = np.isin(self.types.thirds, tags) & (self.types.kinds == Kind.PTR)
        pointers = np.flatnonzero(leads) + 1
        leads = np.isin(self.types.thirds, pointers) & (self.types.kinds == Kind.VOLATILE)
        yield from pointers.tolist()
        yield from (np.flatnonzero(leads) + 1).tolist()

    def _record(self, type_id: int) -> Record:
        if not type_id:
            return Record(0, Kind.VOID, "", 0, {})
        row = type_id - 1
        name = self.findings.name(int(self.types.name_offs[row]))
        third = int(self.types.thirds[row])
        kind = int(self.types.kinds[row])
        return Record(type_id, kind, name, third, self.types.record(row))

    def _members(self, struct: Record) -> Iterator[tuple[str, int, int]]:
        """Name, type and bit offset of each member."""
        flag = struct.values["info"]["kind_flag"]
        for member in struct.values["elements"]:
            place = member["offset"]
            if flag:
                place = MEMBER_BITFIELD.split(place)["bit_offset"]
            yield self.findings.name(member["name_off"]), member["type_id"], place

    def _managed(self, type_id: int) -> Found:
        """The managed fields of a struct, which must have some and manage to hold them."""
        found = self._look_into(self._record(type_id), 0)
        if not found.fields:
            raise RefusedError(
                "field.none", "none that is one", "the member's type, whole and aligned"
            )
        end = 0
        for one in found.fields:
            if one.offset < end:
                raise RefusedError("field.order", f"{one.name} at {one.offset}", f"{end} or more")
            end = one.offset + one.size
            if one.name in ROOTS:
                self._check_node(one)
        names = {one.name for one in found.fields}
        if names & ROOTS.keys() and "bpf_spin_lock" not in names:
            raise RefusedError(
                "field.lock", "no bpf_spin_lock", "one beside a list head or tree root"
            )
        if set(ROOTS.values()) <= names and "bpf_refcount" not in names:
            raise RefusedError(
                "field.refcount", "no bpf_refcount", "one beside a list and a tree node"
            )
        return found

    def _look_into(self, struct: Record, level: int) -> Found:
        """All managed fields of a struct and those in it; at most 32 levels deep."""
        known = self.known.get(struct.id)
        if known is not None and level + known.height < MAX_DEPTH:
            return known
        if level >= MAX_DEPTH:
            raise RefusedError("field.depth", level, f"fewer than {MAX_DEPTH} nested structs")
        fields: list[Special] = []
        once: list[str] = []
        height = 0
        for number, (_, type_id, place) in enumerate(self._members(struct)):
            if place % 8:
                raise RefusedError("field.bits", f"member {number} at bit {place}", "whole bytes")
            found = self._of_member(struct, number, type_id, place // 8, level)
            fields += found.fields
            once += found.once
            height = max(height, found.height)
            if len(set(once)) < len(once):
                raise RefusedError("field.count", f"two of {', '.join(sorted(set(once)))}", "one")
            if len(fields) > MAX_SPECIAL_FIELDS:
                raise RefusedError("field.count", len(fields), f"at most {MAX_SPECIAL_FIELDS}")
        result = self.known[struct.id] = Found(tuple(fields), tuple(once), height)
        return result

    def _of_member(
        self, struct: Record, number: int, type_id: int, offset: int, level: int
    ) -> Found:
        """The managed fields of one member, those of each element of an array."""
        count = 1
        record = self._record(type_id)
        for _ in range(MAX_DEPTH):
            if record.kind != Kind.ARRAY:
                break
            count = count * record.values["nelems"] & U32_MAX
            record = self._record(record.values["type_id"])
        else:
            raise RefusedError("field.depth", "an array of 32 dimensions", "less")
        if not count:
            return Found()
        if record.name in MANAGED:
            return self._of_managed(struct, number, record, offset, count)
        if record.kind == Kind.STRUCT:
            inner = self._look_into(record, level + 1)
            if not inner.fields:
                return evolve(inner, height=inner.height + 1)
            moved = tuple(evolve(one, offset=one.offset + offset) for one in inner.fields)
            fields = _repeated(moved, count, record.third)
            return Found(fields, inner.once, inner.height + 1)
        one = self._of_pointer(record, offset)
        if one is None:
            return Found()
        return Found(_repeated((one,), count, POINTER_SIZE))

    def _of_managed(
        self, struct: Record, number: int, record: Record, offset: int, count: int
    ) -> Found:
        size, alignment = MANAGED[record.name]
        once = (record.name,) if record.name in ONCE else ()
        if offset % alignment or record.kind != Kind.STRUCT or record.third != size:
            return Found((), once)
        one = Special(record.name, offset, size)
        if record.name in ROOTS:
            owns, node = self._contained(struct.id, number)
            one = evolve(one, owns=owns, node=node)
        return Found(_repeated((one,), count, size), once)

    def _of_pointer(self, record: Record, offset: int) -> Special | None:
        """A pointer with a type tag, which must be one that a kernel manages."""
        if offset % POINTER_SIZE:
            return None
        if record.kind == Kind.VOLATILE:
            record = self._record(record.third)
        if record.kind != Kind.PTR:
            return None
        tag = self._record(record.third)
        if tag.kind != Kind.TYPE_TAG:
            return None
        final = int(resolution(self.btf).finals_of(np.array([tag.third]))[0])
        expected = f"one of {', '.join(POINTERS)}, on a struct"
        if tag.name not in POINTERS or self._record(tag.third).kind == Kind.TYPE_TAG:
            raise RefusedError("field.tag", f'"{tag.name}"', expected)
        if final == BROKEN or self._record(final).kind != Kind.STRUCT:
            raise RefusedError("field.tag", self.btf.describe(tag.third), expected)
        return Special(tag.name, offset, POINTER_SIZE, final)

    def _contained(self, struct_id: int, number: int) -> tuple[int, str]:
        """The struct and the node in it that a root's one tag ``contains:STRUCT:NODE`` names."""
        expected = f"one tag {CONTAINS}STRUCT:NODE that names a struct"
        texts = []
        tags = (self.types.kinds == Kind.DECL_TAG) & (self.types.thirds == struct_id)
        for row in np.flatnonzero(tags).tolist():
            record = self._record(row + 1)
            if record.values["component_idx"] == number and record.name.startswith(CONTAINS):
                texts.append(record.name.removeprefix(CONTAINS))
        if len(texts) != 1:
            raise RefusedError("field.contains", f"{len(texts)} tags", expected)
        name, _, node = texts[0].partition(":")
        structs = (self.types.kinds == Kind.STRUCT) & self.types.named(name)
        rows = np.flatnonzero(structs)
        if not node or not len(rows):
            raise RefusedError("field.contains", f'"{CONTAINS}{texts[0]}"', expected)
        return int(rows[0]) + 1, node

    def _check_node(self, root: Special) -> None:
        """The node that a root names is one member of the struct, of the right type."""
        struct = self._record(root.owns)
        wanted = ROOTS[root.name]
        nodes = []
        for name, type_id, place in self._members(struct):
            if (name or "(anon)") == root.node:
                nodes.append((self._record(type_id), place))
        expected = f'one {wanted} "{root.node}" in {self.btf.describe(root.owns)}'
        if len(nodes) != 1:
            raise RefusedError("field.node", f"{len(nodes)} members of that name", expected)
        record, place = nodes[0]
        alignment = MANAGED[wanted][1]
        if record.kind != Kind.STRUCT or record.name != wanted or place % (8 * alignment):
            raise RefusedError(
                "field.node", f"{self.btf.describe(record.id)} at bit {place}", expected
            )

    def _check_ownership(self) -> None:
        """No chain of owners longer than eight, as freeing one frees all behind it."""
        owned = {
            type_id: [one.owns for one in found.fields if one.name in OWNING]
            for type_id, found in self.managed.items()
        }
        depths = dict.fromkeys(owned, 1)
        for _ in range(MAX_OWNERSHIP_DEPTH):
            depths = {
                type_id: 1 + max((depths.get(other, 0) for other in others), default=0)
                for type_id, others in owned.items()
            }
        for type_id, depth in depths.items():
            if depth > MAX_OWNERSHIP_DEPTH:
                expected = f"at most {MAX_OWNERSHIP_DEPTH} structs"
                self._say(type_id - 1, RefusedError("field.ownership", "a longer chain", expected))


def _repeated(fields: tuple[Special, ...], count: int, size: int) -> tuple[Special, ...]:
    """The fields of each element of an array."""
    if count == 1:
        return fields
    if any(one.name not in REPEATABLE for one in fields):
        raise RefusedError("field.array", f"{fields[0].name}[{count}]", "no array of these")
    if len(fields) * count > MAX_SPECIAL_FIELDS:
        raise RefusedError("field.count", len(fields) * count, f"at most {MAX_SPECIAL_FIELDS}")
    return tuple(
        evolve(one, offset=one.offset + number * size & U32_MAX)
        for number in range(count)
        for one in fields
    )
