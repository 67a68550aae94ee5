"""Types that a kernel loads (``btf_check_*`` in Linux ``kernel/bpf/btf.c``).

Types are drawn in an order of their own, unrelated to their ids: each refers to types drawn before
it, so that nothing contains itself. Only pointers to structs, unions and prototypes may lead
anywhere; they close the circles that real BTF has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from attrs import evolve, frozen
from hypothesis import strategies as st

from btfschema.errors import UnresolvedError
from btfschema.model import views
from btfschema.model.container import Btf
from btfschema.model.views import TypeView
from btfschema.schema.kinds import Kind
from btfschema.testing.values import identifiers

__all__ = ["KERNEL_KINDS", "draw_valid"]

KERNEL_KINDS = tuple(range(Kind.INT, Kind.ENUM64 + 1))

# The kernel follows at most 32 references in a row.
DEPTH_LIMIT = 24
# Keeps every bit offset within the 24 bits that kind_flag leaves.
SIZE_LIMIT = 1 << 16
# Of a base, how many types a split may refer to.
BASE_TYPES = 200

# What most others need, and what makes circles, comes more often than the rest.
FREQUENT = (*[Kind.INT, Kind.PTR, Kind.STRUCT] * 3, Kind.FUNC_PROTO, Kind.FUNC, Kind.VAR)

# The order of drawing. An INT refers to nothing, and to the late ones only later ones refer, so
# nothing is lost by it, and what a type needs is mostly there.
ORDER: dict[int, int] = {Kind.INT: -1, Kind.VAR: 1, Kind.FUNC: 1, Kind.DATASEC: 2, Kind.DECL_TAG: 2}

MODIFIERS = (Kind.TYPEDEF, Kind.VOLATILE, Kind.CONST, Kind.RESTRICT, Kind.TYPE_TAG)
ENUMS = (Kind.ENUM, Kind.ENUM64)
COMPOSITES = (Kind.STRUCT, Kind.UNION)
# What a pointer, a modifier or a member can't refer to.
NO_DATA = (Kind.FUNC, Kind.VAR, Kind.DATASEC, Kind.DECL_TAG)


@frozen
class Known:
    """What later types need to know of an earlier one.

    Attributes:
        id: its id.
        kind: its kind.
        size: bytes, or None for what has no size.
        resolved: the kind behind typedefs and qualifiers.
        depth: how many references follow each other from here.
        parts: members or parameters that a tag may point at.
        callable: whether it is a prototype whose parameters all have names.
    """

    id: int
    kind: int
    size: int | None = None
    resolved: int = Kind.VOID
    depth: int = 0
    parts: int = 0
    callable: bool = False


VOID = Known(0, Kind.VOID)
INT = st.builds(
    views.Int, identifiers, st.sampled_from([1, 2, 4, 8, 16]), st.sampled_from([0, 1, 2, 4])
)


class Draft:
    """The types so far.

    Args:
        draw: hypothesis' own.
        base: what split BTF is built over.
        ids: the ids that will be given.
    """

    def __init__(self, draw: st.DrawFn, base: Btf | None, ids: range) -> None:
        self.draw = draw
        self.own = ids
        self.known = [VOID, *(_known_of(base) if base is not None else ())]
        self.views: dict[int, TypeView] = {}
        self.open_pointers: list[int] = []

    def add(self, type_id: int, kind: int) -> None:
        """Draw a type of this kind; an INT where nothing is there that it could refer to."""
        view = MAKERS[kind](self)
        if view is None:
            view = self.draw(INT)
        self.views[type_id] = view
        if isinstance(view, views.Ptr) and self.draw(st.booleans()):
            self.open_pointers.append(type_id)
            view = views.Ptr(0)
        by_id = {known.id: known for known in self.known}
        self.known.append(_known(view, type_id, by_id))

    def close_pointers(self) -> None:
        """Let the open pointers point at any struct, union, prototype or forward declaration."""
        kinds = (*COMPOSITES, Kind.FUNC_PROTO, Kind.FWD)
        targets = [known.id for known in self.known if known.kind in kinds]
        for type_id in self.open_pointers:
            target = self.draw(st.sampled_from(targets)) if targets else 0
            self.views[type_id] = views.Ptr(target)

    def pick(self, fits: Callable[[Known], bool]) -> Known | None:
        """One of the earlier types that fit, or None."""
        found = [known for known in self.known if known.depth < DEPTH_LIMIT and fits(known)]
        return self.draw(st.sampled_from(found)) if found else None

    def pick_sized(self) -> Known | None:
        """An earlier type that can be a member, an element, a parameter or a variable."""
        return self.pick(
            lambda known: (
                known.size is not None and known.size <= SIZE_LIMIT and known.kind not in NO_DATA
            )
        )

    def name(self, *, optional: bool = False) -> str:
        """An identifier, or sometimes none."""
        return self.draw(st.just("") | identifiers if optional else identifiers)

    def some(self) -> range:
        """A few times."""
        return range(self.draw(st.integers(0, 4)))


def _known(view: TypeView, type_id: int, by_id: dict[int, Known]) -> Known:
    """What a new type is to later ones."""
    kind = view.kind
    if kind in MODIFIERS:
        # All modifiers have it; their set is the schema's, which no type checker reads.
        target = by_id[view.type_id]  # type: ignore[attr-defined]  # pyright: ignore
        return evolve(target, id=type_id, kind=kind, depth=target.depth + 1, parts=0)
    known = Known(type_id, kind, getattr(view, "size", None), kind)
    if isinstance(view, views.Ptr):
        return evolve(known, size=8, depth=by_id[view.type_id].depth + 1)
    if isinstance(view, views.Array):
        element = by_id[view.type_id]
        return evolve(known, size=(element.size or 0) * view.nelems, depth=element.depth + 1)
    if isinstance(view, views.Struct | views.Union):
        depth = max([0, *(by_id[member.type_id].depth for member in view.members)])
        return evolve(known, depth=depth + 1, parts=len(view.members))
    if isinstance(view, views.FuncProto):
        depth = max(by_id[i].depth for i in (view.type_id, *(p.type_id for p in view.params)))
        named = all(param.name or not param.type_id for param in view.params)
        return evolve(known, depth=depth + 1, parts=len(view.params), callable=named)
    if isinstance(view, views.Func):
        return evolve(known, parts=by_id[view.type_id].parts)
    if isinstance(view, views.Var):
        return evolve(known, size=by_id[view.type_id].size)
    return known


def _known_of(base: Btf) -> Iterator[Known]:
    """The first types of a base, as far as a split may refer to them."""
    for type_id in range(1, min(base.end_id, BASE_TYPES)):
        view = base[type_id]
        resolved = view
        while resolved.kind in MODIFIERS:
            resolved = base[base.references(resolved.id)[0]]
        try:
            size = base.sizeof(type_id)
        except UnresolvedError:
            size = None
        parts = view.type if isinstance(view, views.Func) else view
        members = getattr(parts, "members", ()) or getattr(parts, "params", ())
        regular = not isinstance(resolved, views.Int) or resolved.bits == 8 * resolved.size
        if regular:
            yield Known(type_id, view.kind, size, resolved.kind, 0, len(members))


def _target(draft: Draft, *, tag: bool = False) -> int:
    """What a pointer or modifier refers to; only a tag may stand before a tag."""
    target = draft.pick(
        lambda known: known.kind not in NO_DATA and (tag or known.kind != Kind.TYPE_TAG)
    )
    return target.id if target is not None else 0


def _array(draft: Draft) -> TypeView | None:
    element = draft.pick_sized()
    index = draft.pick(lambda known: known.kind == Kind.INT)
    if element is None or index is None:
        return None
    return views.Array(element.id, index.id, draft.draw(st.integers(0, 16)))


def _occupied(known: Known) -> int:
    """Bytes that a member takes: with kind_flag, the kernel wants 4 for an enum of any size."""
    size = known.size or 0
    return max(size, 4) if known.resolved in ENUMS else size


def _struct(draft: Draft) -> TypeView:
    members = []
    at = 0
    for _ in draft.some():
        known = draft.pick_sized()
        if known is None:
            break
        bits, size = 0, _occupied(known)
        can_be_bitfield = known.resolved in (Kind.INT, *ENUMS) and size <= 8
        if can_be_bitfield and draft.draw(st.booleans()):
            bits = draft.draw(st.integers(1, 32 if known.resolved in ENUMS else 8 * size))
        else:
            alignment = 8 * min(8, 1 << max(0, size.bit_length() - 1))
            at = -(-at // alignment) * alignment
        members.append(views.Member(draft.name(optional=True), known.id, at, bits))
        at += bits or 8 * size
    padding = draft.draw(st.integers(0, 8))
    return views.Struct(draft.name(optional=True), -(-at // 8) + padding, members)


def _union(draft: Draft) -> TypeView:
    picked = [known for known in (draft.pick_sized() for _ in draft.some()) if known is not None]
    members = [views.Member(draft.name(optional=True), known.id) for known in picked]
    size = max([0, *(_occupied(known) for known in picked)])
    return views.Union(draft.name(optional=True), size + draft.draw(st.integers(0, 8)), members)


def _enum(view: type[views.Enum | views.Enum64], bits: int) -> Callable[[Draft], TypeView]:
    def make(draft: Draft) -> TypeView:
        signed = draft.draw(st.booleans())
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        values = [
            views.Enumerator(draft.name(), draft.draw(st.integers(low, high))) for _ in draft.some()
        ]
        size = draft.draw(st.sampled_from([1, 2, 4, 8]))
        return view(draft.name(optional=True), size, values, signed=signed)

    return make


def _func_proto(draft: Draft) -> TypeView:
    returned = draft.pick_sized()
    named = draft.draw(st.booleans())
    picked = [known for known in (draft.pick_sized() for _ in draft.some()) if known is not None]
    params = [views.Param(draft.name() if named else "", known.id) for known in picked]
    variadic = draft.draw(st.booleans())
    if params and variadic:
        params.append(views.Param("", 0))
    return views.FuncProto(returned.id if returned is not None else 0, params)


def _func(draft: Draft) -> TypeView | None:
    proto = draft.pick(lambda known: known.callable and known.kind == Kind.FUNC_PROTO)
    if proto is None:
        return None
    return views.Func(draft.name(), proto.id, draft.draw(st.integers(0, 1)))


def _var(draft: Draft) -> TypeView | None:
    known = draft.pick_sized()
    if known is None:
        return None
    return views.Var(draft.name(), known.id, draft.draw(st.integers(0, 1)))


def _datasec(draft: Draft) -> TypeView | None:
    variables = [known for known in draft.known if known.kind == Kind.VAR and known.id in draft.own]
    if not variables:
        return None
    chosen = draft.draw(st.lists(st.sampled_from(variables), min_size=1, max_size=4, unique=True))
    at, entries = 0, []
    for known in chosen:
        at += draft.draw(st.integers(0, 8))
        size = max(1, known.size or 0)
        entries.append(views.VarSecinfo(known.id, at, size))
        at += size
    name = draft.draw(st.sampled_from([".data", ".bss", ".rodata", "license", ".data.x"]))
    return views.Datasec(name, at, entries)


def _decl_tag(draft: Draft) -> TypeView | None:
    tagged = (*COMPOSITES, Kind.FUNC, Kind.VAR, Kind.TYPEDEF)
    target = draft.pick(lambda known: known.kind in tagged)
    if target is None:
        return None
    return views.DeclTag(draft.name(), target.id, draft.draw(st.integers(-1, target.parts - 1)))


MAKERS: dict[int, Callable[[Draft], TypeView | None]] = {
    Kind.INT: lambda draft: draft.draw(INT),
    Kind.PTR: lambda draft: views.Ptr(_target(draft, tag=True)),
    Kind.ARRAY: _array,
    Kind.STRUCT: _struct,
    Kind.UNION: _union,
    Kind.ENUM: _enum(views.Enum, 32),
    Kind.FWD: lambda draft: views.Fwd(draft.name(), draft.draw(st.booleans())),
    Kind.TYPEDEF: lambda draft: views.Typedef(draft.name(), _target(draft)),
    Kind.VOLATILE: lambda draft: views.Volatile(_target(draft)),
    Kind.CONST: lambda draft: views.Const(_target(draft)),
    Kind.RESTRICT: lambda draft: views.Restrict(_target(draft)),
    Kind.FUNC: _func,
    Kind.FUNC_PROTO: _func_proto,
    Kind.VAR: _var,
    Kind.DATASEC: _datasec,
    Kind.FLOAT: lambda draft: views.Float(
        draft.name(), draft.draw(st.sampled_from([2, 4, 8, 12, 16]))
    ),
    Kind.DECL_TAG: _decl_tag,
    Kind.TYPE_TAG: lambda draft: views.TypeTag(draft.name(), _target(draft, tag=True)),
    Kind.ENUM64: _enum(views.Enum64, 64),
}


def draw_valid(
    draw: st.DrawFn, base: Btf | None, kinds: Collection[int], count: int
) -> list[TypeView]:
    """Views for ``count`` new types over ``base``, in id order."""
    first = base.end_id if base is not None else 1
    ids = range(first, first + count)
    draft = Draft(draw, base, ids)
    numbers = st.sampled_from([*kinds, *(kind for kind in FREQUENT if kind in kinds)])
    drawn = draw(st.lists(numbers, min_size=count, max_size=count))
    drawn.sort(key=lambda kind: ORDER.get(kind, 0))
    for type_id, kind in zip(draw(st.permutations(ids)), drawn, strict=True):
        draft.add(type_id, kind)
    draft.close_pointers()
    return [draft.views[type_id] for type_id in ids]
