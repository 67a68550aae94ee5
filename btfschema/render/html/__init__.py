"""Reports as HTML pages: each one file that fetches nothing and can be read without scripts.

The pages are Jinja2 templates beside this module. All extend ``base.html``, which puts in the style
sheet, the script and the foot; ``macros.html`` has what several pages show. Every value that a
template prints goes through :func:`btfschema.escapes.printable` and then through Jinja's
autoescaping, so a name of any bytes is text, in an attribute too.

Jinja2 is imported when a page is made.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from btfschema.errors import SpecError, counted
from btfschema.escapes import printable

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["Foot", "render_page"]


def _now() -> str:
    """The time in UTC; ``SOURCE_DATE_EPOCH`` stands for it where pages must be the same again.

    Raises:
        SpecError: the variable is not a time.
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        made = datetime.fromtimestamp(float(given or time.time()), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SpecError(
            f"SOURCE_DATE_EPOCH is {printable(given or '')!r}, expected seconds since 1970",
            got=given,
            expected="seconds since 1970",
        ) from error
    return f"{made:%Y-%m-%d %H:%M} UTC"


@frozen
class Foot:
    """What a page says of itself at its end.

    Attributes:
        command: the command line that made it; empty when a program did.
        inputs: the files that were read, by the option or argument that named them.
        version: btfschema's.
        made: when.
    """

    command: str = ""
    inputs: Mapping[str, Sequence[str]] = field(factory=dict)
    version: str = field(factory=lambda: version("btfschema"))
    made: str = field(factory=_now)


def render_page(name: str, *, foot: Foot, **context: Any) -> str:
    """Make a page.

    Args:
        name: the template, without ``.html``.
        foot: what stands at its end.
        context: what the template shows. Strings need no escaping.

    Raises:
        jinja2.UndefinedError: the template shows something that is not in ``context``.
    """
    return _environment().get_template(f"{name}.html").render(foot=foot, **context)


@cache
def _environment() -> Environment:
    """The templates; style sheet and script are globals of theirs, taken as they are."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: object) -> object:
        # What macros and blocks return has been through here.
        if isinstance(value, str) and not isinstance(value, Markup):
            return printable(value)
        return value

    made = Environment(
        loader=PackageLoader(__name__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["number"] = lambda value: f"{value:,}"
    made.filters["counted"] = counted
    here = files(__name__)
    for part, file in (("style", "page.css"), ("script", "page.js")):
        made.globals[part] = Markup(here.joinpath(file).read_text("utf-8"))
    return made
