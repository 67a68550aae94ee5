"""Turn containers into text for people and programs."""

from btfschema.render.json import write_json
from btfschema.render.text import format_type, write_raw

__all__ = ["format_type", "write_json", "write_raw"]
