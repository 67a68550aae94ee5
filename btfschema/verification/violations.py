"""What is wrong, where, and by which rule."""

from __future__ import annotations

from typing import Any, Literal

from attrs import frozen

from btfschema.escapes import printable

__all__ = ["Level", "Rule", "Violation"]

Level = Literal["read", "kernel"]


@frozen
class Rule:
    """One rule.

    Attributes:
        id: its name, such as ``"member.end"``.
        text: what must hold, as a sentence; it goes on after "requires that".
        source: the function that checks it.
        level: ``"read"`` when libbpf refuses what breaks it too, ``"kernel"`` when only kernels do.
        modules: whether a kernel asks it of a module's BTF too. Of a module it checks records one
            by one, and not where their references lead.
        error: the error that ``BPF_BTF_LOAD`` gives, or ``"none"`` when it goes on without a word.
        fix: what to do about it, where that is known.
        since: the first kernel that checks it; empty for one that all known kernels check.
        repair: what :func:`~btfschema.verification.sanitise` does about it; empty for nothing.
    """

    id: str
    text: str
    source: str
    level: Level = "kernel"
    modules: bool = True
    error: str = "EINVAL"
    fix: str = ""
    since: str = ""
    repair: str = ""


@frozen
class Violation:
    """A place that breaks a rule; ``str`` makes a sentence of it.

    Attributes:
        rule: the rule.
        got: what was found.
        expected: what would have been right, in words.
        type_id: the type, or None for what is wrong outside of the types.
        kind: its kind's name.
        name: its name; empty for none.
        member: which of its members, values, parameters or variables, from 0, or None.
        part: what one of these is called, such as ``"member"``; or the place outside of the types.
        member_name: that member's name; empty for none.
        offset: the byte at which the wrong value stands, from the start of the BTF.
        fix: what to do about it; empty when nothing is known.
    """

    rule: Rule
    got: Any
    expected: str
    type_id: int | None = None
    kind: str = ""
    name: str = ""
    member: int | None = None
    part: str = ""
    member_name: str = ""
    offset: int | None = None
    fix: str = ""

    @property
    def where(self) -> str:
        """The place in words."""
        words = []
        if self.type_id is not None:
            name = f' "{printable(self.name)}"' if self.name else ""
            words.append(f"type {self.type_id} ({self.kind}{name})")
        elif self.part and self.member is None:
            words.append(self.part)
        if self.member is not None:
            name = f' "{printable(self.member_name)}"' if self.member_name else ""
            words.append(f"{self.part} {self.member}{name}")
        if self.offset is not None:
            at = f"at byte {self.offset}"
            words.append(at if words else f"the BTF {at}")
        return " ".join(words)

    def __str__(self) -> str:
        hint = f"; {self.fix}" if self.fix else ""
        return (
            f"{self.where or 'the BTF'} breaks {self.rule.id}, which requires that "
            f"{self.rule.text}: found {printable(str(self.got))}, "
            f"expected {printable(self.expected)}{hint}"
        )

    def as_dict(self) -> dict[str, Any]:
        """The violation as data that JSON can hold."""
        return {
            "rule": self.rule.id,
            "type_id": self.type_id,
            "kind": self.kind,
            "name": self.name,
            "member": self.member,
            "member_name": self.member_name,
            "offset": self.offset,
            "got": self.got,
            "expected": self.expected,
            "source": self.rule.source,
            "fix": self.fix,
            "message": str(self),
        }
