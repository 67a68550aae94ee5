"""``--policy`` of the commands that relocate, and where the two policies come to different ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from btfschema.cli.options import Decorator

if TYPE_CHECKING:
    from btfschema.errors import Failure
    from btfschema.framework.passes import PassResult

__all__ = ["OTHER", "WOULD_LEAVE", "otherwise", "policy_option", "relocation"]

# Results are compared with those of the other policy.
OTHER = {"kernel": "strict", "strict": "kernel"}

# What is said of the other one that fails, by its name.
WOULD_LEAVE = {policy: f"--policy {policy} would leave types without a match" for policy in OTHER}

policy_option: Decorator = click.option(
    "--policy",
    type=click.Choice(list(OTHER)),
    default="kernel",
    show_default=True,
    help="kernel matches exactly as the kernel does; strict refuses matches that may be wrong.",
)


def relocation(policy: str) -> str:
    """The pipeline that relocates under a policy."""
    return f"relocate{{policy={policy}}}"


def otherwise(
    policy: str, ends: Sequence[PassResult | Failure], others: Sequence[PassResult | Failure]
) -> dict[int, str]:
    """What to say of files for which the other policy comes to another end, by number.

    Args:
        policy: the one that counts.
        ends: what becomes of each file under it.
        others: under the other one.
    """
    from btfschema.errors import MatchError

    other, found = OTHER[policy], {}
    for number, (end, aside) in enumerate(zip(ends, others, strict=True)):
        if isinstance(end, MatchError) and not isinstance(aside, Exception):
            found[number] = f"--policy {other} would find a match for every type"
        elif isinstance(aside, MatchError) and not isinstance(end, Exception):
            why = str(aside).partition("\n")[2].strip().partition("\n")[0]
            found[number] = f"{WOULD_LEAVE[other]}: {why}"
    return found
