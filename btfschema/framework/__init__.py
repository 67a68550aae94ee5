"""What a pass is and how passes run: one after another, by name, on many files."""

from typing import TYPE_CHECKING

from btfschema._doors import door

if TYPE_CHECKING:
    from btfschema.framework.files import (
        Each,
        Outcome,
        Shared,
        Work,
        map_ordered,
        map_pipeline,
        run_loaded,
    )
    from btfschema.framework.observers import DumpAfter, Observer, Stage, Timing
    from btfschema.framework.options import Option, build_pass, format_pass, options_of
    from btfschema.framework.passes import (
        Analysis,
        BaseState,
        Context,
        Diagnostic,
        Needs,
        Pass,
        PassResult,
        base_state,
    )
    from btfschema.framework.pipeline import Pipeline, Verify
    from btfschema.framework.registry import GROUP, PassInfo, load_pass

__all__ = [
    "GROUP",
    "Analysis",
    "BaseState",
    "Context",
    "Diagnostic",
    "DumpAfter",
    "Each",
    "Needs",
    "Observer",
    "Option",
    "Outcome",
    "Pass",
    "PassInfo",
    "PassResult",
    "Pipeline",
    "Shared",
    "Stage",
    "Timing",
    "Verify",
    "Work",
    "base_state",
    "build_pass",
    "format_pass",
    "load_pass",
    "map_ordered",
    "map_pipeline",
    "options_of",
    "run_loaded",
]

_HOMES = {
    "Each": "btfschema.framework.files",
    "Outcome": "btfschema.framework.files",
    "Shared": "btfschema.framework.files",
    "Work": "btfschema.framework.files",
    "map_ordered": "btfschema.framework.files",
    "map_pipeline": "btfschema.framework.files",
    "run_loaded": "btfschema.framework.files",
    "DumpAfter": "btfschema.framework.observers",
    "Observer": "btfschema.framework.observers",
    "Stage": "btfschema.framework.observers",
    "Timing": "btfschema.framework.observers",
    "Option": "btfschema.framework.options",
    "build_pass": "btfschema.framework.options",
    "format_pass": "btfschema.framework.options",
    "options_of": "btfschema.framework.options",
    "Analysis": "btfschema.framework.passes",
    "BaseState": "btfschema.framework.passes",
    "Context": "btfschema.framework.passes",
    "Diagnostic": "btfschema.framework.passes",
    "Needs": "btfschema.framework.passes",
    "Pass": "btfschema.framework.passes",
    "PassResult": "btfschema.framework.passes",
    "base_state": "btfschema.framework.passes",
    "Pipeline": "btfschema.framework.pipeline",
    "Verify": "btfschema.framework.pipeline",
    "GROUP": "btfschema.framework.registry",
    "PassInfo": "btfschema.framework.registry",
    "load_pass": "btfschema.framework.registry",
}

__getattr__, __dir__ = door(globals(), _HOMES)
