"""Views of the records of ``.BTF.ext``."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from attrs import field, frozen

from btfschema.model.views.base import Attached, Refers

__all__ = ["CoreRelo", "CoreReloKind", "ExtSection", "FuncInfo", "LineInfo"]


class CoreReloKind(IntEnum):
    """What a CO-RE relocation asks about its access (``enum bpf_core_relo_kind``)."""

    FIELD_BYTE_OFFSET = 0
    FIELD_BYTE_SIZE = 1
    FIELD_EXISTS = 2
    FIELD_SIGNED = 3
    FIELD_LSHIFT_U64 = 4
    FIELD_RSHIFT_U64 = 5
    TYPE_ID_LOCAL = 6
    TYPE_ID_TARGET = 7
    TYPE_EXISTS = 8
    TYPE_SIZE = 9
    ENUMVAL_EXISTS = 10
    ENUMVAL_VALUE = 11
    TYPE_MATCHES = 12


def _core_relo_kind(value: int) -> int:
    """The named kind, or the plain number where a file holds an unknown one."""
    return CoreReloKind(value) if value in CoreReloKind._value2member_map_ else int(value)


@frozen
class FuncInfo(Refers):
    """The function that starts at an instruction (``struct bpf_func_info``).

    Attributes:
        insn_off: bytes from the start of the program section.
        type_id: a FUNC.
    """

    insn_off: int
    type_id: int


@frozen
class LineInfo(Attached):
    """The source line of an instruction (``struct bpf_line_info``).

    Attributes:
        insn_off: bytes from the start of the program section.
        file_name: the source file.
        line: the source line's text.
        line_num: its number, from 1.
        column: the column, from 1; 0 for none.
    """

    insn_off: int
    file_name: str
    line: str
    line_num: int
    column: int


@frozen
class CoreRelo(Refers):
    """An access that a loader adjusts to the running kernel (``struct bpf_core_relo``).

    Attributes:
        insn_off: bytes from the start of the program section.
        type_id: the type that the access starts from.
        access_str: the way from there, such as ``"0:1:2"``: indexes of elements, members, values.
        kind: what is asked, a :class:`CoreReloKind` or an unknown number.
    """

    insn_off: int
    type_id: int
    access_str: str
    kind: int = field(converter=_core_relo_kind)


@frozen
class ExtSection:
    """The records of one program section (``struct btf_ext_info_sec``), in file order."""

    name: str
    records: tuple[Any, ...]
