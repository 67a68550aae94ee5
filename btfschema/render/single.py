"""One type as C or as JSON, in the time that one type takes.

What one type asks of its whole container is worked out by the first call and kept.
"""

from __future__ import annotations

import json
from typing import Any

from attrs import asdict

from btfschema.arguments import require_type
from btfschema.errors import EncodeError, UnresolvedError
from btfschema.model.container import Btf
from btfschema.model.views import TypeView
from btfschema.render.c.chosen import OBJECTS
from btfschema.render.c.columns import COMPOSITE, ENUMS, TypeColumns
from btfschema.render.c.declare import Declarations
from btfschema.render.c.dialect import DIALECTS
from btfschema.render.c.emit import Emitter
from btfschema.render.c.layout import Layout
from btfschema.render.c.names import Names
from btfschema.render.c.trampoline import run
from btfschema.schema.kinds import Kind
from btfschema.schema.plan import KindPlan
from btfschema.schema.roles import Role

__all__ = ["declaration", "shown", "to_c", "to_data", "to_json"]

DIALECT = DIALECTS["none"]


def _container(view: TypeView) -> Btf:
    """The container of a view.

    Raises:
        TypeError: it is not a view.
        UnresolvedError: it has none.
    """
    require_type("the type", view, TypeView, "a view: btf[93] or btf['task_struct']")
    if view.btf is None:
        raise UnresolvedError(
            f"this {type(view).__name__} was not read from a container, so its references lead "
            "nowhere",
            expected="a view from btf[id]",
        )
    return view.btf


def to_c(view: TypeView, *, with_dependencies: bool = False) -> str:
    """A type's C declaration: of a struct its definition, of a function its prototype.

    Args:
        view: the type, from a container.
        with_dependencies: before it all that a compiler must know, in order, so that the text
            compiles alone.

    Raises:
        UnresolvedError: the view was not read from a container, or C has no declaration of it.
        EncodeError: a gap between members is too large to write.
    """
    btf = _container(view)
    types, out = TypeColumns.of(btf), list[str]()
    alone = _declared(types, view.id, _exact(types, out), out)
    if with_dependencies:
        emitter = Emitter(types, DIALECT)
        emitter.write(view.id)
        rest = alone if view.kind in OBJECTS else ""
        for target in btf.references(view.id) if rest else ():
            emitter.prepare(target)
        return "".join([*emitter.out, rest]).rstrip("\n")
    return alone


class Shown(Declarations):
    """Declarations for people to read: no longer than anybody reads."""

    MOST_TEXT = 1 << 18


class Unpadded(Layout):
    """A layout that leaves the padding out, which a reader takes for members."""

    def gap(
        self, at: int, to: int, next_alignment: int, in_bitfield: bool, *, packed: bool = False
    ) -> list[str]:
        """None."""
        return []

    def union_padding(self, type_id: int) -> list[str]:
        """None."""
        return []


def shown(view: TypeView) -> str:
    """What ``str(view)`` is: :func:`to_c` without padding.

    Raises:
        UnresolvedError: the view was not read from a container, or C has no declaration of it.
        EncodeError: the text would be longer than 256 KiB.
    """
    types = TypeColumns.of(_container(view))
    out: list[str] = []
    layout = Unpadded(types, exact=True)
    return _declared(types, view.id, Shown(types, Names(types), layout, DIALECT, out), out)


def _exact(types: TypeColumns, out: list[str]) -> Declarations:
    return Declarations(types, Names(types), Layout(types, exact=True), DIALECT, out)


def _declared(types: TypeColumns, type_id: int, declarations: Declarations, out: list[str]) -> str:
    """The declaration of one type, without the end of its line."""
    kind, name = types.kinds[type_id], types.names[type_id]
    if kind in COMPOSITE:
        run(declarations.define_struct(type_id))
    elif kind in ENUMS:
        declarations.define_enum(type_id)
    elif kind == Kind.TYPEDEF:
        run(declarations.define_typedef(type_id))
    elif kind in OBJECTS:
        run(declarations.declare(types.targets[type_id], name))
    elif kind == Kind.FWD:
        out.append(declarations.tag(type_id))
    else:
        run(declarations.declare(type_id, ""))
        return "".join(out)
    return "".join([*out, ";"])


def declaration(btf: Btf, type_id: int, name: str = "") -> str:
    """Something of a type as C declares it, such as ``struct list_head *next``; on one line.

    What has no C declaration, or a very long one, is described: ``DATASEC ".maps" [7]``.

    Raises:
        TypeIdError: there is no such id.
    """
    types = TypeColumns.of(btf)
    out: list[str] = []
    layout = Unpadded(types, exact=True)
    try:
        run(Shown(types, Names(types), layout, DIALECT, out).declare(types.require(type_id), name))
    except (UnresolvedError, EncodeError):
        return btf.describe(type_id)
    return " ".join("".join(out).split())


def to_data(view: TypeView) -> dict[str, Any]:
    """A type as data for JSON: its fields, the kind's name, and beside each type id what it means.

    ``"type_id": 95`` has ``"type": "struct list_head *"`` beside it.

    Raises:
        UnresolvedError: the view was not read from a container.
    """
    btf = _container(view)
    data: dict[str, Any] = {"id": view.id, "kind": btf.kinds.name(view.kind), **asdict(view)}
    if view.id == 0:
        return data
    owner = btf.owner(view.id)
    plan = owner.types.plan.kinds[int(owner.types.kinds[view.id - owner.first_id])]
    _name_types(btf, data, [plan.third, *plan.fixed])
    for element in data.get(_elements(plan), ()):
        if isinstance(element, dict):
            _name_types(btf, element, plan.element)
    return data


def _elements(plan: KindPlan) -> str:
    return plan.spec.elements if plan.spec is not None else ""


def _name_types(btf: Btf, data: dict[str, Any], declared: Any) -> None:
    """Put beside each type id what it means."""
    for one in declared:
        if one.role is Role.TYPE_ID and one.attribute in data:
            said = declaration(btf, data[one.attribute])
            data[one.attribute.removesuffix("_id")] = said


def to_json(view: TypeView, *, indent: int | None = None) -> str:
    """A type as JSON: what :func:`to_data` gives.

    Raises:
        UnresolvedError: the view was not read from a container.
    """
    return json.dumps(to_data(view), indent=indent)
