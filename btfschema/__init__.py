"""Read, write and transform BTF, the BPF Type Format, from one declared schema.

The names below are imported when they are first used, so that ``import btfschema`` and
``btfschema --help`` cost next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from btfschema.builder import Builder
    from btfschema.container import Btf, dumps, loads, loads_many
    from btfschema.errors import BtfError
    from btfschema.framework import Analysis, Context, Diagnostic, Needs, Pass, PassResult
    from btfschema.ids import IdMap
    from btfschema.pipeline import Pipeline
    from btfschema.registry import passes
    from btfschema.schema import KINDS, Kind, KindSpec
    from btfschema.sources import dump, load, load_many
    from btfschema.strings import StringTable
    from btfschema.verification import verify

__all__ = [
    "KINDS",
    "Analysis",
    "Btf",
    "BtfError",
    "Builder",
    "Context",
    "Diagnostic",
    "IdMap",
    "Kind",
    "KindSpec",
    "Needs",
    "Pass",
    "PassResult",
    "Pipeline",
    "StringTable",
    "dump",
    "dumps",
    "load",
    "load_many",
    "loads",
    "loads_many",
    "passes",
    "verify",
]

_HOMES = {
    "KINDS": "schema",
    "Analysis": "framework",
    "Btf": "container",
    "BtfError": "errors",
    "Builder": "builder",
    "Context": "framework",
    "Diagnostic": "framework",
    "IdMap": "ids",
    "Kind": "schema",
    "KindSpec": "schema",
    "Needs": "framework",
    "Pass": "framework",
    "PassResult": "framework",
    "Pipeline": "pipeline",
    "StringTable": "strings",
    "dump": "sources",
    "dumps": "container",
    "load": "sources",
    "load_many": "sources",
    "loads": "container",
    "loads_many": "container",
    "passes": "registry",
    "verify": "verification",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
