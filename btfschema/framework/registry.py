"""The passes that installed distributions bring: the entry-point group ``btfschema.passes``.

Listing reads the distributions' metadata and imports nothing; a pass is imported when it is asked
for. The passes that come with btfschema are found in the same way as anybody's.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from attrs import frozen

from btfschema.errors import BtfError, RegistryError
from btfschema.framework.grammar import close_match
from btfschema.framework.options import options_of
from btfschema.framework.passes import Pass

__all__ = ["GROUP", "IMPORT_FAILURES", "PassInfo", "load_pass", "passes"]

GROUP = "btfschema.passes"

# What a module that is being imported may raise, short of an interrupt. One that ends the program
# (``sys.exit(main())`` at its end) would make a command end as if all were done.
IMPORT_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BtfError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    SystemExit,
    TypeError,
    ValueError,
)
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@frozen
class PassInfo:
    """One registered pass.

    Attributes:
        name: what pipelines call it.
        target: where its class is, ``module:Class``.
        distributions: who brings it, ``name version``; more than one is an error once the pass is
            asked for.
    """

    name: str
    target: str
    distributions: tuple[str, ...]

    @property
    def distribution(self) -> str:
        """Who brings it; several are joined by commas."""
        return ", ".join(self.distributions)

    def load(self) -> type[Pass]:
        """Import the pass.

        Raises:
            RegistryError: as for :func:`load_pass`.
        """
        return load_pass(self.name)


def passes() -> Mapping[str, PassInfo]:
    """All registered passes by name, sorted; nothing is imported, so a broken one is listed too."""
    return MappingProxyType(
        {
            name: PassInfo(name, found[0].value, tuple(map(_distribution, found)))
            for name, found in sorted(_registered().items())
        }
    )


def load_pass(name: str, others: Iterable[str] = ()) -> type[Pass]:
    """The class of a registered pass.

    Args:
        name: what it is called.
        others: passes that are known without being registered, which the error may name.

    Raises:
        RegistryError: no distribution brings a pass of this name, two do, or what is registered
            can't be imported or is not a pass of this name.
    """
    registered = _registered()
    found = registered.get(name)
    if found is None:
        known = sorted({*registered, *others})
        raise RegistryError(
            f'unknown pass "{name}"{close_match(name, known)}',
            got=name,
            expected=f"one of {known}",
        )
    if len(found) > 1:
        brought = " and ".join(f"{_distribution(e)} ({e.value})" for e in found)
        raise RegistryError(
            f'two passes are called "{name}", from {brought}: uninstall one of them',
            got=[_distribution(e) for e in found],
            expected="one",
        )
    cls = _imported(found[0])
    _check_class(cls, found[0])
    return cls


def _registered() -> Mapping[str, list[EntryPoint]]:
    """Entry points by name; the same one found twice on the path counts once."""
    return _registered_on(tuple(sys.path))


# Reading all distributions' metadata takes milliseconds, and a batch asks for every file.
@lru_cache(maxsize=8)
def _registered_on(path: tuple[str, ...]) -> Mapping[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, []).append(entry)
    return {name: _told_apart(entries) for name, entries in found.items()}


def _told_apart(entries: list[EntryPoint]) -> list[EntryPoint]:
    """Each once. Who brings it takes a millisecond to read, so nobody asks of a single one."""
    if len(entries) == 1:
        return entries
    known: dict[tuple[str, str], EntryPoint] = {}
    for entry in entries:
        known.setdefault((_distribution(entry), entry.value), entry)
    return list(known.values())


def _distribution(entry: EntryPoint) -> str:
    dist = entry.dist
    return f"{dist.name} {dist.version}" if dist is not None else "an unknown distribution"


def _where(entry: EntryPoint) -> str:
    """Which pass, for messages; the distribution's name is read from its metadata."""
    return f'pass "{entry.name}" of {_distribution(entry)} ({entry.value})'


def _imported(entry: EntryPoint) -> type[Pass]:
    try:
        cls = entry.load()
    except IMPORT_FAILURES as error:
        raise RegistryError(
            f"{_where(entry)} can't be imported: {type(error).__name__}: {error}", got=str(error)
        ) from error
    if not (isinstance(cls, type) and issubclass(cls, Pass)):
        raise RegistryError(
            f"{_where(entry)} is not a subclass of btfschema.Pass",
            got=cls,
            expected="a subclass of Pass",
        )
    return cls


def _check_class(cls: type[Pass], entry: EntryPoint) -> None:
    name = getattr(cls, "name", None)
    if name != entry.name:
        raise RegistryError(
            f"{_where(entry)} calls itself {name!r}", got=name, expected=f"the name {entry.name!r}"
        )
    if NAME.fullmatch(entry.name) is None:
        raise RegistryError(
            f"{_where(entry)}: a name is made of lower-case letters, digits and hyphens",
            got=name,
            expected=NAME.pattern,
        )
    if cls.__abstractmethods__:
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise RegistryError(f"{_where(entry)} does not define {missing}", got=missing)
    options_of(cls)
