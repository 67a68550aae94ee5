"""Strategies for bytes: every legal arrangement of a blob, and damaged ones."""

from __future__ import annotations

import struct
from collections.abc import Collection

import numpy as np
from hypothesis import strategies as st

from btfschema.codec.engines import schema_layout
from btfschema.codec.header import ByteOrder, Header, word_dtype
from btfschema.model.container import Btf
from btfschema.schema.kinds import BTF_HEADER, BTF_LAYOUT, BTF_LAYOUT_FIELDS
from btfschema.schema.plan import HEADER_WORDS, INFO_BITS, KIND_MASK
from btfschema.testing.containers import btfs
from btfschema.testing.values import u32s

__all__ = ["blobs", "mutations"]

CLASSIC = BTF_HEADER.sizeof()
WITH_LAYOUT = CLASSIC + BTF_LAYOUT_FIELDS.sizeof()
FIRST_UNKNOWN = 41


@st.composite
def blobs(
    draw: st.DrawFn,
    base: Btf | None = None,
    *,
    byteorder: ByteOrder | None = None,
    kinds: Collection[int] | None = None,
    max_types: int = 8,
    unknown: bool = True,
) -> bytes:
    """Blobs that :func:`btfschema.loads` takes and no kernel or compiler would write.

    They have gaps between sections, sections in any order, longer headers with zero or other
    excess, trailing data, names inside other strings and, sometimes, a layout section and with it
    types of a kind that nothing but the layout describes.

    Args:
        draw: given by hypothesis.
        base: what split BTF is read over.
        byteorder: of the result; the base's, or without a base either.
        kinds: which declared kinds to use; all by default.
        max_types: how many types of declared kinds at most.
        unknown: whether types of an unknown kind may be among them.
    """
    btf = draw(btfs(base, byteorder=byteorder, kinds=kinds, max_types=max_types))
    words = _renamed(draw, btf)
    layout = list(btf.image.layout or ())
    if layout and unknown and draw(st.booleans()):
        more, layout = draw(_unknown_types(base))
        words = np.concatenate([words, np.array(more, np.uint32)])
    order = word_dtype(btf.byteorder)
    sections = {
        "type": words.astype(order).tobytes(),
        "str": btf.strings.data,
        "layout": b"".join(_layout_entry(entry, btf.byteorder) for entry in layout),
    }
    return draw(_frames(btf.byteorder, sections))


def _renamed(draw: st.DrawFn, btf: Btf) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """The types' words, where some names start inside other strings."""
    words = btf.types.words.copy()
    positions = btf.types.string_positions.tolist()
    if positions and btf.strings.end:
        for position in draw(st.lists(st.sampled_from(positions), max_size=3)):
            words[position] = draw(st.integers(0, btf.strings.end - 1))
    return words


def _layout_entry(entry: tuple[int, int, int], byteorder: ByteOrder) -> bytes:
    names = [str(subcon.name) for subcon in BTF_LAYOUT.subcons]
    return bytes(BTF_LAYOUT.build(dict(zip(names, entry, strict=True)), byteorder=byteorder))


@st.composite
def _unknown_types(
    draw: st.DrawFn, base: Btf | None
) -> tuple[list[int], list[tuple[int, int, int]]]:
    """Records of an undeclared kind as words, and the layout that describes them."""
    kind = draw(st.integers(FIRST_UNKNOWN, KIND_MASK))
    fixed, stride = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    layout = list(schema_layout())
    layout += [(0, 0, 0)] * (kind - len(layout))
    layout.append((4 * fixed, 4 * stride, draw(st.integers(0, 0xFFFF))))
    words = []
    for _ in range(draw(st.integers(1, 3))):
        vlen = draw(st.integers(0, 4))
        info = INFO_BITS.join({"vlen": vlen, "kind": kind, "kind_flag": draw(st.integers(0, 1))})
        payload = fixed + vlen * stride + HEADER_WORDS - 2
        words += [0, info, *draw(st.lists(u32s, min_size=payload, max_size=payload))]
    return words, layout


@st.composite
def _frames(draw: st.DrawFn, byteorder: ByteOrder, sections: dict[str, bytes]) -> bytes:
    """Sections put into a blob with gaps, in any order, behind a header of any length."""
    smallest = WITH_LAYOUT if sections["layout"] else CLASSIC
    hdr_len = draw(st.sampled_from([CLASSIC, CLASSIC + 4, WITH_LAYOUT, WITH_LAYOUT + 8, 45]))
    hdr_len = max(hdr_len, smallest)
    places: dict[str, int] = {}
    body = bytearray()
    for name in draw(st.permutations(sorted(sections))):
        gap = draw(st.sampled_from([b"", b"", b"\0" * 4, b"gap"]))
        body += gap + b"\xff" * (-len(body + gap) % 4 if name == "type" else 0)
        places |= {f"{name}_off": len(body), f"{name}_len": len(sections[name])}
        body += sections[name]
    start = Header(byteorder, hdr_len=hdr_len, **places).build()
    excess = hdr_len - len(start)
    filler = draw(st.one_of(st.just(bytes(excess)), st.binary(min_size=excess, max_size=excess)))
    return start + filler + bytes(body) + draw(st.binary(max_size=5))


INTERESTING = (0, 1, 3, 4, 0x7F, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@st.composite
def mutations(draw: st.DrawFn, blob: bytes) -> bytes:
    """Copies of ``blob`` with up to four things wrong: bits, words, cuts, repeats, insertions.

    Args:
        draw: given by hypothesis.
        blob: the bytes to damage.
    """
    data = bytearray(blob)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        end = min(len(data), at + draw(st.integers(1, 16)))
        how = draw(st.sampled_from(["bit", "byte", "word", "cut", "drop", "repeat", "insert"]))
        if how == "bit" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "byte" and data:
            data[at] = draw(st.integers(0, 255))
        elif how == "word" and len(data) >= 4:
            form = draw(st.sampled_from(["<I", ">I"]))
            struct.pack_into(
                form,
                data,
                at & ~3 if at + 4 <= len(data) else 0,
                draw(st.sampled_from(INTERESTING)),
            )
        elif how == "cut":
            del data[at:]
        elif how == "drop":
            del data[at:end]
        elif how == "repeat":
            data[at:at] = data[at:end]
        elif how == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
    return bytes(data)
