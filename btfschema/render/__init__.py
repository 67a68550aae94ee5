"""Turn containers into text for people and programs."""

from typing import TYPE_CHECKING

from btfschema._doors import door

if TYPE_CHECKING:
    from btfschema.render.json import write_json
    from btfschema.render.jsonlines import LISTED, SharedList, listed
    from btfschema.render.single import to_c, to_data, to_json
    from btfschema.render.structs import struct_layout, struct_layouts
    from btfschema.render.text import format_type, write_raw

__all__ = [
    "LISTED",
    "SharedList",
    "format_type",
    "listed",
    "struct_layout",
    "struct_layouts",
    "to_c",
    "to_data",
    "to_json",
    "write_json",
    "write_raw",
]

_HOMES = {
    "write_json": "btfschema.render.json",
    "LISTED": "btfschema.render.jsonlines",
    "SharedList": "btfschema.render.jsonlines",
    "listed": "btfschema.render.jsonlines",
    "to_c": "btfschema.render.single",
    "to_data": "btfschema.render.single",
    "to_json": "btfschema.render.single",
    "struct_layout": "btfschema.render.structs",
    "struct_layouts": "btfschema.render.structs",
    "format_type": "btfschema.render.text",
    "write_raw": "btfschema.render.text",
}

__getattr__, __dir__ = door(globals(), _HOMES)
