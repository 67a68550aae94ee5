"""What files of a package are called while they are unpacked: PACKAGE!NAME, which a user knows."""

from __future__ import annotations

import os
from typing import Any

import click

from btfschema.escapes import printable

__all__ = ["as_given", "named_as_given", "package_of", "unpacked", "where_it_lies"]

# Where a context keeps the packages by the directories that they are unpacked into.
UNPACKED = "btfschema.unpacked"
# What a row says in words; elsewhere it has names.
WORDS = ("message", "notes")


def unpacked(root: str, package: str) -> None:
    """Note that the files of a package lie in a directory as long as the command runs."""
    click.get_current_context().meta.setdefault(UNPACKED, {})[root + os.sep] = package


def _packages() -> dict[str, str]:
    context = click.get_current_context(silent=True)
    found: dict[str, str] = context.meta.get(UNPACKED, {}) if context is not None else {}
    return found


def package_of(path: str) -> str | None:
    """The package that a file was unpacked from, or None."""
    return next((one for root, one in _packages().items() if path.startswith(root)), None)


def named_as_given(path: str) -> str:
    """A file's name, as a user can find it."""
    for root, package in _packages().items():
        if path.startswith(root):
            return f"{package}!{path.removeprefix(root)}"
    return path


def where_it_lies(name: str) -> str:
    """The file that is called like this: the inverse of :func:`named_as_given`."""
    for root, package in _packages().items():
        if name.startswith(f"{package}!"):
            return root + name.removeprefix(f"{package}!")
    return name


def as_given(value: Any, *, words: bool = False) -> Any:
    """Text or data with the names of files as a user can find them.

    Args:
        value: what JSON can hold, and tuples.
        words: whether texts are sentences, in which names are printable.
    """
    packages = _packages()
    if not packages or not isinstance(value, str | dict | list | tuple):
        return value
    if isinstance(value, dict):
        return {
            as_given(key): as_given(one, words=words or key in WORDS) for key, one in value.items()
        }
    if not isinstance(value, str):
        return type(value)(as_given(one, words=words) for one in value)
    if not words:
        return named_as_given(value)
    for root, package in packages.items():
        shown = f"{printable(package)}!"
        value = value.replace(root, shown).replace(printable(root), shown)
    return value
