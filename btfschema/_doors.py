"""Packages that import what they show when it is first used, so that importing them is cheap.

They show nothing else; nor do public modules, in which imports would stand among what they offer.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers know the name; the module typing takes longer than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

__all__ = ["door", "shown"]


def door(
    namespace: dict[str, Any], homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a package.

    Args:
        namespace: the package's globals.
        homes: the module that holds each public name.
    """
    package = namespace["__name__"]

    def get(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = namespace[name] = getattr(import_module(home), name)
        return value

    def names() -> list[str]:
        return sorted(homes)

    return get, names


def shown(names: Iterable[str]) -> Callable[[], list[str]]:
    """``__dir__`` of a module that shows its public names and not what it imports.

    Args:
        names: the module's ``__all__``.
    """
    return lambda: sorted(names)
