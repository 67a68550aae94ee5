"""Every error that btfschema raises on purpose.

An error says what failed, where, what was found and what was expected. The parts are
attributes, so that a program can act on them without reading the sentence. Each class also
inherits the closest builtin (``ValueError``, ``LookupError``), so that code which knows nothing
of btfschema can still catch it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from btfschema._doors import shown

__all__ = [
    "AmbiguousNameError",
    "BrokenPassError",
    "BtfError",
    "CoreError",
    "DecodeError",
    "EncodeError",
    "Failure",
    "MatchError",
    "MissingBaseError",
    "NoBtfError",
    "NoMemberError",
    "PassError",
    "RegistryError",
    "RequirementError",
    "SourceError",
    "SpecError",
    "TypeIdError",
    "UnknownNameError",
    "UnresolvedError",
    "VerifyError",
    "WrongBaseWarning",
    "WrongKeyError",
    "attempt",
    "counted",
]

__dir__ = shown(__all__)

Result = TypeVar("Result")

if TYPE_CHECKING:
    from typing import Protocol

    class Unmatched(Protocol):
        """What is known of a type that has no match."""

        @property
        def id(self) -> int: ...
        @property
        def kind(self) -> str: ...
        @property
        def name(self) -> str: ...
        @property
        def reason(self) -> str: ...
        def as_dict(self) -> dict[str, Any]: ...


def either_way(*, python: str, shell: str) -> str:
    """What to do about an error, in a message that both Python and the command line show."""
    return f"in Python, {python}; on the command line, {shell}"


def for_shell(message: str) -> str:
    """A message, which says only what to do on the command line: see :func:`either_way`."""
    before, in_python, rest = message.partition("in Python, ")
    _, on_command_line, shell = rest.partition("; on the command line, ")
    return f"{before}{for_shell(shell)}" if in_python and on_command_line else message


def counted(number: int, what: str, sign: str = "") -> str:
    """A number and what it counts, as messages have it: "1 byte", "2,048 bytes", "+1 byte".

    Args:
        number: how many.
        what: one of them.
        sign: ``"+"`` for differences.
    """
    return f"{number:{sign},} {what}{'s' * (abs(number) != 1)}"


class WrongBaseWarning(UserWarning):
    """Split BTF was probably built over another base than the one that it is read over."""


class BtfError(Exception):
    """Base of all errors of this package.

    Attributes:
        type_id: the type that is wrong, or None.
        offset: where, in bytes from the start of the input, or None.
        got: the value that was found, or None.
        expected: what would have been right, in words, or None.
        pass_name: the pass that raised it, when it ran in a pipeline, or None.
        stage: that pass's place in the pipeline, from 1, or None.
        pipeline: the pipeline's text, or None.
    """

    pass_name: str | None = None
    stage: int | None = None
    pipeline: str | None = None

    def __init__(
        self,
        message: str,
        *,
        type_id: int | None = None,
        offset: int | None = None,
        got: object = None,
        expected: str | None = None,
    ) -> None:
        super().__init__(message)
        self.type_id = type_id
        self.offset = offset
        self.got = got
        self.expected = expected


class DecodeError(BtfError, ValueError):
    """The input is not BTF, or is damaged."""


class MissingBaseError(DecodeError):
    """The input is split BTF, and the base that it was built over was not given."""


class SourceError(BtfError, ValueError):
    """A file can't be taken as a source of BTF: its container format is damaged or unsupported."""


class NoBtfError(SourceError):
    """The file is well-formed and holds no BTF."""


class EncodeError(BtfError, ValueError):
    """A value does not fit the format."""


class TypeIdError(BtfError, IndexError):
    """No type has this id."""


class WrongKeyError(BtfError, TypeError):
    """A container is given a key that it does not take.

    ``btf[key]`` takes ids, names and slices of ids, ``key in btf`` ids, names and views; a view
    that stands for a type must be one of the container or its bases.
    """


class UnknownNameError(BtfError, LookupError):
    """No type, or no enumerator, has this name."""


class NoMemberError(UnknownNameError, AttributeError):
    """A type or a value has no member of this name, or a path is malformed."""


class AmbiguousNameError(BtfError, LookupError):
    """Several types have this name; ``got`` holds their ids."""


class UnresolvedError(BtfError, LookupError):
    """A reference can't be followed: the view belongs to no container, or the type has no size."""


class VerifyError(BtfError):
    """BTF that reads, and that a kernel would refuse."""


class PassError(BtfError):
    """A pass could not do its work."""


class RequirementError(PassError):
    """A pass lacks something that it declared: a base, a named input, an analysis."""


class MatchError(PassError):
    """Types have no match in another container.

    Attributes:
        mismatches: what is known of each, one object a type, with its ``id``, ``kind`` and
            ``name``, the ``reason`` in a word, and ``as_dict()`` as JSON-able data.
    """

    def __init__(
        self, message: str, *, mismatches: tuple[Unmatched, ...] = (), **parts: Any
    ) -> None:
        super().__init__(message, **parts)
        self.mismatches = mismatches


class CoreError(BtfError):
    """A CO-RE relocation can't be resolved: libbpf would refuse the program."""


class BrokenPassError(PassError):
    """A pass broke the pass contract: it changed its input, or its id map is wrong."""


class SpecError(BtfError, ValueError):
    """The text of a pipeline can't be understood."""


class RegistryError(BtfError, LookupError):
    """No pass has this name, two have it, or the package that brings it does not load."""


Failure = BtfError | OSError
"""What work on one of many files fails with, while the others go on."""


def attempt(work: Callable[..., Result], *arguments: Any) -> Result | Failure:
    """What ``work`` returns, or the failure that it raises."""
    try:
        return work(*arguments)
    except (BtfError, OSError) as error:
        return error
