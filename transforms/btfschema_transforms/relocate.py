"""``relocate``: find the types of a distilled base in the base that is really there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

import numpy as np
from attrs import evolve, field, frozen

from btfschema import Btf
from btfschema.arguments import one_of, require_choice, several
from btfschema.arrays import Index, Mask, bounds_of, distinct, parts_of, sizes_of, spread
from btfschema.errors import BtfError, DecodeError, MatchError, PassError, RequirementError
from btfschema.framework import BaseState, Context, Needs, Pass, PassResult
from btfschema.model import carry_inline, check_references, require_btf
from btfschema.schema import kind_mask, parts_of_plan
from btfschema.tables import IdMap, Joined, StringTable, portions
from btfschema_transforms.references import refuse_opaque
from btfschema_transforms.relocation.explain import explain, report
from btfschema_transforms.relocation.rebasing import (
    offsets_within,
    placed,
    require_base,
    require_same_byteorder,
)
from btfschema_transforms.sameness.embedding import Embeddings
from btfschema_transforms.sameness.matching import Policy, WantedTypes, target_of

__all__ = ["Relocate", "Relocated", "relocate", "relocate_many"]


Relocated = tuple[Btf, IdMap]


def relocate(
    split: Btf, target: Btf, policy: Policy = "strict", *, original: Btf | None = None
) -> tuple[Btf, IdMap]:
    """Split BTF over a distilled base -> the same split over ``target``.

    Args:
        split: split BTF over a distilled base.
        target: a full base; it may itself be split, but not under the policy ``"kernel"``.
        policy: ``"strict"`` matches each type with one of its own kind and counts every use by
            value; ``"kernel"`` does exactly what libbpf and the kernel do
            (``btf_relocate``, Linux 6.11), also where that is wrong.
        original: the base that was distilled, if it is at hand: a failure then also says which
            members changed.

    Returns:
        The new split, whose ``base`` is ``target``, and the map of every id of the input.

    Raises:
        ValueError: ``policy`` is something else.
        RequirementError: the split has no base, or the target does not suit it.
        DecodeError: one of them was read without a check, and refers to what does not exist.
        MatchError: types of the distilled base have no match; ``mismatches`` says which and why.
        PassError: the split's base is not a distilled one, or the split holds a kind that the
            schema does not declare.
    """
    (found,) = relocate_many([split], target, policy, original=original)
    if isinstance(found, BtfError):
        raise found
    return found


def relocate_many(
    splits: Btf | Iterable[Btf],
    target: Btf,
    policy: Policy = "strict",
    *,
    original: Btf | None = None,
) -> list[Relocated | BtfError]:
    """Relocate many splits at once, at a fraction of the time that each takes alone.

    Args:
        splits: each as for :func:`relocate`, over a distilled base of its own; or one.
        target: as for :func:`relocate`.
        policy: as for :func:`relocate`.
        original: as for :func:`relocate`.

    Returns:
        For each split what :func:`relocate` returns, or the error that it raises.

    Raises:
        ValueError: ``policy`` is something else.
    """
    require_choice("policy", policy, Policy)
    require_btf("the target", target)
    splits = several(splits, Btf)
    for split in splits:
        require_btf("the input", split)
    found: list[Relocated | BtfError] = []
    # Whatever its neighbours are, a result is read with the schema of what it was made from.
    for _, alike in groupby(splits, _schemas):
        group = list(alike)
        for portion in portions(group, [len(split.types.words) for split in group]):
            found += _relocated(portion, target, policy, original)
    return found


def _schemas(split: Btf) -> tuple[int, int]:
    """What tells the schemas of a split and of its base from those of its neighbours."""
    return id(split.types.plan), id(split.base.kinds) if split.base is not None else 0


def _relocated(
    splits: Sequence[Btf], target: Btf, policy: Policy, original: Btf | None
) -> list[Relocated | BtfError]:
    """Relocate as many as are done together; none of those that are refused is looked at twice."""
    refused: dict[int, BtfError] = {}
    # All at once, as far as it has not been done; if something is wrong, whose it is comes out
    # below.
    checked = False
    with suppress(DecodeError):
        check_references(*(part for split in splits for part in split.chain))
        check_references(*target.chain)
        checked = True
    below: dict[int, Btf] = {}
    for number, split in enumerate(splits):
        try:
            if not checked:
                check_references(*split.chain, *target.chain)
            below[number] = _base_of(split, target)
        except BtfError as error:
            refused[number] = error
    if not below:
        return [refused[number] for number in range(len(splits))]
    # Each base is looked at once: one that is no distilled base may be large, and that of many.
    several = {id(base): base for base in below.values()}
    bases = _Bases.of(list(several.values()))
    unfit = dict(zip(several, bases.unfit(), strict=True))
    for number, base in below.items():
        try:
            _require_distilled(splits[number], unfit[id(base)])
            if policy == "kernel":
                _require_alone(base, "distilled base")
                _require_alone(target, "target")
        except BtfError as error:
            refused[number] = error
    sound = [number for number in range(len(splits)) if number not in refused]
    found: dict[int, Relocated | BtfError] = {**refused}
    if sound:
        if len(sound) < len(splits) or len(several) < len(splits):
            bases = _Bases.of([below[number] for number in sound])
        work = _Work.of([splits[number] for number in sound], bases, target, policy)
        found |= zip(sound, work.results(original), strict=True)
    return [found[number] for number in range(len(splits))]


def _base_of(split: Btf, target: Btf) -> Btf:
    """The base of a split that can be rewritten and put over the target."""
    base = require_base(split, "relocate")
    require_same_byteorder(split, target)
    refuse_opaque(split)
    return base


def _require_distilled(split: Btf, type_id: int) -> None:
    """Refuse a split whose base holds a type, with this id if any, that no distilled base holds."""
    if type_id:
        raise PassError(
            f"the base is not a distilled one: it holds {split.describe(type_id)}, and a distilled "
            "base holds named INT, FLOAT, ENUM, FWD, STRUCT and UNION only",
            type_id=type_id,
            got=split.describe(type_id),
            expected="a distilled base, as distill makes it",
        )


def _require_alone(btf: Btf, what: str) -> None:
    if btf.base is not None:
        raise RequirementError(
            f"under the policy kernel the {what} must be stand-alone BTF: a kernel relocates onto "
            "its vmlinux only, and libbpf would mix up the names",
            got="split BTF",
            expected="stand-alone BTF",
        )


@frozen(eq=False)
class _Bases:
    """Bases that were distilled, or may have been.

    Attributes:
        types: theirs, those of their own bases included.
        owners: by row of these, the number of the base.
        strings: where the strings of each base start when all are counted through.
        texts: all the strings.
        names: by row, where the name starts in the texts.
    """

    types: Joined
    owners: Index
    strings: Index
    texts: StringTable
    names: Index

    @classmethod
    def of(cls, bases: Sequence[Btf]) -> _Bases:
        """Of some bases, at least one."""
        types = Joined.of([base.all_types for base in bases])
        data = [b"".join([part.strings.data for part in base.chain]) for base in bases]
        # One more NUL, so that the offset 0 of a last base without strings can be looked at.
        texts = StringTable(b"".join([*data, b"\0"]))
        owners, strings = spread(types.rows), bounds_of(list(map(len, data)))
        return cls(types, owners, strings, texts, types.types.name_offs + strings.take(owners))

    def unfit(self) -> list[int]:
        """For each base the id of its first type that no distilled base holds, or 0."""
        types = self.types.types
        # Only named types of the six kinds, as libbpf has it.
        wrong = ~kind_mask(parts_of_plan(types.plan).distilled).take(types.kinds)
        wrong |= self.texts.empty(self.names)
        empty = sizes_of(self.strings) == 0
        if np.count_nonzero(empty):
            # No name is in a base without strings, whatever follows in those of the next.
            wrong |= empty.take(self.owners)
        found = [0] * len(self.types)
        if np.count_nonzero(wrong):
            for number, part in enumerate(parts_of(self.types.rows)):
                rows = wrong[part].nonzero()[0]
                found[number] = int(rows[0]) + 1 if len(rows) else 0
        return found


@frozen(eq=False)
class _Work:
    """Splits over distilled bases, and what was found for the types of these bases.

    Attributes:
        splits: the splits.
        target: where they are to go.
        policy: what counts as a match.
        held: what the splits hold by value; ids are counted through all splits there.
        bases: the types of the distilled bases.
        owners: by row of these, the number of the split.
        ids: by row of these, the id, counted through all splits.
        strings: where the strings of each base start when all are counted through.
        wanted: what is known of the types.
        matches: for each the only type of the target that would do, or 0.
    """

    splits: Sequence[Btf]
    target: Btf
    policy: Policy
    held: Embeddings
    bases: Joined
    owners: Index
    ids: Index
    strings: Index
    wanted: WantedTypes
    matches: Index

    @classmethod
    def of(cls, splits: Sequence[Btf], bases: _Bases, target: Btf, policy: Policy) -> _Work:
        """Look for all matches."""
        types, owners = bases.types, bases.owners
        names = bases.texts.names(bases.names)
        held = Embeddings.of(splits, policy)
        # Each split's start with void.
        ids = np.arange(len(owners)) + (held.ids[:-1] + 1 - types.rows[:-1]).take(owners)
        embedded = held.mask.take(ids)
        wanted = WantedTypes.of(types, names, embedded, policy)
        matches = wanted.matches(target_of(target), policy)
        strings = bases.strings
        return cls(splits, target, policy, held, types, owners, ids, strings, wanted, matches)

    def results(self, original: Btf | None) -> list[Relocated | BtfError]:
        """What becomes of each split."""
        failed = self.matches == 0
        if self.policy == "strict":
            failed |= self._shared()
        errors: dict[int, BtfError] = {}
        if np.count_nonzero(failed):
            for number in distinct(self.owners[failed]).tolist():
                errors[number] = self._mismatch(number, failed, original)
        return self._moved(errors)

    def _shared(self) -> Mask:
        """Definitions whose only match is also another's: different types can't be one."""
        defined = kind_mask(parts_of_plan(self.bases.types.plan).kept_by_name)
        rows = (defined.take(self.wanted.kinds) & (self.matches > 0)).nonzero()[0]
        # The split, the kind and the match in one number.
        keys = self.owners.take(rows) << 40 | self.wanted.kinds.take(rows).astype(np.int64) << 32
        keys |= self.matches.take(rows)
        ordered = np.sort(keys)
        several = ordered[1:][ordered[1:] == ordered[:-1]]
        found = np.zeros(len(self.matches), np.bool_)
        if len(several):
            found[rows[np.isin(keys, several)]] = True
        return found

    def _mismatch(self, number: int, failed: Mask, original: Btf | None) -> MatchError:
        """Why a split can't be relocated: every type without a match."""
        first, end = self.bases.rows[number : number + 2].tolist()
        rows = (first + failed[first:end].nonzero()[0]).tolist()
        wanted = [(row - first + 1, self.wanted[row]) for row in rows]
        mismatches = explain(wanted, self.policy, self.held[number], self.target, original)
        return MatchError(
            report(mismatches, end - first),
            type_id=mismatches[0].id,
            expected="a match in the target for every distilled type",
            mismatches=mismatches,
        )

    def _moved(self, errors: dict[int, BtfError]) -> list[Relocated | BtfError]:
        """The splits over the target, but for those that failed; the others are done with them."""
        own, ids, target = self.held.own, self.held.ids, self.target
        firsts = np.array([split.first_id for split in self.splits])
        news = np.arange(int(ids[-1])) + target.end_id
        news -= (ids[:-1] + firsts).repeat(sizes_of(ids))
        news[ids[:-1]] = 0
        news[self.ids] = self.matches
        texts = self._texts()
        id_at, string_at = own.types.type_id_positions, own.types.string_positions
        olds = own.types.words.take(id_at) + ids.take(own.owners(id_at))
        offsets, datas = self._strings(string_at, texts, errors)
        changes = [(id_at, news.take(olds)), (string_at, offsets)]
        tables = own.rewritten(changes).cut([target.end_id] * len(own))
        found: list[Relocated | BtfError] = []
        for number, (split, part) in enumerate(zip(self.splits, parts_of(ids), strict=True)):
            if number in errors:
                found.append(errors[number])
                continue
            id_map = _id_map(news[part].copy(), split, target)
            data = bytes(datas.get(number, split.strings.data))
            moved = Btf.assemble(tables[number], data, like=split, base=target)
            if split.ext is not None:
                first, end = self.strings[number : number + 2].tolist()
                strings = offsets_within(
                    np.arange(end - first), texts[first:end], end - first, target.strings.end
                )
                ext = split.ext.map(moved, type_ids=id_map.apply, strings=strings)
                moved = evolve(moved, ext=ext)
            found.append((carry_inline(split, moved, id_map), id_map))
        return found

    def _texts(self) -> Index:
        """By offset into the bases' strings, all counted through, that into the target's, or 0.

        A distilled type's name becomes that of its match. Of several matches' name offsets
        libbpf keeps that of the highest id.
        """
        order = self.matches.argsort(kind="stable")
        places = self.bases.types.name_offs + self.strings.take(self.owners)
        found = np.zeros(int(self.strings[-1]) + 1, np.int64)
        names = self.target.all_types.name_offs
        if len(names):
            found[places.take(order)] = names.take(self.matches.take(order) - 1)
        return found

    def _strings(
        self, at: Index, texts: Index, errors: dict[int, BtfError]
    ) -> tuple[Index, dict[int, bytearray]]:
        """The new offset for each of these words, and the strings of the splits that get more.

        Own strings move with the end of the base's. What else of the bases' strings is used is
        found in the target, or else added to the split.

        Args:
            at: the words of the splits that hold string offsets.
            texts: what :meth:`_texts` says; the strings in question are filled in.
            errors: those of splits for which the policy forbids that are filled in.
        """
        own = self.held.own
        olds, owners = own.types.words.take(at), own.owners(at)
        used, users = olds, owners
        for number, split in enumerate(self.splits):
            if split.ext is not None:
                used = np.append(used, split.ext.string_offsets)
                users = np.append(users, np.full(len(used) - len(users), number))
        ends = sizes_of(self.strings)
        inside = ((used < ends.take(users)) & (used > 0)).nonzero()[0]
        places = used.take(inside) + self.strings.take(users.take(inside))
        added = self._added(places, texts, errors)
        news: Index = olds + (self.target.strings.end - ends).take(owners)
        news[olds == 0] = 0
        # What is used by the splits themselves comes first.
        count = int(inside.searchsorted(len(olds)))
        news[inside[:count]] = texts.take(places[:count])
        return news, added

    def _added(
        self, places: Index, texts: Index, errors: dict[int, BtfError]
    ) -> dict[int, bytearray]:
        """Find in the target those of these strings that no text is known for, or else add them.

        Args:
            places: where they are in the bases' strings, all counted through.
            texts: as for :meth:`_strings`.
            errors: as for :meth:`_strings`.

        Returns:
            The strings of the splits that get more.
        """
        data: dict[int, bytearray] = {}
        unknown = places[texts.take(places) == 0]
        if not len(unknown):
            return data
        for place in distinct(unknown).tolist():
            number = int(self.strings.searchsorted(place, side="right")) - 1
            split, offset = self.splits[number], place - int(self.strings[number])
            if number in errors:
                continue
            text = split.strings[offset]
            if self.policy == "kernel":
                errors[number] = PassError(
                    f"string {text!r} [offset {offset}] of the distilled base is not the name of a "
                    "type there; libbpf and the kernel refuse that",
                    got=text,
                    expected="names of distilled types",
                )
                continue
            added = data.setdefault(number, bytearray(split.strings.data))
            texts[place] = placed(text, self.target, added)
        return data


def _id_map(news: Index, split: Btf, target: Btf) -> IdMap:
    """The map that has one target for each id of a split, made when somebody looks at it."""
    if not len(split):
        return IdMap.from_array(news)
    # Own types come last. Without any, the highest target has to be looked for.
    end = target.end_id + len(split)
    return IdMap.deferred(len(news), end, partial(IdMap.from_array, news))


@frozen
class Relocate(Pass):
    """Put split BTF over a distilled base onto a full one, finding each type by its name.

    Attributes:
        policy: ``"strict"``, which never guesses, or ``"kernel"``, which does what kernels do.
    """

    name: ClassVar[str] = "relocate"
    needs: ClassVar[Needs] = Needs(base="distilled", inputs=("target",))
    provides: ClassVar[BaseState | None] = "full"

    policy: Policy = field(default="strict", validator=one_of(Policy))

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Relocate onto the input ``target``; the input ``original``, if given, helps to explain.

        A failure leaves nothing behind: the input stays as it is.
        """
        (found,) = self.run_many([btf], ctx)
        if isinstance(found, BtfError):
            raise found
        return found

    def run_many(self, btfs: Sequence[Btf], ctx: Context) -> list[PassResult | BtfError]:
        """Relocate all together; for each that can't be, why."""
        target, original = ctx.input("target"), ctx.inputs.get("original")
        made = relocate_many(btfs, target, self.policy, original=original)
        return [self._result(btf, one) for btf, one in zip(btfs, made, strict=True)]

    def _result(self, btf: Btf, made: Relocated | BtfError) -> PassResult | BtfError:
        if isinstance(made, BtfError):
            return made
        facts: dict[str, Any] = {"policy": self.policy, "matched": btf.first_id - 1}
        return PassResult(*made, facts)
