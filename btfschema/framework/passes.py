"""What a pass is: ``Pass``, ``Analysis``, the ``Context`` they run in and the ``PassResult``.

A pass is a frozen attrs class whose fields are its options. It takes a container and returns
another; it never changes its input, also when it fails.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from attrs import field, frozen
from attrs.validators import optional

from btfschema.arguments import one_of, require_type, texts
from btfschema.errors import BtfError, RequirementError, either_way
from btfschema.framework.noting import Noting, of_container
from btfschema.framework.options import format_pass
from btfschema.mappings import ReadOnly
from btfschema.model.container import Btf, require_btf
from btfschema.model.memo import remembered
from btfschema.model.rewriting import rewritten
from btfschema.model.selection import select
from btfschema.model.standing import BaseState, base_state
from btfschema.tables.ids import IdMap
from btfschema.tables.types import TypeTable

if TYPE_CHECKING:
    from btfschema.model.views import TypeView

__all__ = [
    "Analysis",
    "BaseState",
    "Context",
    "Diagnostic",
    "Needs",
    "Pass",
    "PassResult",
    "base_state",
]

T = TypeVar("T")


def _read_only(mapping: Mapping[str, Any]) -> Mapping[str, Any]:
    require_type("what is given by name", mapping, Mapping, "a mapping such as {name: btf}")
    return ReadOnly(mapping)


@frozen
class Needs:
    """What a pass must be given besides a container; checked before any work starts.

    Attributes:
        base: ``"any"`` when the container must be split BTF, ``"distilled"`` when its base must be
            a distilled one, None when the pass takes stand-alone BTF too.
        inputs: names of the other containers that it asks its :class:`Context` for.
    """

    base: Literal["any", "distilled"] | None = field(
        default=None, validator=optional(one_of(("any", "distilled")))
    )
    inputs: tuple[str, ...] = field(default=(), converter=texts)

    def __str__(self) -> str:
        bases = {"any": ["a base"], "distilled": ["a distilled base"], None: []}[self.base]
        return ", ".join([*bases, *(f'the input "{name}"' for name in self.inputs)])


@frozen
class Diagnostic:
    """Something that a pass has to say although it succeeded.

    Attributes:
        message: the sentence.
        severity: ``"note"`` or ``"warning"``.
        type_id: the type of the pass's input that it is about, or None.
        pass_name: who says it; a pipeline fills it in.
    """

    message: str
    severity: Literal["note", "warning"] = field(
        default="warning", validator=one_of(("note", "warning"))
    )
    type_id: int | None = None
    pass_name: str | None = None

    def __str__(self) -> str:
        who = f"{self.pass_name}: " if self.pass_name else ""
        return f"{who}{self.severity}: {self.message}"


@frozen
class PassResult:
    """What a pass gives back.

    Attributes:
        btf: the new container; the input itself when nothing changed.
        ids: where each type of the input went, those of its bases and void included.
        facts: what the pass found out, as data that JSON can hold.
        diagnostics: notes and warnings.
    """

    btf: Btf
    ids: IdMap
    facts: Mapping[str, Any] = field(factory=dict, converter=_read_only)
    diagnostics: tuple[Diagnostic, ...] = ()

    @classmethod
    def unchanged(
        cls,
        btf: Btf,
        *,
        facts: Mapping[str, Any] | None = None,
        diagnostics: tuple[Diagnostic, ...] = (),
    ) -> PassResult:
        """The input as it is."""
        return cls(btf, IdMap.identity(btf.end_id), facts or {}, diagnostics)

    @classmethod
    def select(
        cls,
        btf: Btf,
        live: npt.NDArray[np.bool_],
        *,
        facts: Mapping[str, Any] | None = None,
        diagnostics: tuple[Diagnostic, ...] = (),
    ) -> PassResult:
        """Only some of the container's own types, renumbered; its bases stay as they are.

        Args:
            btf: the input.
            live: one entry for each of the container's own types: whether it stays.
            facts: as in the result.
            diagnostics: as in the result.

        Raises:
            PassError: a type that stays refers to one that does not, or its references are unknown
                because only a layout section describes its kind.
        """
        return cls(*select(btf, live), facts or {}, diagnostics)

    @classmethod
    def rewritten(
        cls,
        btf: Btf,
        *,
        names: Mapping[int, str] | None = None,
        records: TypeTable | None = None,
        facts: Mapping[str, Any] | None = None,
        diagnostics: tuple[Diagnostic, ...] = (),
    ) -> PassResult:
        """Other names for some types, or other records for all, at once; ids stay.

        Strings that nothing uses any more go. Byte order, layout section, address size,
        ``.BTF.ext`` and ``.BTF.inline`` stay.

        Args:
            btf: the input.
            names: the new names, by type id.
            records: one record for each of the container's own types, such as what
                ``btf.types.rewritten`` and ``btf.types.without_elements`` return.
            facts: as in the result.
            diagnostics: as in the result.

        Raises:
            BrokenPassError: there are more or fewer records than types.
            TypeIdError: a name is for no type of the container's own, or a record refers to none.
            EncodeError: a name holds a NUL.
            PassError: ``.BTF.inline`` holds a kind that the schema does not declare.
        """
        result = rewritten(btf, names, records)
        return cls(result, IdMap.identity(btf.end_id), facts or {}, diagnostics)

    @classmethod
    def replaced(
        cls,
        btf: Btf,
        views: Mapping[int, TypeView],
        *,
        facts: Mapping[str, Any] | None = None,
        diagnostics: tuple[Diagnostic, ...] = (),
    ) -> PassResult:
        """Some types replaced by others, as :meth:`btfschema.Btf.replaced` does; ids stay.

        Args:
            btf: the input.
            views: by the id of the type that each takes the place of.
            facts: as in the result.
            diagnostics: as in the result.

        Raises:
            TypeIdError: an id is not one of the container's own, or a view refers to none.
            EncodeError: a value does not fit its field.
        """
        from btfschema.model.changing import replaced

        return cls(*replaced(btf, views), facts or {}, diagnostics)


def giving(name: str) -> str:
    """How to give passes an input, for error messages."""
    return either_way(
        python=f'pass Context(inputs={{"{name}": btf}})', shell=f"give --input {name}=FILE"
    )


@frozen
class Context:
    """What a pass may use besides its input and its options.

    Attributes:
        inputs: other containers, by the names under which passes ask for them.

    Raises:
        TypeError: an input is something else, such as a path.
    """

    inputs: Mapping[str, Btf] = field(factory=dict, converter=_read_only)

    def __attrs_post_init__(self) -> None:
        for name, btf in self.inputs.items():
            require_btf(f"the input {name!r}", btf)

    def input(self, name: str) -> Btf:
        """The container that was given under this name.

        Raises:
            RequirementError: there is none. A pass that declares the name in its ``needs`` never
                gets here without it.
        """
        if name not in self.inputs:
            given = ", ".join(f'"{known}"' for known in sorted(self.inputs)) or "none"
            raise RequirementError(
                f'no input "{name}" was given (given: {given}): {giving(name)}',
                got=sorted(self.inputs),
                expected=name,
            )
        return self.inputs[name]

    def get(self, analysis: type[Analysis[T]] | Analysis[T], btf: Btf) -> T:
        """The result of an analysis of ``btf``, computed once for each container.

        Args:
            analysis: the class, for its default options, or an instance.
            btf: what to analyse: a pass's input, a base, a named input.
        """
        return (analysis() if isinstance(analysis, type) else analysis).of(btf)


@frozen
class Pass(ABC):
    """Base of all passes.

    A subclass is decorated with ``attrs.frozen``; its fields are its options, each with a default
    unless it must be given. The work is best a plain function, and :meth:`run` a thin shell
    over it.

    Attributes:
        name: what pipelines call it: lower case, words joined by hyphens.
        needs: what it must be given.
        provides: what the result stands on, or None when that is what the input stood on.
    """

    name: ClassVar[str]
    needs: ClassVar[Needs] = Needs()
    provides: ClassVar[BaseState | None] = None

    def __str__(self) -> str:
        """The pass as the text of a pipeline has it."""
        return format_pass(self)

    @abstractmethod
    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """Do the work.

        Args:
            btf: the input, which must not be changed.
            ctx: named inputs and analyses.

        Raises:
            PassError: the work can't be done.
        """

    def run_many(self, btfs: Sequence[Btf], ctx: Context) -> list[PassResult | BtfError]:
        """Do the work on many containers.

        A pass that is quicker on many at once overrides this; it gives what :meth:`run` gives.

        Returns:
            For each container its result, or the BtfError that :meth:`run` raises.

        Raises:
            Exception: :meth:`run` raised something else, which is a fault of the pass and not of a
                container. A note says with which container.
        """
        found: list[PassResult | BtfError] = []
        for number, btf in enumerate(btfs):
            try:
                with Noting(partial(of_container, btfs, number), (BtfError,)):
                    found.append(self.run(btf, ctx))
            except BtfError as error:
                found.append(error)
        return found


@frozen
class Analysis(Pass, Generic[T]):
    """A pass that finds something out and changes nothing.

    Its result depends on the container and the options only, so it is kept with the container:
    whoever asks next, in whatever pipeline, gets it at once.
    """

    @abstractmethod
    def compute(self, btf: Btf) -> T:
        """Find it out; called once for each container."""

    def of(self, btf: Btf) -> T:
        """The result for ``btf``."""
        return remembered(btf, self, self.compute)

    def facts(self, result: T) -> Mapping[str, Any]:
        """The result as data that JSON can hold, for whoever runs the analysis by name."""
        return {"result": result}

    def run(self, btf: Btf, ctx: Context) -> PassResult:
        """The input as it is, with the result as facts."""
        return PassResult.unchanged(btf, facts=self.facts(self.of(btf)))
