"""What a user holds: the container, its views, and what is made of them."""

from typing import TYPE_CHECKING

from btfschema._doors import door

if TYPE_CHECKING:
    from btfschema.model.container import require_btf
    from btfschema.model.inline import carry_inline, inline_references
    from btfschema.model.integrity import check_references
    from btfschema.model.memo import forget, notes, per_container, remembered
    from btfschema.model.merging import MergeResult, merge
    from btfschema.model.wrongbase import suspect_base

__all__ = [
    "MergeResult",
    "carry_inline",
    "check_references",
    "forget",
    "inline_references",
    "merge",
    "notes",
    "per_container",
    "remembered",
    "require_btf",
    "suspect_base",
]

_HOMES = {
    "require_btf": "btfschema.model.container",
    "carry_inline": "btfschema.model.inline",
    "inline_references": "btfschema.model.inline",
    "check_references": "btfschema.model.integrity",
    "forget": "btfschema.model.memo",
    "notes": "btfschema.model.memo",
    "per_container": "btfschema.model.memo",
    "remembered": "btfschema.model.memo",
    "MergeResult": "btfschema.model.merging",
    "merge": "btfschema.model.merging",
    "suspect_base": "btfschema.model.wrongbase",
}

__getattr__, __dir__ = door(globals(), _HOMES)
