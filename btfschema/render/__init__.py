"""Turn containers into text for people and programs."""

from btfschema.render.json import write_json
from btfschema.render.single import to_c, to_data, to_json
from btfschema.render.structs import struct_layout, struct_layouts
from btfschema.render.text import format_type, write_raw

__all__ = [
    "format_type",
    "struct_layout",
    "struct_layouts",
    "to_c",
    "to_data",
    "to_json",
    "write_json",
    "write_raw",
]
