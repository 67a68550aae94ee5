"""Whether passes will have what they declare to need."""

from __future__ import annotations

from collections.abc import Iterable

from btfschema.errors import RequirementError, either_way
from btfschema.framework.noting import label
from btfschema.framework.observers import Stage
from btfschema.framework.passes import Context, giving
from btfschema.model.container import Btf
from btfschema.model.standing import BaseState, base_state

__all__ = ["check_needs"]

NO_BASE = (
    "a base, and the input stands alone",
    either_way(python="pass base to load or loads", shell="give -B FILE"),
)
NO_DISTILLED_BASE = (
    "a distilled base, and the input is over {state}",
    'put "distill" before it, or read the module with its .BTF.base as base',
)
STATES: dict[BaseState, str] = {
    "none": "no base",
    "full": "a full base",
    "distilled": "a distilled base",
}


def check_needs(stages: Iterable[Stage], btf: Btf, ctx: Context) -> None:
    """Whether every pass will have what it declares to need, given what those before it provide.

    Raises:
        RequirementError: one will not.
    """
    state = base_state(btf)
    for stage in stages:
        needs, missing = stage.pass_.needs, None
        if needs.base is not None and state == "none":
            missing = NO_BASE
        elif needs.base == "distilled" and state != "distilled":
            missing = NO_DISTILLED_BASE
        for name in needs.inputs:
            if missing is None and name not in ctx.inputs:
                missing = (f'the input "{name}", which was not given', giving(name))
        if missing is not None:
            lacks, remedy = (part.replace("{state}", STATES[state]) for part in missing)
            error = RequirementError(
                f'{stage} of "{stage.pipeline}" needs {lacks}: {remedy}',
                got=STATES[state],
                expected=lacks.partition(",")[0],
            )
            label(error, stage)
            raise error
        state = stage.pass_.provides or state
