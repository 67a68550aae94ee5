"""``distill``: give a split BTF a small base of its own, which a later kernel can be searched for.

What goes where is libbpf's rule (``btf__distill_base``, Linux 6.11): the new base holds names and
sizes, and whatever has no name of its own becomes part of the split.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import accumulate, groupby, pairwise, starmap
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from attrs import evolve, field, frozen

from btfschema import Btf
from btfschema.arguments import one_of, require_choice, several
from btfschema.arrays import Index, bounds_of, joined_arrays, parts_of, ranges, sizes_of
from btfschema.errors import BtfError
from btfschema.framework import BaseState, Context, Needs, Pass, PassResult
from btfschema.model import carry_inline, check_references
from btfschema.schema import INFO_WORD, KIND_SHIFT, NAME_OFF, kind_mask, parts_of_plan
from btfschema.tables import WORDS_TOGETHER, IdMap, Joined, TypeTable, pick_many, portions
from btfschema_transforms.references import needed, refuse_opaque
from btfschema_transforms.relocation.bases import Closures, Graph, graph_of
from btfschema_transforms.relocation.rebasing import Offsets, require_base

__all__ = ["Distill", "distill", "distill_many"]

Sharing = Literal["whole", "suffix"]

NO_OFFSETS = np.zeros(0, np.uint32)


def distill(btf: Btf, strings: Sharing = "whole") -> tuple[Btf, IdMap]:
    """Split BTF over a chain of bases -> split BTF over one distilled base.

    The distilled base holds, in ascending original id, each INT, FLOAT and FWD that the split needs
    as it is, named structs and unions without members, and named enums (ENUM64 too) as ENUM without
    values. The new split holds its own types in their order, then the other base types that it
    needs: pointers, arrays, typedefs, prototypes and everything anonymous, in full. Both hold just
    the strings that they use, in order of first use.

    Args:
        btf: split BTF; its ``.BTF.ext``, if any, is rewritten with it.
        strings: ``"whole"``, as libbpf does, or ``"suffix"``: a string that another one ends in
            gets no bytes of its own. The format allows that, but not every reader: cilium/ebpf
            refuses offsets into the middle of an entry.

    Returns:
        The new split, whose ``base`` is the distilled one, and the map of every id of the input.

    Raises:
        ValueError: ``strings`` is something else.
        RequirementError: the BTF has no base.
        PassError: it refers to a base type that can't be distilled, or holds a kind that the
            schema does not declare.
    """
    return distill_many([btf], strings)[0]


def distill_many(btfs: Btf | Iterable[Btf], strings: Sharing = "whole") -> list[tuple[Btf, IdMap]]:
    """Distill many split BTFs at once, at a fraction of the time that each takes alone.

    Args:
        btfs: each as for :func:`distill`, or one; neighbours that are split over one base are done
            together.
        strings: as for :func:`distill`.

    Returns:
        What :func:`distill` returns, of each.

    Raises:
        ValueError: ``strings`` is something else.
        RequirementError: one has no base.
        PassError: one can't be distilled; to find out which, do them one by one.
        DecodeError: one, read without a check, refers to what does not exist.
    """
    require_choice("strings", strings, Sharing)
    btfs = several(btfs, Btf)
    for btf in btfs:
        require_base(btf, "distill")
        refuse_opaque(btf)
    check_references(*(part for btf in btfs for part in btf.chain))
    found: list[tuple[Btf, IdMap]] = []
    # Whatever its neighbours are, a result is read with the schema of what it was made from.
    for _, alike in groupby(btfs, lambda btf: (id(btf.base), id(btf.types.plan))):
        group = list(alike)
        for portion in portions(group, [len(btf.types.words) for btf in group]):
            found += _distilled(portion, strings)
    return found


def _distilled(btfs: Sequence[Btf], strings: Sharing) -> list[tuple[Btf, IdMap]]:
    """Distill split BTFs over one base."""
    base = require_base(btfs[0], "distill")
    own = Joined.of([btf.types for btf in btfs])
    closures = needed(btfs, own, base, WORDS_TOGETHER)
    if closures is None:
        half = len(btfs) // 2
        return [*_distilled(btfs[:half], strings), *_distilled(btfs[half:], strings)]
    move = _Move.of(own, closures, graph_of(base), base.end_id)
    rows = move.needed.ids - 1
    heads, copies = _copied(base.all_types, rows.take(move.kept), rows.take(move.moved))
    cut = Joined.by_rows(heads, move.kept_bounds)
    # What moves is copied behind the split's own types; from then on the copy is the one meant.
    grown = own.then(Joined.by_rows(copies, move.moved_bounds))
    name_at, at = cut.types.starts + NAME_OFF.word, grown.types.string_positions
    exts = [btf.ext.string_offsets if btf.ext is not None else NO_OFFSETS for btf in btfs]
    uses = _Uses.of(
        (cut.types.words.take(name_at), move.kept_bounds),
        (grown.types.words.take(at), at.searchsorted(grown.words)),
        (joined_arrays(exts), bounds_of(list(map(len, exts)))),
    )
    sections, (names, texts, ext_texts) = uses.picked(btfs, strings)
    bases = cut.rewritten([(name_at, names)]).cut([1] * len(btfs))
    references = grown.types.type_id_positions, move.references(grown)
    splits = grown.rewritten([references, (at, texts)]).cut(move.ends.tolist())
    made = []
    for btf, id_map, types_of_base, types_of_split, data in zip(
        btfs, move.id_maps(), bases, splits, sections, strict=True
    ):
        new_base = Btf.assemble(types_of_base, data[0], like=base, base=None)
        split = Btf.assemble(types_of_split, data[1], like=btf, base=new_base)
        made.append((split, id_map))
    done = 0
    for number, (btf, ext) in enumerate(zip(btfs, exts, strict=True)):
        if btf.ext is not None:
            split, id_map = made[number]
            strings_of = _lookup(ext, ext_texts[done : done + len(ext)])
            mapped = btf.ext.map(split, type_ids=id_map.apply, strings=strings_of)
            made[number] = evolve(split, ext=mapped), id_map
        done += len(ext)
        if btf.inline is not None:
            split, id_map = made[number]
            made[number] = carry_inline(btf, split, id_map), id_map
    return made


@frozen(eq=False)
class _Move:
    """Where the base types that splits need, and their own types, go.

    Attributes:
        needed: the base types.
        kept: the rows of those that stay in a base, the new one.
        kept_bounds: where those of each split start, and where those of the last one end.
        moved: the rows of the others.
        moved_bounds: the same for them.
        news: the new id of void, and then that of each row.
        own: how many types each split has of its own.
        ends: the end of each new base's ids.
        first_id: the id of the splits' first own types.
    """

    needed: Closures
    kept: Index
    kept_bounds: Index
    moved: Index
    moved_bounds: Index
    news: Index
    own: Index
    ends: Index
    first_id: int

    @classmethod
    def of(cls, own: Joined, found: Closures, graph: Graph, first_id: int) -> _Move:
        in_base = graph.distilled.take(found.ids)
        kept, moved = in_base.nonzero()[0], (~in_base).nonzero()[0]
        bounds = kept.searchsorted(found.bounds)
        others = found.bounds - bounds
        counts, own_counts = sizes_of(bounds), sizes_of(own.rows)
        ends = counts + 1
        news = np.zeros(len(in_base) + 1, np.int64)
        news[kept + 1] = np.arange(1, len(kept) + 1) - bounds[:-1].repeat(counts)
        firsts = ends + own_counts - others[:-1]
        news[moved + 1] = np.arange(len(moved)) + firsts.repeat(sizes_of(others))
        return cls(found, kept, bounds, moved, others, news, own_counts, ends, first_id)

    def references(self, types: Joined) -> Index:
        """The new ids for all that stand in records of each split."""
        positions = types.types.type_id_positions
        ids = types.types.words.take(positions)
        owners = types.owners(positions)
        news = ids + (self.ends - self.first_id).take(owners)
        inside = (ids < self.first_id).nonzero()[0]
        rows = self.needed.rows(ids.take(inside), owners.take(inside))
        news[inside] = self.news.take(rows)
        return news

    def id_maps(self) -> list[IdMap]:
        """The map of each split, made when somebody looks at it: most are never looked at."""
        maps = []
        bounds, ends, counts = self.needed.bounds, self.ends.tolist(), self.own.tolist()
        for part, end, own in zip(parts_of(bounds), ends, counts, strict=True):
            # Copies: who keeps one map is not to keep what its neighbours are made of.
            ids, news = self.needed.ids[part].copy(), self.news[1:][part].copy()
            work = partial(_id_map, ids, news, self.first_id, end, own)
            moved = len(ids) - (end - 1)
            maps.append(IdMap.deferred(self.first_id + own, end + own + moved, work))
        return maps


def _id_map(ids: Index, news: Index, first_id: int, end: int, own: int) -> IdMap:
    """Each base type that is needed to its new id, own types from ``first_id`` to ``end`` on."""
    sources, targets = np.append(ids, first_id), np.append(news, end)
    return IdMap.from_runs(first_id + own, sources, targets, np.append(np.ones_like(ids), own))


@frozen(eq=False)
class _Uses:
    """The string offsets that are used: first for the bases, then for what is split over them.

    Attributes:
        offsets: all of the first split, then all of the second, and so on.
        bounds: of those of each base and of each split.
        places: where those of each group that they came from are among all.
    """

    offsets: npt.NDArray[np.uint32]
    bounds: Index
    places: tuple[Index | slice, ...]

    @classmethod
    def of(cls, *groups: tuple[npt.NDArray[np.uint32], Index]) -> _Uses:
        """From groups of offsets, each with the bounds of every container's.

        The first group is that of the bases.
        """
        if len(groups[0][1]) == 2:
            # Of one split they follow one another as they are.
            arrays = [values for values, _ in groups]
            ends = [0, *accumulate(map(len, arrays))]
            parts = tuple(starmap(slice, pairwise(ends)))
            return cls(np.concatenate(arrays), np.array((0, ends[1], ends[-1])), parts)
        counts = np.stack([sizes_of(bounds) for _, bounds in groups], axis=1)
        firsts = bounds_of(counts.ravel())
        places = [ranges(firsts[n : -1 : len(groups)], counts[:, n]) for n in range(len(groups))]
        offsets = np.empty(int(firsts[-1]), np.uint32)
        for place, (values, _) in zip(places, groups, strict=True):
            offsets[place] = values
        bounds = np.sort(np.append(firsts[:: len(groups)], firsts[1 :: len(groups)]))
        return cls(offsets, bounds, tuple(places))

    def picked(
        self, btfs: Sequence[Btf], sharing: Sharing
    ) -> tuple[list[tuple[bytes, ...]], list[Index]]:
        """The new sections of each container, and the new offsets of each group."""
        tables = [btf.strings for btf in btfs]
        sections, offsets = pick_many(
            tables, self.offsets, self.bounds, share_suffixes=sharing == "suffix"
        )
        return sections, [offsets[place] for place in self.places]


def _lookup(olds: npt.NDArray[np.uint32], news: Index) -> Offsets:
    """The map of offsets that these pairs give."""
    values, at = np.unique(olds, return_index=True)
    known = news.take(at)
    return lambda wanted: known.take(np.searchsorted(values, wanted))


def _copied(types: TypeTable, heads: Index, rows: Index) -> tuple[TypeTable, TypeTable]:
    """Copies of records.

    Args:
        types: where they are.
        heads: the rows of those that are cut before their elements; what describes the elements is
            cleared.
        rows: those of others.
    """
    plan, count = types.plan, len(heads)
    both = np.concatenate((heads, rows))
    firsts, kinds = types.starts.take(both), types.kinds.take(heads)
    sizes = types.ends.take(both) - firsts
    sizes[:count] = plan.fixed_words.take(kinds)
    bounds = bounds_of(sizes)
    starts, end = bounds[:-1], bounds.item(count)
    at = ranges(firsts, sizes)
    words = types.words.take(at)
    parts, infos = parts_of_plan(plan), starts[:count] + INFO_WORD.word
    bare = parts.stand_ins.take(kinds) << KIND_SHIFT
    cleared = kind_mask(parts.kept_by_name).take(kinds)
    words[infos] = np.where(cleared, bare, words.take(infos))
    roles = types.roles.take(at[end:])
    return (
        TypeTable(words[:end], starts[:count], plan),
        TypeTable(words[end:], starts[count:] - end, plan, roles=roles),
    )


@frozen
class Distill(Pass):
    """Put split BTF over a small base of its own, which later kernels can be searched for.

    Attributes:
        strings: ``"suffix"`` lets a string start inside another, which saves space but which
            cilium/ebpf does not read; ``"whole"`` does what libbpf does.
    """

    name: ClassVar[str] = "distill"
    needs: ClassVar[Needs] = Needs(base="any")
    provides: ClassVar[BaseState | None] = "distilled"

    strings: Sharing = field(default="whole", validator=one_of(Sharing))

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Distill; the facts count what went where."""
        return _result(btf, *distill(btf, self.strings))

    def run_many(self, btfs: Sequence[Btf], ctx: Context) -> list[PassResult | BtfError]:
        """Distill all together; those done together with one that can't be, one by one."""
        found: list[PassResult | BtfError] = []
        for portion in portions(btfs, [len(btf.types.words) for btf in btfs]):
            try:
                made = distill_many(portion, self.strings)
            except BtfError:
                found += super().run_many(portion, ctx)
            else:
                found += [_result(btf, *one) for btf, one in zip(portion, made, strict=True)]
        return found


def _result(btf: Btf, split: Btf, ids: IdMap) -> PassResult:
    base = require_base(split, Distill.name)
    facts: dict[str, Any] = {"base_types": len(base), "moved_types": len(split) - len(btf)}
    return PassResult(split, ids, facts)
