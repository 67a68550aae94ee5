"""Finding types by name, by C's spelling and by path; what is said when there is none."""

from __future__ import annotations

import inspect
import re
import struct
import tracemalloc

import numpy as np
import pytest
from samples import every_kind, tiny

from btfschema import KINDS, Btf, Builder, Kind, loads, views
from btfschema.arrays import Index
from btfschema.errors import (
    AmbiguousNameError,
    NoMemberError,
    TypeIdError,
    UnknownNameError,
    UnresolvedError,
    WrongKeyError,
)
from btfschema.model import lookups
from btfschema.tables import StringTable, names
from btfschema.tables.strings import Eights


def built(*added: views.TypeView) -> Btf:
    builder = Builder()
    for view in added:
        builder.add(view)
    return builder.build()


class TestKeys:
    def test_names_as_python_and_as_c_spell_them(self, cloud: Btf) -> None:
        task = cloud.find("task_struct", views.Struct)
        assert cloud["task_struct"] == cloud["struct task_struct"] == task
        assert cloud.find("struct task_struct", Kind.STRUCT) == task
        assert cloud["enum pid_type"].kind == Kind.ENUM
        assert cloud["long unsigned int"].kind == Kind.INT
        assert "union task_struct" not in cloud

    @pytest.mark.parametrize(
        ("gcc", "spelled"),
        [
            ("long unsigned int", ["unsigned long", "unsigned long int", "long unsigned"]),
            ("long int", ["long", "signed long", "int long signed"]),
            ("long long unsigned int", ["unsigned long long", "long unsigned long int"]),
            ("long long int", ["long long", "long int long"]),
            ("short unsigned int", ["unsigned short"]),
            ("short int", ["short", "signed short int"]),
            ("unsigned int", ["unsigned", "int unsigned"]),
            ("int", ["signed", "signed int"]),
            ("unsigned char", ["char unsigned"]),
            ("signed char", ["char signed"]),
            ("__int128 unsigned", ["unsigned __int128"]),
        ],
    )
    def test_integers_as_c_spells_them(self, gcc: str, spelled: list[str]) -> None:
        names = ("char", "int", gcc, "_Bool")
        btf = built(*[views.Int(name, 4) for name in dict.fromkeys(names)])
        for name in spelled:
            assert btf[name].name == btf.find(f" {name}", views.Int).name == gcc
            assert name in btf
            assert btf.sizeof(name) == btf.read(name, bytes(4)).size_ == 4
            assert btf.find_all(name, views.Struct) == []

    def test_integers_as_clang_spells_them(self) -> None:
        btf = built(views.Int("unsigned long", 8), views.Int("short", 2))
        assert btf["long unsigned int"].name == btf["unsigned long"].name == "unsigned long"
        assert btf["short int"].id == 2

    def test_the_very_name_comes_first(self) -> None:
        btf = built(views.Int("long unsigned int", 4), views.Int("unsigned long", 8))
        assert (btf["unsigned long"].id, btf["long unsigned int"].id) == (2, 1)
        with pytest.raises(AmbiguousNameError, match="2 matches for type 'long unsigned'"):
            btf["long unsigned"]
        odd = built(views.Struct("long", 4), views.Int("long int", 8))
        assert odd["long"].id == 1
        assert odd["signed long"].id == 2

    def test_what_c_does_not_spell(self) -> None:
        every = ["int", "char", "long int", "long long int", "short int", "__int128"]
        btf = built(*[views.Int(one, 4) for one in every])
        for name in (
            *("short long", "long long long", "signed unsigned", "int char", "int int", "long x"),
            *("long signed signed", "long char", "signed __int128 int", "unsigned", ""),
        ):
            assert name not in btf

    def test_what_c_knows_by_name_only(self) -> None:
        btf = built(views.Fwd("s"), views.Fwd("s", is_union=True), views.Typedef("s", 1))
        assert btf["struct s"].id == 1
        assert btf["union s"].id == 2
        assert "enum s" not in btf

    def test_slices_are_of_ids(self, cloud: Btf) -> None:
        assert [view.id for view in cloud[90:95]] == [90, 91, 92, 93, 94]
        assert [view.id for view in cloud[-2:]] == [cloud.end_id - 2, cloud.end_id - 1]
        assert cloud[1000:2000] == [cloud[i] for i in range(1000, 2000)]
        assert cloud[0:40:20][0].kind == Kind.VOID
        assert cloud[np.int64(93)] == cloud[93]

    @pytest.mark.parametrize("key", [None, 3.5, b"int", object])
    def test_wrong_keys_say_what_is_right(self, key: object) -> None:
        with pytest.raises(WrongKeyError, match="is not a type id, name or slice"):
            tiny()[key]  # type: ignore[call-overload]  # pyright: ignore
        with pytest.raises(TypeError, match="is not a type id, name or view"):
            assert key in tiny()

    def test_views_and_slices_are_keys_where_the_message_says_so(self) -> None:
        btf = tiny()
        with pytest.raises(WrongKeyError, match="is not a type id, name or slice") as caught:
            btf[btf[1]]  # type: ignore[call-overload]  # pyright: ignore
        assert caught.value.expected == "its id: btf[view.id]"
        assert btf[1] in btf
        with pytest.raises(WrongKeyError, match="is not a type id, name or view"):
            assert slice(1, 2) in btf

    def test_wrong_kinds_say_what_is_right(self) -> None:
        with pytest.raises(WrongKeyError, match="'struct' is not a kind"):
            tiny().find("s", "struct")  # type: ignore[call-overload]  # pyright: ignore

    def test_in_agrees_with_iteration(self, cloud: Btf) -> None:
        btf = every_kind()
        assert all(view in btf for view in btf)
        assert views.Int("int", 4, 1) in btf
        assert views.Int("int", 8, 1) not in btf
        assert "list_head" in cloud
        assert "no_such_type" not in cloud
        split = tiny(tiny())
        assert [split[3] in split, split[6] in split, 3 in split, 7 in split] == [
            split[3] in list(split),
            True,
            True,
            False,
        ]

    def test_many_ids_at_once_are_what_one_by_one_gives(self) -> None:
        split = tiny(tiny(tiny()))
        ids = [9, 1, 0, 5, 5, 3, 8] * 4
        assert split.views(ids) == [split[i] for i in ids]
        with pytest.raises(TypeIdError, match="past the last id 9"):
            split.views([1, 10])


class TestKinds:
    def test_classes_and_numbers_say_the_same(self, cloud: Btf) -> None:
        assert cloud.find("list_head", views.Struct) == cloud.find("list_head", Kind.STRUCT)
        assert cloud.find("list_head", views.Composite).id == cloud.find("list_head").id
        assert cloud.find_all("list_head", views.EnumBase) == []
        assert isinstance(cloud.find("list_head").kind, Kind)

    def test_the_overloads_name_every_kind(self) -> None:
        """What type checkers know of kinds is what the schema says."""
        text = inspect.getsource(lookups)
        for name in ("find", "find_all"):
            ways = rf"def {name}\([^()]*?Literal\[Kind\.(\w+)\]\s*\) -> (?:list\[)?(\w+)"
            found = re.findall(ways, text)
            told = {Kind[kind]: view for kind, view in found}
            assert told == {Kind(n): views.VIEWS[n].__name__ for n in KINDS}


class TestMisses:
    def test_suggest_names(self, cloud: Btf) -> None:
        with pytest.raises(UnknownNameError, match="no type 'task_strukt'; did you mean 'task_str"):
            cloud["task_strukt"]
        with pytest.raises(UnknownNameError, match=r'no Union .*; there is STRUCT "task_struct"'):
            cloud.find("task_struct", views.Union)
        for wrong in ("task_strukt", "struct task_strukt"):
            with pytest.raises(UnknownNameError, match="'; did you mean 'task_struct'"):
                cloud.read(wrong, b"")
        with pytest.raises(UnknownNameError, match=r'no type .*; there is STRUCT "task_struct"'):
            cloud.read("union task_struct", b"")

    def test_enumerators_are_suggested(self, cloud: Btf) -> None:
        with pytest.raises(UnknownNameError, match="'PIDTYP_TGID'; did you mean 'PIDTYPE_TGID'"):
            cloud.enumerator("PIDTYP_TGID")
        with pytest.raises(UnknownNameError, match="no value 'PIDTYP_PID'; did you mean 'PIDTYPE_"):
            cloud.find("pid_type", views.Enum)["PIDTYP_PID"]
        split = built(views.Enum("e", 4, [views.Enumerator("LONELY_NAME", 1)]))
        with pytest.raises(UnknownNameError, match="did you mean 'LONELY_NAME'"):
            split.enumerator("LONELY_NAM")

    def test_two_of_a_kind_are_told_apart(self) -> None:
        member = views.Member("a", 0)
        btf = built(
            views.Struct("s", 4, [member]),
            views.Struct("s", 8, [member]),
            views.Struct("s", 4, [views.Member("b", 0)]),
            views.Struct("s", 4, [member, member]),
            views.Struct("s", 4, [member]),
        )
        with pytest.raises(AmbiguousNameError) as caught:
            btf["s"]
        assert str(caught.value) == (
            "5 matches for type 's': [1], [2] (size 8, not 4), [3] (members differ from number 0 "
            "'b' on), [4] (2 members, not 1), [5] (no difference); give an id or use find_all"
        )

    def test_enumerators(self, cloud: Btf) -> None:
        found = cloud.enumerator("PIDTYPE_TGID")
        assert (found.value, found.enum.name) == (1, "pid_type")
        assert isinstance(found.enum, views.Enum)
        assert found.enum["PIDTYPE_TGID"] == 1
        assert found.enum.name_of(1) == "PIDTYPE_TGID"
        assert "PIDTYPE_TGID" in found.enum
        assert [one.name for one in found.enum][:2] == ["PIDTYPE_PID", "PIDTYPE_TGID"]
        with pytest.raises(UnknownNameError, match="no enumerator 'NOPE'"):
            cloud.enumerator("NOPE")
        with pytest.raises(UnknownNameError, match="has no value 'NOPE'"):
            found.enum["NOPE"]
        with pytest.raises(UnknownNameError, match="has no name for 99"):
            found.enum.name_of(99)

    def test_enumerators_with_two_values(self) -> None:
        one = views.Enum("a", 4, [views.Enumerator("X", 1)])
        btf = built(one, views.Enum64("b", 8, [views.Enumerator("X", 2)]), one)
        with pytest.raises(AmbiguousNameError, match="3 enumerators 'X' with 2 values: 1 in ENUM"):
            btf.enumerator("X")
        assert built(one, one).enumerator("X").enum.id == 1


class TestOverlaps:
    """Names that are the tails of one long string: in full they are its square."""

    COUNT = 3000

    def overlapping(self) -> Btf:
        strings = b"\0" + b"a" * self.COUNT + b"\0"
        empty = Kind.STRUCT << 24
        words = [word for at in range(self.COUNT, 0, -1) for word in (at, empty, 4)]
        types = np.array(words, "<u4").tobytes()
        sizes = (24, 0, len(types), len(types), len(strings))
        return loads(struct.pack("<HBB5I", 0xEB9F, 1, 0, *sizes) + types + strings)

    def test_they_are_found_and_their_order_is_not_looked_at_for_long(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        btf, looked = self.overlapping(), 0
        eight = names._eight_bytes

        def counted(strings: StringTable, offsets: Index, at: Index, ends: Index) -> Eights:
            nonlocal looked
            looked += 8 * len(at)
            return eight(strings, offsets, at, ends)

        monkeypatch.setattr(names, "_eight_bytes", counted)
        assert [view.id for view in btf.find_all("a" * 10)] == [10]
        assert not btf.is_sorted
        assert 0 < looked < 128 * self.COUNT

    def test_they_are_no_suggestions(self) -> None:
        btf = self.overlapping()
        tracemalloc.start()
        with pytest.raises(UnknownNameError, match=r"^no type 'zzzz'$"):
            btf["zzzz"]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 800 * self.COUNT
        with pytest.raises(UnknownNameError, match="did you mean 'aaaa"):
            btf["a" * 5 + "b"]


class TestPaths:
    def test_through_structs_anonymous_members_and_arrays(self, cloud: Btf) -> None:
        task = cloud.find("task_struct", views.Struct)
        se = task.member("se")
        avg = cloud.find("sched_entity", views.Struct).member("avg")
        load = cloud.find("sched_avg", views.Struct).member("load_avg")
        found = task.member("se.avg.load_avg")
        assert found.bit_offset == se.bit_offset + avg.bit_offset + load.bit_offset
        assert found.type == load.type
        assert cloud.offsetof("struct page", "lru") == 8
        assert cloud.offsetof(task, "pid_links[2]") == task.member("pid_links").byte_offset + 32
        assert cloud.offsetof(task.id, "pid_links[2].next") == cloud.offsetof(task, "pid_links[2]")

    def test_bit_fields_have_no_offset_in_bytes(self) -> None:
        flags = every_kind()
        struct = flags.find("flags", views.Struct)
        second = struct.members[1]
        with pytest.raises(UnresolvedError, match="offsetof_bits"):
            flags.offsetof(struct, second.name)
        with pytest.raises(UnresolvedError, match="bit field at bit 3"):
            _ = second.byte_offset
        assert flags.offsetof_bits("struct flags", second.name) == 3

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("se.nope", "STRUCT 'sched_entity' has no member 'nope'"),
            ("se.on_rqq", "did you mean 'on_rq'"),
            ("parent.pid", "in a PTR: a path doesn't follow pointers"),
            ("pid_links[4]", "index 4 is past the array's 4 elements"),
            ("pid[1]", "can't go on with 1 in a INT"),
            ("", "malformed"),
            (".pid", "malformed"),
            ("pid..x", "malformed"),
            ("pid[x]", "malformed"),
        ],
    )
    def test_wrong_ways_are_worded(self, cloud: Btf, path: str, message: str) -> None:
        with pytest.raises(NoMemberError, match=re.escape(message)) as caught:
            cloud.find("task_struct", views.Struct).member(path)
        assert isinstance(caught.value, UnknownNameError)
        with pytest.raises(NoMemberError, match=re.escape(message)):
            cloud.offsetof("task_struct", path)

    def test_what_has_no_members(self) -> None:
        with pytest.raises(UnresolvedError, match=r'INT "int" \[1\] is not a struct or union'):
            tiny().offsetof("int", "a")

    def test_stripped(self, cloud: Btf) -> None:
        assert cloud["pid_t"].stripped.name == "int"
        assert cloud["task_struct"].stripped == cloud["task_struct"]
        circle = built(views.Typedef("t", 2), views.Const(1))
        with pytest.raises(UnresolvedError, match=r'TYPEDEF "t" \[1\] leads back to itself'):
            _ = circle[1].stripped
        assert views.Int("int", 4).stripped == views.Int("int", 4)
        with pytest.raises(UnresolvedError, match="was not read from a container"):
            _ = views.Const(1).stripped

    def test_prototype(self, cloud: Btf) -> None:
        assert cloud.find("vfs_read", views.Func).prototype.params[0].name == "file"
        with pytest.raises(UnresolvedError, match="is not a FUNC_PROTO but Int"):
            _ = built(views.Int("i", 4), views.Func("f", 1)).find("f", views.Func).prototype


class TestWalk:
    def test_offsets_are_those_of_paths(self, cloud: Btf) -> None:
        task = cloud.find("task_struct", views.Struct)
        ways = list(task.walk(nested=True))
        assert len(ways) > 2 * len(task.members) > 0
        assert all(member == task.member(path) for path, member in ways if path)

    def test_members_of_anonymous_members_stand_in_their_place(self) -> None:
        btf = built(
            views.Int("u32", 4),
            views.Union("", 4, [views.Member("a", 1), views.Member("b", 1)]),
            views.Struct("in", 8, [views.Member("x", 1), views.Member("", 2, 32)]),
            views.Struct("s", 12, [views.Member("n", 3), views.Member("", 2, 64)]),
        )
        struct = btf.find("s", views.Struct)
        assert [(path, m.bit_offset) for path, m in struct.walk()] == [
            ("n", 0),
            ("a", 64),
            ("b", 64),
        ]
        nested = [path for path, _ in struct.walk(nested=True)]
        assert nested == ["n", "n.x", "n.a", "n.b", "a", "b"]

    def test_circles_and_thickets_end(self) -> None:
        circle = built(views.Struct("s", 4, [views.Member("s", 1)]))
        with pytest.raises(UnresolvedError, match="STRUCT 's' holds itself"):
            list(circle.find("s", views.Struct).walk(nested=True))
        # Each holds the next twice: 2 ** 60 ways to nothing.
        twice = [
            views.Struct("", 0, [views.Member("", i), views.Member("", i)]) for i in range(3, 63)
        ]
        thicket = built(views.Struct("s", 0, [views.Member("", 2)]), *twice, views.Struct("", 0))
        struct = thicket.find("s", views.Struct)
        assert list(struct.walk(nested=True)) == []
        with pytest.raises(UnknownNameError, match="has no member 'x'"):
            struct.member("x")
