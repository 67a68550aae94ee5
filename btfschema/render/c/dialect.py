"""What one version of bpftool writes and another does not."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

__all__ = ["DIALECTS", "Dialect", "Like"]

Like = Literal["7.1", "7.5", "none"]


@frozen
class Dialect:
    """Differences between C dumps.

    Attributes:
        kfuncs: declare the kernel functions that BPF programs may call, and the two macros that
            their declarations use.
        enum_modes: give enums of 1 and 8 bytes their size, which C would not.
        exact: correct what every bpftool gets wrong up to 7.5. It writes attributes as type tags,
            which mean something else; sorting, it leaves out the first type; it lets enums of 2
            bytes have 4; it does not pack or pad unions; it aligns 128-bit integers to 8 bytes;
            it leaves out qualifiers of arrays, which C gives to their elements; and it takes the
            compiler's ``va_list`` for the kernel's, which differs where BPF is compiled.
    """

    kfuncs: bool = True
    enum_modes: bool = True
    exact: bool = False


DIALECTS: dict[Like, Dialect] = {
    "7.1": Dialect(kfuncs=False, enum_modes=False),
    "7.5": Dialect(),
    "none": Dialect(exact=True),
}
