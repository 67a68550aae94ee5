"""In what kernels differ: the limits of each version, as data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen

from btfschema.schema.kinds import CLASSIC_INFO, INFO, Kind
from btfschema.schema.roles import Bits

__all__ = ["KERNELS", "LATEST", "Kernel", "kernel_of"]


@frozen
class Kernel:
    """What a kernel version takes.

    Attributes:
        version: such as ``"6.12"``.
        info: how it reads the info word; bits that it calls reserved must be zero.
        last_kind: the highest kind that it knows.
        layout: whether it knows layout sections, and with them headers of 32 bytes.
        attributes: whether a tag's kind_flag may be 1.
        free_section_names: whether a DATASEC may have any printable name; only identifiers before.
        special_fields: whether structs that hold ``bpf_spin_lock`` and the like are looked into.
    """

    version: str
    info: Bits = CLASSIC_INFO
    last_kind: int = Kind.ENUM64
    layout: bool = False
    attributes: bool = False
    free_section_names: bool = True
    special_fields: bool = True


# kernel/bpf/btf.c of Debian's linux-source-6.1 and -6.12; kind_flag on tags came with 6.15, layout
# sections and a vlen of 24 bits with 7.1.
KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        kernel.version: kernel
        for kernel in (
            Kernel("6.1", free_section_names=False, special_fields=False),
            Kernel("6.12"),
            Kernel("6.18", attributes=True),
            Kernel("7.1", info=INFO, layout=True, attributes=True),
        )
    }
)
LATEST = "6.18"


def kernel_of(version: str | Kernel) -> Kernel:
    """The limits of a version.

    Raises:
        ValueError: nothing is known of it.
    """
    if isinstance(version, Kernel):
        return version
    if version not in KERNELS:
        message = f"kernel {version!r} is not known, expected one of {', '.join(KERNELS)}"
        raise ValueError(message)
    return KERNELS[version]


# The limits that all of them share (include/uapi/linux/btf.h, kernel/bpf/btf.c).
