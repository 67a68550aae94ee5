"""Bytes through a type: values as Python objects, as C text, and as other libraries' types.

Each type's layout is worked out once (:mod:`btfschema.values.layout`), and every form is derived
from it, so that :func:`read`, :func:`construct_of`, :func:`dtype_of` and :func:`ctypes_of` agree.
"""

from typing import TYPE_CHECKING

from btfschema._doors import door

if TYPE_CHECKING:
    from btfschema.values.constructs import construct_of
    from btfschema.values.ctype import ctypes_of
    from btfschema.values.layouts import AnyType
    from btfschema.values.structured import column, dtype_of, read_array
    from btfschema.values.text import TextOptions
    from btfschema.values.value import Value, read
    from btfschema.values.writing import write

__all__ = [
    "AnyType",
    "TextOptions",
    "Value",
    "column",
    "construct_of",
    "ctypes_of",
    "dtype_of",
    "read",
    "read_array",
    "write",
]

_HOMES = {
    "AnyType": "btfschema.values.layouts",
    "TextOptions": "btfschema.values.text",
    "Value": "btfschema.values.value",
    "column": "btfschema.values.structured",
    "construct_of": "btfschema.values.constructs",
    "ctypes_of": "btfschema.values.ctype",
    "dtype_of": "btfschema.values.structured",
    "read": "btfschema.values.value",
    "read_array": "btfschema.values.structured",
    "write": "btfschema.values.writing",
}

__getattr__, __dir__ = door(globals(), _HOMES)
