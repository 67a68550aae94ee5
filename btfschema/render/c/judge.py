"""Which types C can declare: pointers to the others become ``void *``, the others are left out.

A type is judged after what it refers to. References that run in a circle without a name on the way
are cut at a pointer.
"""

from __future__ import annotations

from enum import IntEnum

from btfschema.render.c.columns import CHAINED, COMPOSITE, ENUMS, KNOWN
from btfschema.render.c.draft import Draft
from btfschema.render.c.trampoline import Step, run
from btfschema.schema.kinds import Kind

__all__ = ["Form", "Judge"]

# Words of a declaration inside of others; each such declaration is repeated wherever it is used.
MOST_WORDS = 50_000
ENUM_SIZES = (1, 2, 4, 8)


class Form(IntEnum):
    """What C takes a type for."""

    BAD = 0
    VOID = 1
    INCOMPLETE = 2
    OBJECT = 3
    ROW = 4
    FUNCTION = 5


SIZED = (Form.OBJECT, Form.ROW)


class Judge:
    """Judges types.

    Args:
        draft: the types; pointers in it are changed.
    """

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._types = draft.types
        self._sizes = draft.source.full_sizes
        self._forms: dict[int, Form] = {0: Form.VOID}
        self._words: dict[int, int] = {}
        # Types that are being judged, in order.
        self._open: dict[int, None] = {}
        self._cut: set[int] = set()
        self.reasons: dict[int, str] = {}

    def form(self, type_id: int) -> Form:
        """What C takes a type for."""
        known = self._forms.get(type_id)
        found: Form = run(self._judge(type_id)) if known is None else known
        return found

    def note(self, type_id: int, form: Form) -> None:
        """The form of a type that was added."""
        self._forms[type_id] = form

    def judge_all(self) -> None:
        """Judge all types, and leave out those that are bad."""
        types = self._types
        for type_id in range(1, types.count):
            self.form(type_id)
        for type_id in range(1, types.count):
            kind = types.kinds[type_id]
            if kind in KNOWN.functions and self.form(types.targets[type_id]) != Form.FUNCTION:
                self._draft.lose(type_id, "its type is not a function that C can declare")
            elif kind in KNOWN.variables and self.form(types.targets[type_id]) not in (
                *SIZED, Form.INCOMPLETE,
            ):  # fmt: skip
                self._draft.lose(type_id, "C can declare nothing of its type")
            elif kind in KNOWN.tags and types.kinds[types.targets[type_id]] in KNOWN.tags:
                types.targets[type_id] = 0
        for type_id in range(1, types.count):
            kind = types.kinds[type_id]
            held = kind in CHAINED or kind in KNOWN.prototypes or kind in ENUMS
            if held and self.form(type_id) == Form.BAD:
                self._draft.lose(
                    type_id, self.reasons.get(type_id, "it is made of what C can't declare")
                )

    def _judge(self, type_id: int) -> Step:
        known = self._forms.get(type_id)
        if known is not None:
            return known
        if type_id in self._open:
            self._cut_circle(type_id)
            return Form.BAD
        self._open[type_id] = None
        kind = self._types.kinds[type_id]
        self._words[type_id] = 1
        if kind in CHAINED:
            form = yield self._judge_link(type_id, kind)
        elif kind in COMPOSITE:
            form = Form.OBJECT
            if not self._types.names[type_id]:
                form = yield self._judge_parts(type_id)
        elif kind in KNOWN.prototypes:
            form = yield self._judge_proto(type_id)
        else:
            form = self._judge_end(type_id, kind)
        del self._open[type_id]
        self._forms[type_id] = form
        return form

    def _cut_circle(self, start: int) -> None:
        """Cut a circle that leads back to an open type at the last pointer on the way."""
        for type_id in reversed(self._open):
            if self._types.kinds[type_id] == Kind.PTR:
                self._cut.add(type_id)
                return
            if type_id == start:
                return

    def _judge_end(self, type_id: int, kind: int) -> Form:
        types = self._types
        if kind in KNOWN.scalars:
            return Form.OBJECT if types.sizes[type_id] else Form.INCOMPLETE
        if kind in ENUMS:
            if not types.vlens[type_id]:
                return Form.INCOMPLETE if types.names[type_id] else Form.BAD
            return Form.OBJECT if types.sizes[type_id] in ENUM_SIZES else Form.INCOMPLETE
        return Form.INCOMPLETE if kind == Kind.FWD else Form.BAD

    def _judge_link(self, type_id: int, kind: int) -> Step:
        """A type that stands before another one in a declaration."""
        types = self._types
        target = types.targets[type_id]
        form: Form = yield self._judge(target)
        words = self._words.get(target, 1) if not types.names[target] else 1
        if kind == Kind.PTR:
            if type_id in self._cut or form == Form.BAD or words > MOST_WORDS:
                types.targets[type_id], words = 0, 0
            form = Form.OBJECT
        elif kind == Kind.ARRAY:
            if form not in SIZED:
                self.reasons[type_id] = "an array of what has no size"
                form = Form.BAD
            elif types.counts[type_id] and self._sizes[target] and not self._sizes[type_id]:
                self.reasons[type_id] = "an array of more than 4 GiB"
                form = Form.BAD
            else:
                form = Form.ROW
        elif form == Form.BAD:
            self.reasons[type_id] = "it stands for what C can't declare"
        self._words[type_id] = words + 1
        return form

    def _judge_parts(self, type_id: int) -> Step:
        """A struct without a name: it is written wherever it is used."""
        words = 1
        for part in self._draft.parts[type_id]:
            yield self._judge(part.type_id)
            unnamed = not self._types.names[part.type_id]
            words += self._words.get(part.type_id, 1) if unnamed else 1
        self._words[type_id] = words
        if words > MOST_WORDS:
            self.reasons[type_id] = "too long to be written wherever it is used"
            return Form.BAD
        return Form.OBJECT

    def _judge_proto(self, type_id: int) -> Step:
        types = self._types
        result, *params = types.parts(type_id)
        form: Form = yield self._judge(result)
        sound = form in (Form.VOID, Form.OBJECT, Form.INCOMPLETE)
        words = self._words.get(result, 1)
        for at, param in enumerate(params):
            form = yield self._judge(param)
            last = at == len(params) - 1
            sound = sound and form != Form.BAD and (form != Form.VOID or (last and not param))
            words += self._words.get(param, 1) if not types.names[param] else 1
        self._words[type_id] = words
        if words > MOST_WORDS:
            self.reasons[type_id] = "too long to be written wherever it is used"
        elif not sound:
            self.reasons[type_id] = (
                "a parameter or what it returns is of a type that C has not there"
            )
        return Form.FUNCTION if sound and words <= MOST_WORDS else Form.BAD
