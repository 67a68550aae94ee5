"""In what kernels differ: the limits of each version, as data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from attrs import evolve, frozen

from btfschema.arguments import require_type
from btfschema.mappings import ReadOnly
from btfschema.schema.constraints import Constraints, FlagRule
from btfschema.schema.kinds import CLASSIC_INFO, INFO, Kind, KindSpec
from btfschema.schema.roles import Bits
from btfschema.verification.rules import FIELDS_SINCE

__all__ = ["KERNELS", "LATEST", "Kernel", "kernel_of"]


# As uname -r has it, too.
VERSION = re.compile(r"[0-9]+\.[0-9]+(?:[-+.~_].*)?")


@lru_cache(maxsize=256)
def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


@frozen
class Kernel:
    """What a kernel version takes.

    Attributes:
        version: such as ``"6.12"``.
        checked: whether this table was compared with the verdicts of a real kernel of that version.
        info: how it reads the info word; bits that it calls reserved must be zero.
        last_kind: the highest kind that it knows.
        layout: whether it knows layout sections, and with them headers of 32 bytes.
        attributes: whether a tag's kind_flag may be 1.
        free_section_names: whether a DATASEC may have any printable name; only identifiers before.
        name_length: the most bytes of an identifier (``KSYM_NAME_LEN``).
        dotted_names: whether an identifier may hold dots.
        narrower: in what it takes less than the schema's constraints say, by kind.
        known_as: the listed version that it is treated as; empty for one that is listed itself.
    """

    version: str
    checked: bool = True
    info: Bits = CLASSIC_INFO
    last_kind: int = Kind.ENUM64
    layout: bool = False
    attributes: bool = False
    free_section_names: bool = True
    name_length: int = 512
    dotted_names: bool = True
    narrower: Mapping[int, Mapping[str, Any]] = ReadOnly({})
    known_as: str = ""

    @property
    def note(self) -> str:
        """What to say of a version that is not listed itself; empty for others."""
        if not self.known_as:
            return ""
        *_, newest = KERNELS
        before = "" if self.known_as == newest else " before it"
        return (
            f"Linux {self.version} is checked as {self.known_as}, the newest known version{before}"
        )

    @property
    def special_fields(self) -> bool:
        """Whether structs that hold ``bpf_spin_lock`` and the like are looked into."""
        return self.has(FIELDS_SINCE)

    def has(self, since: str) -> bool:
        """Whether it is of a version or a later one; one without a number is the latest."""
        mine, other = (_numbers(version) for version in (self.version, since))
        return not mine or mine >= other

    def wants(self, spec: KindSpec | None) -> Constraints | None:
        """What this kernel wants of a kind, or None when it does not know the kind."""
        if spec is None or spec.constraints is None or spec.number > self.last_kind:
            return None
        narrower = self.narrower.get(spec.number)
        return evolve(spec.constraints, **narrower) if narrower else spec.constraints


_UNSIGNED = {"kind_flag": FlagRule.UNSET}
_FOUR_BYTES = {**_UNSIGNED, "sizes": (4,)}
_NO_LINKAGE = {"max_vlen": 0}
# The info word before kind_flag (Linux 5.0).
_NO_FLAG = Bits(vlen=16, reserved=8, kind=5, reserved1=3)


def _old(version: str, last_kind: int, **more: Any) -> Kernel:
    """A kernel before ENUM64; neither a source nor an image of one is at hand."""
    return Kernel(
        version,
        checked=False,
        last_kind=last_kind,
        free_section_names=False,
        name_length=128,
        dotted_names=False,
        **more,
    )


# kernel/bpf/btf.c of Debian's linux-source-6.1 and -6.12; kind_flag on tags came with 6.15, layout
# sections and a vlen of 24 bits with 7.1. What older kernels lack is what libbpf asks them for
# (tools/lib/bpf/features.c): FUNC came with 5.0, DATASEC with 5.2, a FUNC's linkage with 5.6, FLOAT
# with 5.13, DECL_TAG with 5.16, TYPE_TAG with 5.17, ENUM64 and signed enums with 6.0; enums of
# other sizes than 4 came with 5.5, kind_flag on structs with 5.0, names of 511 bytes with 6.1.
KERNELS: Mapping[str, Kernel] = MappingProxyType(
    {
        kernel.version: kernel
        for kernel in (
            _old("4.19", Kind.RESTRICT, info=_NO_FLAG, narrower={Kind.ENUM: _FOUR_BYTES}),
            _old("5.4", Kind.DATASEC, narrower={Kind.ENUM: _FOUR_BYTES, Kind.FUNC: _NO_LINKAGE}),
            _old("5.10", Kind.DATASEC, narrower={Kind.ENUM: _UNSIGNED}),
            _old("5.15", Kind.FLOAT, narrower={Kind.ENUM: _UNSIGNED}),
            Kernel("6.1", free_section_names=False),
            Kernel("6.12"),
            Kernel("6.18", checked=False, attributes=True),
            Kernel("7.1", checked=False, info=INFO, layout=True, attributes=True),
        )
    }
)
LATEST = "6.18"


def kernel_of(version: str | Kernel) -> Kernel:
    """The limits of a version: those of the newest listed one that is not above it.

    What rules say of themselves (``since``) goes by the version itself.

    Args:
        version: such as ``"6.6"``, or what ``uname -r`` gives; or limits of your own.

    Raises:
        ValueError: it is none, or older than all that are listed.
        TypeError: it is a number, say: 6.10 is 6.1 to Python.
    """
    if isinstance(version, Kernel):
        return version
    require_type("kernel", version, str, "a version as text, such as '6.10'")
    if version in KERNELS:
        return KERNELS[version]
    listed = _listed(version)
    known_as = "" if _numbers(version)[:2] == _numbers(listed) else listed
    return evolve(KERNELS[listed], version=version, known_as=known_as)


@lru_cache(maxsize=256)
def _listed(version: str) -> str:
    """The newest listed version that is not above another."""
    oldest, numbers = next(iter(KERNELS)), _numbers(version)[:2]
    older = [one for one in KERNELS if _numbers(one) <= numbers]
    if not VERSION.fullmatch(version) or not older:
        message = (
            f"kernel {version!r} is not known, expected a version from {oldest} on, such as 6.12"
        )
        raise ValueError(message)
    return older[-1]


# The limits that all of them share (include/uapi/linux/btf.h, kernel/bpf/btf.c).
