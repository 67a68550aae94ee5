"""Readers of BTF, and the kinds that each knows: what opens a kernel's BTF, not what loads BTF."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from btfschema.schema.kinds import INFO, Kind
from btfschema.verification.kernels import Kernel

__all__ = ["READERS", "reader_of"]

# libbpf refuses a whole file for one kind that it does not know (btf_type_size). VAR and DATASEC
# came with 0.0.3, FLOAT with 0.4, DECL_TAG with 0.6, TYPE_TAG with 0.7, ENUM64 with 1.0. Debian 11
# has 0.3; programs carry copies of their own for years.
_LIBBPF = {
    "0.3": Kind.DATASEC,
    "0.4": Kind.FLOAT,
    "0.5": Kind.FLOAT,
    "0.6": Kind.DECL_TAG,
    "0.7": Kind.TYPE_TAG,
    "0.8": Kind.TYPE_TAG,
    "1.0": Kind.ENUM64,
}
READERS: Mapping[str, Kernel] = MappingProxyType(
    {
        f"libbpf-{version}": Kernel(f"libbpf-{version}", info=INFO, last_kind=last)
        for version, last in _LIBBPF.items()
    }
)
"""By name, such as ``"libbpf-0.8"``."""


def reader_of(name: str) -> Kernel:
    """What a reader knows.

    Raises:
        ValueError: nothing is known of it.
    """
    if name not in READERS:
        message = f"reader {name!r} is not known, expected one of {', '.join(READERS)}"
        raise ValueError(message)
    return READERS[name]
