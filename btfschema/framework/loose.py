"""Passes that no distribution brings: from a file, or from a module on the path."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from btfschema.errors import RegistryError
from btfschema.framework.grammar import close_match
from btfschema.framework.options import LOADED_AS, options_of
from btfschema.framework.passes import Pass
from btfschema.framework.registry import IMPORT_FAILURES

if TYPE_CHECKING:
    from btfschema.sources import StrPath

__all__ = ["load_file", "pass_at"]

# Modules of files are called so, which no distribution's are.
PREFIX = "btfschema_loaded_"


def pass_at(place: str) -> type[Pass]:
    """The pass class at ``module:Class``.

    Raises:
        RegistryError: the module can't be imported, or has no such pass.
    """
    module_name, _, name = place.partition(":")
    try:
        module = import_module(module_name)
    except IMPORT_FAILURES as error:
        raise RegistryError(
            f'the module of "{place}" can\'t be imported: {type(error).__name__}: {error}',
            got=str(error),
        ) from error
    found: Any = getattr(module, name, None)
    if not _is_pass(found):
        known = [one for one, value in vars(module).items() if _is_pass(value)]
        raise RegistryError(
            f'module {module_name} has no pass "{name}"{close_match(name, known)}',
            got=name,
            expected="a concrete subclass of btfschema.Pass",
        )
    options_of(found)
    cls: type[Pass] = found
    return cls


def load_file(path: StrPath) -> list[type[Pass]]:
    """The pass classes that a Python file defines; it is run as ``import`` would.

    Raises:
        RegistryError: the file can't be run, or defines no pass.
    """
    file = Path(path).resolve()
    module = _run(file, str(path))
    found = [
        value
        for value in vars(module).values()
        if _is_pass(value) and value.__module__ == module.__name__
    ]
    if not found:
        raise RegistryError(
            f"{path} defines no pass",
            got=str(path),
            expected="a class that derives from btfschema.Pass and has a name and a run method",
        )
    # A class that is wrong is an error where it is used: the others are passes.
    return found


def _run(file: Path, shown: str) -> ModuleType:
    """Import a file, once a process."""
    name = PREFIX + "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in str(file))
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise RegistryError(f"{shown} is not a Python file", got=shown, expected="a name in .py")
    module = module_from_spec(spec)
    # Annotations of attrs classes are looked up there.
    sys.modules[name] = module
    setattr(module, LOADED_AS, shown)
    try:
        spec.loader.exec_module(module)
    except IMPORT_FAILURES as error:
        del sys.modules[name]
        raise RegistryError(
            f"{shown} can't be run: {type(error).__name__}: {error}", got=str(error)
        ) from error
    return module


def _is_pass(value: Any) -> bool:
    return (
        isinstance(value, type)
        and issubclass(value, Pass)
        and not value.__abstractmethods__
        and isinstance(getattr(value, "name", None), str)
    )
