"""``assert_pass_contract``: what every pass must keep to, for tests of passes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from btfschema.arguments import require_choice, texts
from btfschema.errors import BrokenPassError, BtfError
from btfschema.framework.facts import json_facts
from btfschema.framework.passes import Context, Pass, PassResult
from btfschema.framework.pipeline import Pipeline
from btfschema.model.container import Btf
from btfschema.model.loading import decoded, dumps

__all__ = ["assert_pass_contract"]


# What a pass keeps unless changing it is its job.
KEPT = ("byteorder", "layout", "ext", "inline", "address_size", "kinds")
REFERENCES = "references"


def assert_pass_contract(
    pass_: Pass, btf: Btf, context: Context | None = None, *, changes: str | Iterable[str] = ()
) -> PassResult:
    """Run a pass and check what all passes promise.

    - The input, its bases and the named inputs are byte for byte what they were, also when the
      pass fails.
    - The id map has one entry for each id of the input and points into the output.
    - The output can be written and read again, over its base.
    - Types that the map relates are of one content as far as that can be asked of any pass: where
      a type and its counterpart have equally many references, those that are not dropped lead to
      the counterparts of what they led to.
    - Byte order, layout section, ``.BTF.ext``, ``.BTF.inline``, address size and schema are still
      there.
    - Its facts are data that JSON holds.
    - Running it once more gives the same.

    Args:
        pass_: the pass.
        btf: an input.
        context: what the pass needs besides.
        changes: what the pass is there to change, one or several of ``"byteorder"``,
            ``"layout"``, ``"ext"``, ``"inline"``, ``"address_size"`` and ``"kinds"``; or
            ``"references"``, for a pass that repairs them, as ``sanitise`` does where a variable
            has the type void.

    Returns:
        The result, to check what the pass itself promises.

    Raises:
        AssertionError: a promise is broken; the message says which.
        BtfError: the pass failed.
    """
    changed = texts(changes)
    ctx = Context() if context is None else context
    bystanders = [*btf.chain, *(part for given in ctx.inputs.values() for part in given.chain)]
    before = [dumps(part) for part in bystanders]
    pipeline = Pipeline(pass_)
    try:
        result = pipeline.run(btf, ctx)
    finally:
        _require(
            [dumps(part) for part in bystanders] == before,
            f'pass "{pass_.name}" changed its input, a base or a named input',
        )
    _check_facts(pass_, result)
    _check_readable(pass_, result.btf)
    _check_kept(pass_, btf, result.btf, changed)
    if REFERENCES not in changed:
        _check_references(pass_, btf, result)
    again = pipeline.run(btf, ctx)
    _require(_same(again, result), f'pass "{pass_.name}" gave different results for the same input')
    for one in (pass_.run(btf, ctx), *pass_.run_many([btf, btf], ctx)):
        _require(
            isinstance(one, PassResult) and _same(one, result),
            f'run and run_many of pass "{pass_.name}" gave different results',
        )
    return result


def _check_facts(pass_: Pass, result: PassResult) -> None:
    for name, facts in result.facts.items():
        try:
            json_facts(name, facts)
        except BrokenPassError as error:
            raise AssertionError(str(error)) from error


def _same(one: PassResult, other: PassResult) -> bool:
    return one.ids == other.ids and _blobs(one.btf) == _blobs(other.btf)


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


def _blobs(btf: Btf) -> list[bytes]:
    return [dumps(part) for part in btf.chain]


def _check_readable(pass_: Pass, btf: Btf) -> None:
    """The output, read again from its bytes, is the output."""
    base: Btf | None = None
    for blob in _blobs(btf):
        try:
            (base,) = decoded([blob], base, kinds=btf.kinds)
        except BtfError as error:
            message = f'the output of pass "{pass_.name}" can\'t be read again: {error}'
            raise AssertionError(message) from error
    _require(
        base is not None and base.equivalent(btf),
        f'the output of pass "{pass_.name}" is another one after writing and reading',
    )


def _check_kept(pass_: Pass, before: Btf, after: Btf, changes: tuple[str, ...]) -> None:
    """What is not the pass's business is as it was."""
    for change in changes:
        require_choice("change", change, (*KEPT, REFERENCES))
    for what in KEPT:
        old, new = (_kept(one, what) for one in (before, after))
        _require(
            what in changes or old == new,
            f'pass "{pass_.name}" changed {what} from {old!r} to {new!r}; if that is its job, say '
            f"so: changes=[{what!r}]",
        )


def _kept(btf: Btf, what: str) -> object:
    if what == "layout":
        return btf.image.layout
    found: object = getattr(btf, what)
    if what in ("ext", "inline"):
        return "there" if found is not None else "none"
    return found


def _check_references(pass_: Pass, before: Btf, result: PassResult) -> None:
    """References of a type and of its counterpart correspond."""
    for type_id in _own_and_moved(before, result):
        target = result.ids[type_id]
        if target is None:
            continue
        olds = before.references(type_id)
        news = result.btf.references(target)
        if len(olds) != len(news):
            continue
        for old, new in zip(olds, news, strict=True):
            expected = result.ids[old]
            _require(
                expected is None or expected == new,
                f'pass "{pass_.name}": {before.describe(type_id)} refers to '
                f"{before.describe(old)}, which went to {expected}; its counterpart "
                f"{result.btf.describe(target)} refers to {new}; if that is its job, say so: "
                f"changes=[{REFERENCES!r}]",
            )


def _own_and_moved(before: Btf, result: PassResult) -> Iterable[int]:
    """The ids to look at: a base that stayed as it was has nothing to tell."""
    if before.base is result.btf.base:
        own: list[int] = np.arange(before.first_id, before.end_id).tolist()
        return own
    alive: list[int] = np.flatnonzero(result.ids.to_array() >= 0).tolist()
    return alive
