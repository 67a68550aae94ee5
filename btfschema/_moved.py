"""Old import paths: modules that have moved are found under their old names, with a warning."""

from __future__ import annotations

import importlib
import sys
import warnings
from importlib.machinery import ModuleSpec

# Type checkers know the name; the module typing takes longer than all else here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__all__ = ["MOVED", "install"]

MOVED = {
    "btfschema.builder": "btfschema.model.builder",
    "btfschema.constraints": "btfschema.schema.constraints",
    "btfschema.container": "btfschema.model.container",
    "btfschema.elfheaders": "btfschema.sources.elfheaders",
    "btfschema.elfsections": "btfschema.sources.elfsections",
    "btfschema.elfwrite": "btfschema.sources.elfwrite",
    "btfschema.ext": "btfschema.model.ext",
    "btfschema.header": "btfschema.codec.header",
    "btfschema.ids": "btfschema.tables.ids",
    "btfschema.indexing": "btfschema.codec.indexing",
    "btfschema.integrity": "btfschema.model.integrity",
    "btfschema.joined": "btfschema.tables.joined",
    "btfschema.jsonlines": "btfschema.render.jsonlines",
    "btfschema.mapping": "btfschema.framework.files",
    "btfschema.observers": "btfschema.framework.observers",
    "btfschema.options": "btfschema.framework.options",
    "btfschema.pass_testing": "btfschema.testing.contract",
    "btfschema.picking": "btfschema.tables.interning",
    "btfschema.pipeline": "btfschema.framework.pipeline",
    "btfschema.plan": "btfschema.schema.plan",
    "btfschema.registry": "btfschema.framework.registry",
    "btfschema.render.columns": "btfschema.render.notation",
    "btfschema.render.members": "btfschema.render.structs",
    "btfschema.roles": "btfschema.schema.roles",
    "btfschema.sample": "btfschema.cli.sample",
    "btfschema.selection": "btfschema.model.selection",
    "btfschema.sizes": "btfschema.model.sizes",
    "btfschema.spec": "btfschema.framework.grammar",
    "btfschema.strings": "btfschema.tables.strings",
    "btfschema.types": "btfschema.tables.types",
    "btfschema.wrongbase": "btfschema.model.wrongbase",
}


if TYPE_CHECKING:
    from importlib.abc import Loader as _Loader
else:
    # What importlib asks for is two methods; its own classes take as long as all else here.
    _Loader = object


class _Moved(_Loader):
    """Finds a module under its old name."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """An ordinary one."""
        return None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__
        warnings.warn(f"{old} is now {MOVED[old]}", DeprecationWarning, stacklevel=2)
        # What import takes from there is the module itself, not a second one.
        sys.modules[old] = importlib.import_module(MOVED[old])


def install() -> None:
    """Let old import paths work."""
    sys.meta_path.append(_Moved())
