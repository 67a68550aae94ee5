"""``.BTF.ext`` as text and as plain data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

from btfschema.errors import NoBtfError
from btfschema.model.container import Btf
from btfschema.model.ext import BtfExt, CoreRelo, CoreReloKind, ExtInfo, FuncInfo, LineInfo

__all__ = ["ext_as_data", "write_ext"]


def write_ext(btf: Btf, out: BinaryIO) -> None:
    """Write what ``btf.ext`` holds: a heading a part and program section, then a line a record.

    Raises:
        NoBtfError: the BTF came without a ``.BTF.ext``.
    """
    if btf.ext is None:
        raise NoBtfError("there is no .BTF.ext section")
    for part in btf.ext.parts:
        for section in part:
            out.write(_encoded(f"{part.name} '{section.name}'\n"))
            line = _LINES[part.name]
            out.write(_encoded("".join(f"\t{line(record)}\n" for record in section.records)))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _type(record: FuncInfo | CoreRelo) -> str:
    """The id, and the kind and name of what it refers to."""
    view = record.type
    kind = view.btf.kinds.name(view.kind) if view.btf is not None else ""
    return f"type_id={record.type_id} {kind} '{getattr(view, 'name', '') or '(anon)'}'"


def _func_info(record: FuncInfo) -> str:
    return f"insn_off={record.insn_off} {_type(record)}"


def _line_info(record: LineInfo) -> str:
    place = f"{record.file_name}:{record.line_num}:{record.column}"
    return f"insn_off={record.insn_off} {place}  {record.line.strip()}".rstrip()


def _core_relo(record: CoreRelo) -> str:
    kind = f"kind={int(record.kind)}({_kind_name(record.kind)})"
    return f"insn_off={record.insn_off} {_type(record)} access='{record.access_str}' {kind}"


def _kind_name(kind: int) -> str:
    return kind.name.lower() if isinstance(kind, CoreReloKind) else "unknown"


_LINES: dict[str, Callable[[Any], str]] = {
    "func_info": _func_info,
    "line_info": _line_info,
    "core_relo": _core_relo,
}


def ext_as_data(ext: BtfExt) -> dict[str, Any]:
    """The same as dicts, lists, strings and numbers: by part, record size and program sections."""
    return {part.name: _part_as_data(part) for part in ext.parts}


def _part_as_data(part: ExtInfo) -> dict[str, Any]:
    as_data = _DATA[part.name]
    return {
        "rec_size": part.rec_size,
        "sections": [
            {"name": section.name, "records": [as_data(record) for record in section.records]}
            for section in part
        ],
    }


def _func_info_data(record: FuncInfo) -> dict[str, Any]:
    return {"insn_off": record.insn_off, "type_id": record.type_id}


def _line_info_data(record: LineInfo) -> dict[str, Any]:
    return {
        "insn_off": record.insn_off,
        "file_name": record.file_name,
        "line_num": record.line_num,
        "column": record.column,
        "line": record.line,
    }


def _core_relo_data(record: CoreRelo) -> dict[str, Any]:
    return {
        "insn_off": record.insn_off,
        "type_id": record.type_id,
        "access_str": record.access_str,
        "kind": int(record.kind),
        "kind_name": _kind_name(record.kind),
    }


_DATA: dict[str, Callable[[Any], dict[str, Any]]] = {
    "func_info": _func_info_data,
    "line_info": _line_info_data,
    "core_relo": _core_relo_data,
}
