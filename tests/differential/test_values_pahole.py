"""Layouts of real structs against pahole: where each member is, and how large."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pahole_structs import choose, structs_of_pahole

from btfschema import Btf, Kind
from btfschema.values import dtype_of, read

pytestmark = pytest.mark.debian

# A member of the struct itself, at the end of its line; a function pointer has its name inside.
MEMBER = re.compile(
    r"^\t[^\t\n].*?(?:\(\*+(?P<function>\w+)\)\(.*\)|(?P<name>\w+))(?P<array>(?:\[\d+\])*)"
    r"(?P<bits>:\d+)?(?: __attribute__\(\(.*\)\))*; +"
    r"/\* +(?P<offset>\d+)(?:: *(?P<bit>\d+))? +(?P<size>\d+) \*/$",
    re.MULTILINE,
)


def test_structs(cloud_bytes: bytes, cloud: Btf, tmp_path_factory: pytest.TempPathFactory) -> None:
    shown = structs_of_pahole(cloud_bytes, tmp_path_factory.mktemp("pahole"))
    members = fields = 0
    for struct in choose(shown):
        (type_id,) = cloud.find_ids(struct, Kind.STRUCT)
        size = cloud.sizeof(type_id)
        value = read(cloud, type_id, bytes(size))
        dtype = dtype_of(cloud, type_id)
        assert dtype.itemsize == size
        fields_of: Any = dtype.fields
        for match in MEMBER.finditer(shown[struct][0]):
            name = match["function"] or match["name"]
            if name not in value:
                # An anonymous member with attributes: its name is the attribute's.
                continue
            place, offset = value.at_(name), int(match["offset"])
            if match["bits"]:
                bits = place._bits
                assert bits is not None
                assert (8 * bits.at + bits.shift, bits.width) == (
                    8 * offset + int(match["bit"]),
                    int(match["bits"][1:]),
                ), (struct, name)
                fields += 1
            else:
                assert (place.offset_, place.size_) == (offset, int(match["size"])), (struct, name)
                assert fields_of[name][1] == offset
                assert fields_of[name][0].itemsize == place.size_
                members += 1
    assert members > 3000
    assert fields > 100
