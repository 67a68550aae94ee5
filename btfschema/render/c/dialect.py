"""What one version of bpftool writes and another does not."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

__all__ = ["DIALECTS", "Dialect", "Like"]

Like = Literal["7.1", "7.5", "7.8", "none"]


@frozen
class Dialect:
    """Differences between C dumps.

    Attributes:
        sorts: types can be sorted by kind and name; bpftool 7.1 writes them in id order only.
        kfuncs: declare the kernel functions that BPF programs may call, and the two macros that
            their declarations use.
        fastcall: mark those that carry the tag ``bpf_fastcall``, with a macro more.
        attributes: write type tags with a kind_flag as the attributes that they are, such as
            ``__attribute__((address_space(1)))``; otherwise as tags, which mean something else.
        enum_modes: give enums of 1 and 8 bytes their size, which C would not.
        exact: correct what every bpftool gets wrong up to 7.8. Sorting, it leaves out the first
            type; it lets enums of 2 bytes have 4; it does not pack or pad unions; it aligns
            128-bit integers to 8 bytes; it leaves out qualifiers of arrays, which C gives to
            their elements; and it takes the compiler's ``va_list`` for the kernel's, which
            differs where BPF is compiled.
    """

    sorts: bool = True
    kfuncs: bool = True
    fastcall: bool = True
    attributes: bool = True
    enum_modes: bool = True
    exact: bool = False


DIALECTS: dict[Like, Dialect] = {
    "7.1": Dialect(sorts=False, kfuncs=False, fastcall=False, attributes=False, enum_modes=False),
    "7.5": Dialect(fastcall=False, attributes=False),
    "7.8": Dialect(),
    "none": Dialect(exact=True),
}
