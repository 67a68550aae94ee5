"""Read, write and transform BTF, the BPF Type Format, from one declared schema."""

from btfschema.builder import Builder
from btfschema.container import Btf, dumps, loads
from btfschema.schema import KINDS, Kind, KindSpec

__all__ = ["KINDS", "Btf", "Builder", "Kind", "KindSpec", "dumps", "loads"]
