"""One type as C, as JSON and as a layout; all types' layouts at once."""

from __future__ import annotations

import json

import pytest
from samples import every_kind, tiny

from btfschema import Btf, Builder, views
from btfschema.errors import TypeIdError, UnresolvedError
from btfschema.render import struct_layout, struct_layouts, to_c, to_data, to_json
from btfschema.render.c import format_c
from btfschema.render.c.columns import TypeColumns
from btfschema.render.single import declaration


class TestC:
    def test_alone(self, cloud: Btf) -> None:
        assert to_c(cloud["enum pid_type"]).startswith("enum pid_type {\n\tPIDTYPE_PID = 0,")
        assert to_c(cloud["struct hlist_head"]) == (
            "struct hlist_head {\n\tstruct hlist_node *first;\n};"
        )

    def test_with_all_that_a_compiler_must_know(self, cloud: Btf) -> None:
        view = cloud["struct hlist_head"]
        text = to_c(view, with_dependencies=True)
        assert text == "struct hlist_node;\n\nstruct hlist_head {\n\tstruct hlist_node *first;\n};"
        assert text in format_c(cloud, [view.id], like="none")
        read = to_c(cloud["vfs_read"], with_dependencies=True)
        assert "struct file;\n" in read
        assert read.endswith(to_c(cloud["vfs_read"]))

    def test_what_has_none(self) -> None:
        with pytest.raises(UnresolvedError, match="was not read from a container"):
            to_c(views.Int("int", 4))
        with pytest.raises(UnresolvedError, match="has no C declaration"):
            to_c(every_kind()[15])

    def test_of_any_type_has_an_end(self) -> None:
        btf = every_kind()
        for view in btf:
            assert declaration(btf, view.id, "x")
        with pytest.raises(TypeIdError, match="past the last id"):
            declaration(btf, 99)

    def test_what_is_worked_out_of_a_container_is_kept(self) -> None:
        btf = tiny()
        assert TypeColumns.of(btf) is TypeColumns.of(btf)


class TestJson:
    def test_says_names_beside_ids(self, cloud: Btf) -> None:
        data = json.loads(to_json(cloud["struct list_head"]))
        assert (data["kind"], data["name"], data["size"]) == ("STRUCT", "list_head", 16)
        assert data["members"][0] == {
            "name": "next",
            "type_id": 95,
            "type": "struct list_head *",
            "bit_offset": 0,
            "bitfield_size": 0,
        }
        assert to_data(cloud["pid_t"])["type"] == "__kernel_pid_t"

    def test_of_every_kind(self) -> None:
        for view in every_kind():
            data = json.loads(to_json(view, indent=2))
            assert data["id"] == view.id
            assert all(f"{key}"[:-3] in data for key in data if key.endswith("_id"))
        assert to_data(tiny()[0]) == {"id": 0, "kind": "VOID"}


class TestLayouts:
    def test_all_are_what_each_is(self, cloud: Btf) -> None:
        found = list(struct_layouts(cloud))
        assert len(found) == len(cloud.types.rows_of(views.Struct.KIND, views.Union.KIND))
        assert found[::500] == [struct_layout(cloud, layout.id) for layout in found[::500]]
        page = struct_layout(cloud, cloud["struct page"].id)
        assert (page.size, page.alignment, page.cachelines) == (64, 8, 1)

    def test_of_a_split_are_its_own(self) -> None:
        assert [layout.id for layout in struct_layouts(tiny(tiny()))] == [6]

    def test_alignment(self) -> None:
        builder = Builder()
        char = builder.add(views.Int("char", 1))
        long = builder.add(views.Int("long", 8))
        members = [views.Member("a", char), views.Member("b", long, 8)]
        packed = builder.add(views.Struct("packed", 9, members))
        holder = builder.next_id
        builder.add(views.Struct("itself", 8, [views.Member("x", holder)]))
        btf = builder.build()
        assert struct_layout(btf, packed).alignment == 1
        assert struct_layout(btf, holder).alignment == 0
