"""``Pipeline``: passes one after another, and what is checked around each of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from attrs import evolve, field, frozen

from btfschema.arguments import require_choice, require_type, several
from btfschema.errors import (
    BrokenPassError,
    BtfError,
    DecodeError,
    RegistryError,
    SpecError,
    VerifyError,
)
from btfschema.framework.grammar import parse_stages, point_at
from btfschema.framework.needs import check_needs
from btfschema.framework.noting import Noting, blamed, label, of_container, where
from btfschema.framework.observers import Observer, Stage
from btfschema.framework.options import build_pass, options_of
from btfschema.framework.passes import Context, Pass, PassResult
from btfschema.framework.registry import load_pass
from btfschema.model.container import Btf, require_btf
from btfschema.model.integrity import check_references

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from btfschema.framework.files import Done, Failed, Outcome
    from btfschema.sources import StrPath

__all__ = ["Pipeline", "Verify"]

Verify = Callable[[Btf], Iterable[object]]
"""Returns the violations that a container has; none when it is sound."""

VerifyLevel = Literal["read", "kernel"]


@frozen(init=False)
class Pipeline(Pass):
    """Passes run one after another; itself a pass.

    Whether every pass has what it needs is checked before the first one runs. After each pass the
    pipeline checks that its input is as it was and that the id map fits, and, when asked,
    that the output is sound. The id maps are composed: ``result.ids`` traces every id from the
    first input to the last output.

    A pipeline among the passes is taken apart: its passes run in its place, under the
    verification and the observers of the outer one.

    Args:
        passes: in order, one by one or as a list.
        verify: called with the input and with every pass's output; returns violations. A level of
            :func:`btfschema.verify` stands for that with its defaults.
        observers: told before and after each pass.

    Example:
        >>> Pipeline.parse("")
        Pipeline(passes=())
    """

    name: ClassVar[str] = "pipeline"

    passes: tuple[Pass, ...]
    verify: Verify | None = field(eq=False, repr=False)
    observers: tuple[Observer, ...] = field(eq=False, repr=False)

    def __init__(
        self,
        *passes: Pass | Iterable[Pass],
        verify: Verify | VerifyLevel | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        flat: list[Pass] = []
        for one in passes:
            for pass_ in [one] if isinstance(one, Pass | str | type) else one:
                _require_pass(pass_)
                flat += pass_.passes if isinstance(pass_, Pipeline) else [pass_]
        object.__setattr__(self, "passes", tuple(flat))
        chosen = verify if verify is None or callable(verify) else _at_level(verify)
        object.__setattr__(self, "verify", chosen)
        object.__setattr__(self, "observers", tuple(observers))

    @classmethod
    def parse(
        cls,
        text: str,
        *,
        extra: type[Pass] | Iterable[type[Pass]] = (),
        verify: Verify | VerifyLevel | None = None,
        observers: Iterable[Observer] = (),
    ) -> Pipeline:
        """The pipeline that a text describes; ``str(pipeline)`` gives such a text.

        The grammar is in :mod:`btfschema.framework.grammar`: ``name{key=1,2 flag},name``.

        Args:
            text: the text.
            extra: pass classes that no installed distribution brings, or one; ``module:Class`` in
                the text names one that can be imported.
            verify: as for the class.
            observers: as for the class.

        Raises:
            SpecError: the text is malformed, or an option is unknown or wrong.
            RegistryError: a pass is unknown or can't be loaded.
            TypeError: something in ``extra`` is no class of a pass.
        """
        classes = _by_name(extra)
        passes = []
        for stage in parse_stages(text):
            name = stage.name
            try:
                found = classes.get(name.text) or _pass_called(name.text, classes)
                options_of(found)
            except RegistryError as error:
                pointed = point_at(text, name.start, name.end, str(error))
                worded = RegistryError(
                    pointed, offset=name.start, got=error.got, expected=error.expected
                )
                worded.pipeline = text
                raise worded from error
            passes.append(build_pass(found, stage, text))
        return cls(*passes, verify=verify, observers=observers)

    def __str__(self) -> str:
        """The text that :meth:`parse` reads."""
        return ",".join(map(str, self.passes))

    def run(self, btf: Btf, ctx: Context | None = None) -> PassResult:
        """Run all passes.

        Returns:
            The last output, the composed id map, all diagnostics, and the passes' facts by pass
            name (``name#number`` for a pass that runs more than once).

        Raises:
            RequirementError: a pass lacks what it needs; none has run then.
            DecodeError: the input's references lead nowhere (it was read with ``check=False``).
            BrokenPassError: a pass changed its input or its id map is wrong.
            VerifyError: the input or a pass's output has violations.
            BtfError: what a pass raised, with ``pass_name``, ``stage`` and ``pipeline``.
            TypeError: ``btf`` or ``ctx`` is something else.
        """
        require_btf("the input", btf)
        (result,) = self.run_many([btf], ctx)
        if isinstance(result, BtfError):
            raise result
        return result

    def run_many(
        self, btfs: Btf | Iterable[Btf], ctx: Context | None = None
    ) -> list[PassResult | BtfError]:
        """Run all passes on many containers, or one, at less cost for each.

        Observers see one container at a time, so that with any the containers are done one by one.

        Returns:
            For each container what :meth:`run` returns, or the BtfError that it raises.

        Raises:
            Exception: a pass, the verifier or an observer raised something else, which is no fault
                of a container. A note says with which one, unless the pass works on all at once.
            TypeError: one of ``btfs``, or ``ctx``, is something else.
        """
        btfs = several(btfs, Btf)
        for btf in btfs:
            require_btf("the input", btf)
        ctx = Context() if ctx is None else ctx
        require_type("ctx", ctx, Context, "a Context: Context(inputs={name: btf})")
        if self.observers and len(btfs) > 1:
            return [self._alone(btfs, number, ctx) for number in range(len(btfs))]
        text = str(self)
        stages = [Stage(number, pass_, text) for number, pass_ in enumerate(self.passes, 1)]
        totals = self._admitted(stages, btfs, ctx)
        names = [stage.name for stage in stages]
        for stage in stages:
            key = stage.name if names.count(stage.name) == 1 else f"{stage.name}#{stage.number}"
            live = {n: total for n, total in enumerate(totals) if isinstance(total, PassResult)}
            if not live:
                break
            outcomes = self._run_stage(stage, [total.btf for total in live.values()], ctx)
            for (number, total), outcome in zip(live.items(), outcomes, strict=True):
                totals[number] = _continued(total, outcome, stage.name, key)
        return totals

    def _alone(self, btfs: Sequence[Btf], number: int, ctx: Context) -> PassResult | BtfError:
        """One of the containers, by itself."""
        with Noting(partial(of_container, btfs, number)):
            return self.run_many([btfs[number]], ctx)[0]

    def _admitted(
        self, stages: Sequence[Stage], btfs: Sequence[Btf], ctx: Context
    ) -> list[PassResult | BtfError]:
        """The inputs as they are, but for those that the passes can't work on."""
        found: list[PassResult | BtfError] = []
        for number, (btf, damage) in enumerate(zip(btfs, _damages(btfs), strict=True)):
            try:
                with Noting(partial(of_container, btfs, number), (BtfError,)):
                    check_needs(stages, btf, ctx)
                    if damage is not None:
                        raise damage
                    self._verify(btf, None)
                found.append(PassResult.unchanged(btf))
            except BtfError as error:
                found.append(error)
        return found

    def map(
        self,
        sources: StrPath | Iterable[StrPath],
        executor: Executor | None = None,
        progress: Callable[[Outcome[StrPath, PassResult]], object] | None = None,
        *,
        base: Btf | StrPath | None = None,
        inputs: Mapping[str, Btf | StrPath] | None = None,
    ) -> Iterator[Done[StrPath, PassResult] | Failed[StrPath]]:
        """Run the pipeline on many files, and go on after failures.

        Outcomes come in the order of the files, as they are ready, and are the same whatever the
        executor. A bounded number of files is worked on at a time.

        Args:
            sources: files that :func:`btfschema.load` takes, or one.
            executor: any ``concurrent.futures.Executor``; None works here, in one thread. For
                other processes the pipeline must be picklable, its verifier and observers too.
                Other machines must find the files under the same paths. Observers in other
                processes are copies, new ones every few files: what they keep is lost with them.
                ``Timing`` and ``DumpAfter`` refuse to be sent there.
            progress: called with each outcome.
            base: what the files are split over, or the file with that; each process reads it once.
            inputs: the other containers that passes ask for, or their files.

        Returns:
            For each file an outcome with ``source`` and either ``result`` or ``error``.

        Raises:
            OSError: the base or an input can't be read.
            BtfError: so does this; or a worker process ended.
            RequirementError: an observer can't be sent to other processes.
            Exception: a pass, the verifier or an observer raised something else, which is no fault
                of a file. The outcomes of the files before come first, and a note names the file.
        """
        from btfschema.framework.files import map_pipeline

        return map_pipeline(self, sources, executor, progress, base, inputs or {})

    def _run_stage(
        self, stage: Stage, btfs: Sequence[Btf], ctx: Context
    ) -> list[PassResult | BtfError]:
        for observer, btf in product(self.observers, btfs):
            observer.before(stage, btf)
        with _Watch(stage, btfs) as watch:
            outcomes = stage.pass_.run_many(btfs, ctx)
            # A pass of somebody else's may return anything.
            if not isinstance(outcomes, Sequence) or len(outcomes) != len(btfs):
                is_list = isinstance(outcomes, Sequence)
                given = f"{len(outcomes)} results" if is_list else repr(outcomes)
                raise BrokenPassError(
                    f"{stage} returned {given} for {len(btfs)} containers",
                    got=given,
                    expected=f"{len(btfs)} results",
                )
        news = [
            one.btf if isinstance(one, PassResult) else btf
            for one, btf in zip(outcomes, btfs, strict=True)
        ]
        found: list[PassResult | BtfError] = []
        for number, (outcome, damage) in enumerate(zip(outcomes, _damages(news), strict=True)):
            notes = partial(_notes, stage, btfs, number)
            try:
                with Noting(notes, (BtfError,)):
                    result = watch.checked(number, outcome, damage)
                    self._verify(result.btf, stage)
                    for observer in self.observers:
                        observer.after(stage, btfs[number], result)
                found.append(result)
            except BtfError as error:
                found.append(blamed(error, stage))
        return found

    def _verify(self, btf: Btf, stage: Stage | None) -> None:
        """Raise what the verifier finds wrong; ``stage`` is None for the pipeline's input."""
        if self.verify is None:
            return
        violations = list(self.verify(btf))
        if not violations:
            return
        whose = "the input of the pipeline" if stage is None else f"the output of {stage}"
        more = f" and {len(violations) - 1} more" if len(violations) > 1 else ""
        error = VerifyError(f"{whose} is not sound: {violations[0]}{more}", got=violations)
        label(error, stage)
        raise error


def _at_level(level: VerifyLevel) -> Verify:
    """What verifies at a level."""
    require_choice("level", level, VerifyLevel)
    from btfschema.verification import verify

    return partial(verify, level=level)


def _notes(stage: Stage, btfs: Sequence[Btf], number: int) -> list[str]:
    return [*of_container(btfs, number), where(stage)]


def _continued(
    total: PassResult, outcome: PassResult | BtfError, name: str, key: str
) -> PassResult | BtfError:
    """What all stages so far and one more give; ``key`` is what its facts go under."""
    if isinstance(outcome, BtfError):
        return outcome
    said = [evolve(one, pass_name=one.pass_name or name) for one in outcome.diagnostics]
    return PassResult(
        outcome.btf,
        total.ids.then(outcome.ids),
        {**total.facts, key: dict(outcome.facts)},
        (*total.diagnostics, *said),
    )


def _damages(btfs: Sequence[Btf]) -> list[DecodeError | None]:
    """For each container, what is wrong with its references."""
    try:
        check_references(*btfs)
    except DecodeError:
        return list(map(_damage, btfs))
    return [None] * len(btfs)


def _damage(btf: Btf) -> DecodeError | None:
    try:
        check_references(btf)
    except DecodeError as error:
        return error
    return None


def _fingerprint(btf: Btf) -> tuple[object, ...]:
    """Changes when a pass writes to a container's own records, whatever it did to be able to.

    Columns are read-only, so that an honest mistake raises where it is made; the bases, which are
    large and shared, rest on that alone.
    """
    image = btf.image
    words, starts = image.types.words, image.types.starts
    return id(image), id(btf.base), zlib.crc32(words.data), zlib.crc32(starts.data)


class _Watch:
    """Around one pass: says which pass an error comes from, and whether an input was changed."""

    def __init__(self, stage: Stage, btfs: Sequence[Btf]) -> None:
        self.stage = stage
        self.btfs = btfs
        self.before = list(map(_fingerprint, btfs))

    def __enter__(self) -> _Watch:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            return
        if isinstance(error, BtfError):
            label(error, self.stage)
        error.add_note(where(self.stage))
        for number in range(len(self.btfs)):
            self._check_input(number, error)

    def _check_input(self, number: int, cause: BaseException | None) -> None:
        if _fingerprint(self.btfs[number]) != self.before[number]:
            broken = BrokenPassError(
                f'pass "{self.stage.name}" changed its input ({where(self.stage)})'
            )
            label(broken, self.stage)
            raise broken from cause

    def checked(
        self, number: int, outcome: PassResult | BtfError, damage: DecodeError | None
    ) -> PassResult:
        """What the pass gave for one container.

        Raises:
            BrokenPassError: it changed its input, or gave something else than it should.
            BtfError: what it gave instead of a result.
        """
        self._check_input(number, outcome if isinstance(outcome, BtfError) else None)
        if isinstance(outcome, BtfError):
            raise outcome
        if not isinstance(outcome, PassResult):
            raise BrokenPassError(
                f"the pass returned {outcome!r}, expected a PassResult",
                got=outcome,
                expected="PassResult",
            )
        outcome.ids.check(self.btfs[number].end_id, outcome.btf.end_id)
        if damage is not None:
            message = f"the output is damaged: {damage}"
            raise BrokenPassError(message, got=damage.got) from damage
        return outcome


def _require_pass(value: object) -> None:
    """Refuse what is not a pass, and say what was probably meant.

    Raises:
        SpecError: it is none.
    """
    if isinstance(value, Pass):
        return
    if isinstance(value, str):
        hint = f"Pipeline.parse({value!r}) reads the text of a pipeline"
    elif isinstance(value, type) and issubclass(value, Pass):
        hint = f"{value.__name__}() makes a pass of the class"
    else:
        hint = "a pass is an instance of a subclass of btfschema.Pass"
    raise SpecError(f"{value!r} is not a pass: {hint}", got=value, expected="a Pass")


def _by_name(extra: type[Pass] | Iterable[type[Pass]]) -> dict[str, type[Pass]]:
    """The classes of passes by the passes' names.

    Raises:
        TypeError: something among them is no class of a pass.
    """
    classes: list[Any] = several(extra, type, Pass)
    for found in classes:
        if not (isinstance(found, type) and issubclass(found, Pass)):
            message = f"{found!r} among the extra passes is not the class of a pass"
            raise TypeError(message)
    return {found.name: found for found in classes}


def _pass_called(name: str, extra: Iterable[str]) -> type[Pass]:
    """The pass of this name, or the one at ``module:Class``; errors name ``extra`` passes too."""
    if ":" not in name:
        return load_pass(name, extra)
    from btfschema.framework.loose import pass_at

    return pass_at(name)
