"""Columns: a container's records and strings as arrays, and what is done to them at once."""

from typing import TYPE_CHECKING

from btfschema._doors import door

if TYPE_CHECKING:
    from btfschema.tables.compaction import first_places, kept_strings, sections_of
    from btfschema.tables.ids import DROPPED, IdMap
    from btfschema.tables.interning import pick_many
    from btfschema.tables.joined import WORDS_TOGETHER, Joined, portions
    from btfschema.tables.names import name_ranks
    from btfschema.tables.strings import StringTable
    from btfschema.tables.types import Elements, TypeTable

__all__ = [
    "DROPPED",
    "WORDS_TOGETHER",
    "Elements",
    "IdMap",
    "Joined",
    "StringTable",
    "TypeTable",
    "first_places",
    "kept_strings",
    "name_ranks",
    "pick_many",
    "portions",
    "sections_of",
]

_HOMES = {
    "first_places": "btfschema.tables.compaction",
    "kept_strings": "btfschema.tables.compaction",
    "sections_of": "btfschema.tables.compaction",
    "DROPPED": "btfschema.tables.ids",
    "IdMap": "btfschema.tables.ids",
    "pick_many": "btfschema.tables.interning",
    "WORDS_TOGETHER": "btfschema.tables.joined",
    "Joined": "btfschema.tables.joined",
    "portions": "btfschema.tables.joined",
    "name_ranks": "btfschema.tables.names",
    "StringTable": "btfschema.tables.strings",
    "Elements": "btfschema.tables.types",
    "TypeTable": "btfschema.tables.types",
}

__getattr__, __dir__ = door(globals(), _HOMES)
