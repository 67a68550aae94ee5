"""Read, write and transform BTF, the BPF Type Format, from one declared schema.

The names below are imported when they are first used, so that ``import btfschema`` and
``btfschema --help`` cost next to nothing.
"""

from btfschema import _moved
from btfschema._doors import door

# Type checkers know the name; the module typing takes longer than all else here.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from btfschema._version import __version__ as __version__
    from btfschema.errors import BtfError
    from btfschema.framework.passes import Analysis, Context, Diagnostic, Needs, Pass, PassResult
    from btfschema.framework.pipeline import Pipeline
    from btfschema.framework.registry import passes
    from btfschema.model.builder import Builder
    from btfschema.model.container import Btf
    from btfschema.model.draft import Draft
    from btfschema.model.loading import dumps, loads, loads_many
    from btfschema.schema.kinds import KINDS, Kind, KindSpec
    from btfschema.sources import dump, load, load_many
    from btfschema.sources.kernels import find_kernels, load_kernel, load_kernel_module
    from btfschema.tables.ids import IdMap
    from btfschema.tables.strings import StringTable
    from btfschema.verification import verify

__all__ = [
    "KINDS",
    "Analysis",
    "Btf",
    "BtfError",
    "Builder",
    "Context",
    "Diagnostic",
    "Draft",
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
    "find_kernels",
    "load",
    "load_kernel",
    "load_kernel_module",
    "load_many",
    "loads",
    "loads_many",
    "passes",
    "verify",
]

_HOMES = {
    "__version__": "btfschema._version",
    "BtfError": "btfschema.errors",
    "Analysis": "btfschema.framework.passes",
    "Context": "btfschema.framework.passes",
    "Diagnostic": "btfschema.framework.passes",
    "Needs": "btfschema.framework.passes",
    "Pass": "btfschema.framework.passes",
    "PassResult": "btfschema.framework.passes",
    "Pipeline": "btfschema.framework.pipeline",
    "passes": "btfschema.framework.registry",
    "Builder": "btfschema.model.builder",
    "Btf": "btfschema.model.container",
    "Draft": "btfschema.model.draft",
    "dumps": "btfschema.model.loading",
    "loads": "btfschema.model.loading",
    "loads_many": "btfschema.model.loading",
    "KINDS": "btfschema.schema.kinds",
    "Kind": "btfschema.schema.kinds",
    "KindSpec": "btfschema.schema.kinds",
    "dump": "btfschema.sources",
    "load": "btfschema.sources",
    "load_many": "btfschema.sources",
    "find_kernels": "btfschema.sources.kernels",
    "load_kernel": "btfschema.sources.kernels",
    "load_kernel_module": "btfschema.sources.kernels",
    "IdMap": "btfschema.tables.ids",
    "StringTable": "btfschema.tables.strings",
    "verify": "btfschema.verification",
}

__getattr__, __dir__ = door(globals(), _HOMES)
_moved.install()
