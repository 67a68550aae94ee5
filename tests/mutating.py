"""Files with a few bytes written over, and perhaps an end that is missing."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

__all__ = ["mutated"]

# Half of the files keep their end.
CUT = 100


def mutated(files: Sequence[bytes], within: int | None = None) -> st.SearchStrategy[bytes]:
    """Draw a damaged copy of one of some files.

    Args:
        files: the sound ones.
        within: only the first bytes are written over, so many of them; None for all.
    """
    places = st.integers(0, (within or 1 << 16) - 1)
    edits = st.lists(st.tuples(places, st.binary(min_size=1, max_size=8)), min_size=1, max_size=8)

    def damage(data: bytes, changes: list[tuple[int, bytes]], cut: int) -> bytes:
        copy = bytearray(data)
        for at, new in changes:
            at %= min(len(copy), within or len(copy))
            copy[at : at + len(new)] = new
        return bytes(copy[: len(copy) - (cut if cut < CUT else 0)])

    return st.builds(damage, st.sampled_from(files), edits, st.integers(0, 2 * CUT))
