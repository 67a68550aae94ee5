"""The bytes that values are read from."""

from __future__ import annotations

from mmap import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from btfschema.errors import DecodeError
from btfschema.escapes import printable
from btfschema.values.layout import Layout, Record, Series

__all__ = ["Data", "require", "view_of"]

Data = bytes | bytearray | memoryview | mmap | npt.NDArray[np.generic]
"""Whatever holds bytes in a row."""


def view_of(data: Data) -> memoryview:
    """The bytes of ``data``, which is not copied.

    Raises:
        DecodeError: they do not lie in a row.
    """
    # numpy says that its arrays are buffers only since Python 3.12.
    view = memoryview(data)  # type: ignore[arg-type]
    if not view.c_contiguous:
        raise DecodeError("the data is not contiguous", expected="contiguous bytes")
    if view.nbytes == 0:
        return memoryview(b"")
    return view.cast("B")


def require(view: memoryview, at: int, size: int, path: str, layout: Layout | None = None) -> None:
    """Refuse to read what is not there.

    Args:
        view: the data.
        at: where the value starts.
        size: its bytes.
        path: what it is called.
        layout: its layout, to say which part of it is missing.

    Raises:
        DecodeError: the value starts before the data, or ends after it.
    """
    have = len(view)
    if at >= 0 and at + size <= have:
        return
    if layout is not None and at >= 0:
        path, at, size = _first_missing(layout, at, have, path)
    raise DecodeError(
        f"{path}: needs bytes {at}..{at + size} of the data, which has {have}",
        offset=at,
        got=have,
        expected=f"at least {at + size} bytes" if at >= 0 else "an offset of 0 or more",
    )


def _first_missing(layout: Layout, at: int, have: int, path: str) -> tuple[str, int, int]:
    """Path, place and size of the first scalar that is not wholly there."""
    part: Any = layout
    while True:
        if isinstance(part, Record):
            places = [
                (
                    field.bits.at if field.bits else field.offset,
                    field.bits.size if field.bits else field.layout.size,
                    field,
                )
                for field in part.fields.values()
            ]
            beyond = [place for place in places if at + place[0] + place[1] > have]
            if not beyond:
                return path, at, part.size
            offset, size, field = min(beyond, key=lambda place: place[0])
            path, at = f"{path}.{printable(field.name)}", at + offset
            if field.bits:
                return path, at, size
            part = field.layout
        elif isinstance(part, Series) and part.element.size and not part.text:
            number = max(0, have - at) // part.element.size
            path, at = f"{path}[{number}]", at + number * part.element.size
            part = part.element
        else:
            return path, at, part.size
