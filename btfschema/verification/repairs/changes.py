"""What a repair did, and the state that all repairs of one container share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from attrs import define, field, frozen

from btfschema.escapes import printable
from btfschema.model.draft import Draft
from btfschema.model.views import Int, TypeView, Var
from btfschema.verification.kernels import Kernel
from btfschema.verification.violations import Violation

__all__ = ["Change", "Repairs"]

# Of a name that is cut, the end that keeps it apart from others with the same start.
DIGEST = 9
# As libbpf calls it.
PLACEHOLDER = "enum64_placeholder"


@frozen
class Change:
    """One change that a repair made.

    Attributes:
        type_id: the type's id in the input; None for what is outside of the types.
        kind: the type's kind before, by name.
        name: its name before; empty for none.
        rule: the rule that it broke, or the name of what libbpf does when it opens an object.
        what: what was done, in words.
        lost: what the result does not say any more; empty when nothing is lost.
    """

    type_id: int | None
    kind: str
    name: str
    rule: str
    what: str
    lost: str = ""

    def __str__(self) -> str:
        where = "the BTF"
        if self.type_id is not None:
            name = f' "{self.name}"' if self.name else ""
            where = f"type {self.type_id} ({self.kind}{name})"
        lost = f"; lost: {self.lost}" if self.lost else ""
        return printable(f"{where}: {self.what} ({self.rule}){lost}")

    def as_dict(self) -> dict[str, Any]:
        """The change as data that JSON can hold."""
        return {
            "type_id": self.type_id,
            "kind": self.kind,
            "name": self.name,
            "rule": self.rule,
            "what": self.what,
            "lost": self.lost,
            "message": str(self),
        }


@define
class Repairs:
    """The repairs of one round: a draft, and what was done to it.

    Attributes:
        draft: what is changed.
        kernel: what the result must suit.
        changes: what was done so far.
        names: a stand-in for each name that no identifier may be.
        placeholder: the one-byte integer that stands for types which are not said, once there.
        group: all violations of the rule that is being repaired, in one type.
    """

    draft: Draft
    kernel: Kernel
    changes: list[Change] = field(factory=list)
    names: dict[str, str] = field(factory=dict)
    placeholder: int | None = None
    group: Sequence[Violation] = ()

    def say(self, violation: Violation, what: str, lost: str = "") -> None:
        """Note what was done about a violation."""
        where = (violation.type_id, violation.kind, violation.name)
        self.changes.append(Change(*where, violation.rule.id, what, lost))

    def put(self, violation: Violation, view: TypeView, what: str, lost: str = "") -> None:
        """Replace the type of a violation, and note it."""
        self.replace(violation, view)
        self.say(violation, what, lost)

    def replace(self, violation: Violation, view: TypeView) -> None:
        """Replace the type of a violation."""
        if violation.type_id is not None:
            self.draft[violation.type_id] = view

    def byte(self) -> int:
        """An integer of one byte that stands for a type which is not said; added at first use."""
        if self.placeholder is None:
            self.placeholder = self.draft.add(Int(PLACEHOLDER, 1))
        return self.placeholder

    def target_of(self, type_id: int) -> int:
        """What a variable's type is, of which the id is given; of another type that type itself."""
        view = self.draft[type_id]
        return view.type_id if isinstance(view, Var) else type_id

    def identifier(self, text: str) -> str:
        """A name that the kernel takes, the same for the same text and its own for each other.

        Every character that no identifier may hold becomes ``_``: ``MaybeUninit<u8>`` is
        ``MaybeUninit_u8_`` then.
        """
        if text in self.names:
            return self.names[text]
        dots = "." if self.kernel.dotted_names else ""
        name = "".join(c if _takes(c, dots) else "_" for c in text)
        if not name or name[0].isdigit():
            name = f"_{name}"
        longest = self.kernel.name_length - 1
        if len(name) > longest:
            digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
            name = f"{name[: longest - DIGEST]}_{digest[: DIGEST - 1]}"
        taken = {*self.names.values()}
        stem, number = name, 2
        while name != text and (name in taken or name in self.draft.btf.strings):
            name = f"{stem}_{number}"
            number += 1
        self.names[text] = name
        return name


def _takes(character: str, dots: str) -> bool:
    return character.isascii() and (character.isalnum() or character in "_" + dots)
