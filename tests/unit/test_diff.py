"""What changed between two containers, against a naive implementation over the views."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from click.testing import CliRunner
from hypothesis import given, settings

from btfschema import Btf, Builder, dump, loads, views
from btfschema.cli import cli
from btfschema.questions import diff
from btfschema.questions.changes import Part
from btfschema.questions.comparison import Change, Diff
from btfschema.questions.difftext import lines
from btfschema.testing import btfs

INT = views.Int("int", 4, views.IntEncoding.SIGNED)
Members = list[tuple[str, int, int]]


def build(*types: views.TypeView) -> Btf:
    builder = Builder()
    builder.add(INT)
    for one in types:
        builder.add(one)
    return builder.build()


def struct(name: str, size: int, *members: tuple[str, int, int]) -> views.Struct:
    return views.Struct(name, size, [views.Member(n, t, bit_offset=8 * at) for n, t, at in members])


def change(found: Diff, name: str) -> Change:
    (one,) = [one for one in found.changes.values() if one.new.name == name]
    return one


def told(one: Change) -> list[tuple[str, str]]:
    return [(each.what, each.name) for each in one.differences]


def test_a_struct_that_grew_since_another_did_is_its_consequence() -> None:
    old = build(
        struct("inner", 4, ("a", 1, 0)),
        struct("outer", 8, ("in", 2, 0), ("b", 1, 4)),
        views.Array(3, 1, 2),
        struct("outmost", 16, ("all", 4, 0)),
        struct("points", 8, ("to", 7, 0)),
        views.Ptr(2),
    )
    new = build(
        struct("inner", 8, ("a", 1, 0), ("c", 1, 4)),
        struct("outer", 12, ("in", 2, 0), ("b", 1, 8)),
        views.Array(3, 1, 2),
        struct("outmost", 24, ("all", 4, 0)),
        struct("points", 8, ("to", 7, 0)),
        views.Ptr(2),
    )
    found = diff(old, new)
    assert [one.new.name for one in found.causes] == ["inner"]
    assert told(change(found, "inner")) == [("added", "c")]
    assert [name for _, name, _ in change(found, "inner").consequences] == ["outer", "outmost"]
    assert told(change(found, "outer")) == [("grown", "in"), ("moved", "b")]
    assert found.counts()["STRUCT"] == {
        "added": 0, "removed": 0, "changed": 1, "consequence": 2, "same": 1,
    }  # fmt: skip


def test_equal_differences_are_equal_and_shown_in_a_line() -> None:
    old = build(struct("inner", 4, ("a", 1, 0)), struct("outer", 8, ("in", 2, 0), ("b", 1, 4)))
    new = build(struct("inner", 8, ("a", 1, 0)), struct("outer", 12, ("in", 2, 0), ("b", 1, 8)))
    found = diff(old, new)
    assert found == diff(old, new) == pickle.loads(pickle.dumps(found))
    assert found != diff(new, old)
    assert len({*found.causes, *diff(old, new).causes}) == 1
    assert repr(found) == "<Diff: 0 added, 0 removed, 1 changed, 1 consequences>"
    assert repr(found.consequences) == "[<Change of struct outer: 2 differences, 0 consequences>]"


def test_another_name_at_the_same_place_is_a_renaming() -> None:
    old = build(struct("rq", 12, ("cpu", 1, 0), ("nr_running", 1, 4), ("z", 1, 8)))
    new = build(struct("rq", 12, ("cpu", 1, 0), ("nr_queued", 1, 4), ("z", 1, 8)))
    (one,) = change(diff(old, new), "rq").differences
    assert (one.what, one.name) == ("renamed", "nr_queued")
    assert one.before is not None
    assert one.before.name == "nr_running"


def test_a_member_of_another_type_at_the_same_place_was_not_renamed() -> None:
    old = build(struct("s", 4, ("a", 1, 0)))
    new = build(struct("s", 4, ("b", 3, 0)), views.Int("unsigned int", 4))
    assert told(change(diff(old, new), "s")) == [("removed", "a"), ("added", "b")] or told(
        change(diff(old, new), "s")
    ) == [("added", "b"), ("removed", "a")]


def test_members_of_anonymous_structs_count_as_the_owner_s() -> None:
    old = build(struct("", 4, ("x", 1, 0)), struct("s", 8, ("", 2, 0), ("y", 1, 4)))
    new = build(struct("", 8, ("x", 1, 0), ("w", 1, 4)), struct("s", 12, ("", 2, 0), ("y", 1, 8)))
    assert told(change(diff(old, new), "s")) == [("added", "w"), ("moved", "y")]


def test_a_change_of_an_anonymous_struct_behind_a_pointer_is_a_change() -> None:
    old = build(struct("", 4, ("x", 1, 0)), views.Ptr(2), struct("s", 8, ("p", 3, 0)))
    new = build(struct("", 4, ("z", 1, 0)), views.Ptr(2), struct("s", 8, ("p", 3, 0)))
    assert told(change(diff(old, new), "s")) == [("changed", "p")]


def test_values_of_enums() -> None:
    def enum(*values: tuple[str, int]) -> Btf:
        return build(views.Enum("e", 4, [views.Enumerator(n, v) for n, v in values]))

    found = diff(enum(("A", 0), ("B", 1), ("C", 2)), enum(("A", 0), ("B2", 1), ("C", 3), ("D", 4)))
    assert told(change(found, "e")) == [("renamed", "B2"), ("changed", "C"), ("added", "D")]


def test_prototypes_of_functions() -> None:
    old = build(views.FuncProto(1, [views.Param("a", 1)]), views.Func("f", 2))
    new = build(
        views.Ptr(1), views.FuncProto(1, [views.Param("a", 2), views.Param("b", 1)]),
        views.Func("f", 3),
    )  # fmt: skip
    found = diff(old, new)
    assert told(change(found, "f")) == [("changed", "a"), ("added", "b")]


def test_a_definition_in_place_of_a_declaration() -> None:
    found = diff(build(views.Fwd("s")), build(struct("s", 4, ("a", 1, 0))))
    (one,) = change(found, "s").differences
    assert str(one.before) == "declared only"
    assert list(lines(found))[-1] == "  ~ declared only -> defined, 4 bytes"


def test_numbers_in_text_have_plurals_and_separators() -> None:
    assert str(Part("a", "bool", 1043, 1, 1)) == "bool, 1 bit at bit 1,043"
    assert str(Part("a", "char", 0, 0, 1)) == "char, 1 byte at 0"
    assert str(Part("a", "char[1920]", 8 * 4760, 0, 1920)) == "char[1920], 1,920 bytes at 4,760"
    old = build(struct("s", 8, ("a", 1, 0), ("b", 1, 1)))
    new = build(struct("s", 8, ("a", 1, 0), ("b", 1, 2)))
    assert list(lines(diff(old, new)))[-1] == "  > b: +1 byte"


def test_types_of_one_name_are_matched_by_what_they_say() -> None:
    one, two = struct("s", 4, ("a", 1, 0)), struct("s", 4, ("b", 1, 0))
    assert not diff(build(one, two), build(two, one))
    found = diff(build(one, two), build(two))
    assert [entry.name for entry in found.removed] == ["s"]
    assert not found.changes


def test_many_types_of_one_name_take_no_time_that_grows_with_their_square() -> None:
    old = build(*[struct("s", 4, (f"a{i}", 1, 0)) for i in range(3000)])
    new = build(*[struct("s", 4, (f"b{i}", 1, 0)) for i in range(3000)])
    assert len(diff(old, new).changes) == 3000


@given(btfs())
@settings(max_examples=40)
def test_nothing_differs_from_itself(btf: Btf) -> None:
    assert not diff(btf, btf)


@given(btfs(byteorder="little"), btfs(byteorder="little"))
@settings(max_examples=40)
def test_any_two_have_an_answer_that_adds_up(old: Btf, new: Btf) -> None:
    found, back = diff(old, new), diff(new, old)
    assert [one.name for one in found.added] == [one.name for one in back.removed]
    assert len(found.changes) == len(back.changes)
    json.dumps(found.as_dict())


def described(btf: Btf, type_id: int, seen: tuple[int, ...] = ()) -> Any:
    """What a reference says: kind and name, or all of an unnamed type."""
    view: Any = btf[type_id]
    if isinstance(view, views.Void) or type_id in seen:
        return "again" if type_id else "void"
    name = getattr(view, "name", "")
    if isinstance(view, views.Fwd):
        return ("UNION" if view.is_union else "STRUCT"), name
    if name and not isinstance(view, views.TypeTag):
        return view.kind.name, name
    return said(btf, view, (*seen, type_id))


def said(btf: Btf, view: Any, seen: tuple[int, ...] = ()) -> Any:
    """What a type says itself."""
    if isinstance(view, views.Struct | views.Union):
        members = [
            (m.name, described(btf, m.type_id, seen), m.bit_offset, m.bitfield_size)
            for m in view.members
        ]
        return [view.kind.name, view.size, members]
    if isinstance(view, views.Enum | views.Enum64):
        return [view.size, [(e.name, e.value) for e in view.values]]
    if isinstance(view, views.FuncProto):
        params = [(p.name, described(btf, p.type_id, seen)) for p in view.params]
        return [described(btf, view.type_id, seen), params]
    rest = [getattr(view, "nelems", None), getattr(view, "name", "")]
    return [view.kind.name, rest, [described(btf, one, seen) for one in view.references[:1]]]


def naive(btf: Btf) -> dict[tuple[str, str], list[Any]]:
    """Of a tenth of the names, the structs, unions and enums, and what each says."""
    found: dict[tuple[str, str], list[Any]] = {}
    for row in btf.types.rows_of(4, 5, 6).tolist():
        view: Any = btf[row + 1]
        if view.name and sampled(view.name):
            found.setdefault((view.kind.name, view.name), []).append(said(btf, view))
    return found


def sampled(name: str) -> bool:
    return crc32(name.encode()) % 10 == 0


@pytest.fixture(scope="session")
def kernels(cloud: Btf, generic: Btf) -> Diff:
    return diff(cloud, generic)


@pytest.mark.slow
def test_two_kernels_as_a_naive_comparison_has_them(
    kernels: Diff, cloud: Btf, generic: Btf
) -> None:
    old, new = naive(cloud), naive(generic)
    declared = {
        btf.strings[int(btf.types.name_offs[row])]
        for btf in (cloud, generic)
        for row in btf.types.rows_of(7).tolist()
    }

    def ours(entries: Any) -> set[tuple[str, str]]:
        kinds = {"STRUCT", "UNION", "ENUM"}
        return single({(e.kind, e.name) for e in entries if e.kind in kinds and sampled(e.name)})

    def single(keys: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those with one type of the name, which is not just declared somewhere."""
        return {
            key
            for key in keys
            if len(old.get(key, [0])) == len(new.get(key, [0])) == 1 and key[1] not in declared
        }

    assert len(old) > 800
    assert ours(kernels.added) == single(set(new) - set(old))
    assert ours(kernels.removed) == single(set(old) - set(new))
    changed = single({key for key in set(old) & set(new) if old[key] != new[key]})
    mine = ours([one.new for one in kernels.changes.values()])
    assert changed == mine
    assert changed


def test_causes_of_two_kernels(kernels: Diff) -> None:
    first = kernels.causes[0]
    assert (first.new.title, first.old.size, first.new.size) == ("struct device", 760, 768)
    assert [one.name for one in first.differences if one.is_own] == ["pins"]
    assert len(first.consequences) == 68
    roots = {key for one in kernels.causes for key in one.consequences}
    assert {one.key for one in kernels.consequences} == roots


def grouped(*more: tuple[str, int, int], mirrored: bool = True) -> Btf:
    """A struct with members in a group, as the kernel's ``struct_group`` declares them."""
    members = (("a", 1, 0), *more, ("b", 1, 4 + 4 * len(more)))
    size = 4 * len(members)
    return build(
        struct("", size, *members),
        struct("", size, *(members if mirrored else members[:1])),
        views.Union("", size, [views.Member("", 2), views.Member("g", 3)]),
        struct("s", 4 + size, ("", 4, 0), ("last", 1, size)),
    )


def test_members_of_a_group_are_said_once() -> None:
    found = diff(grouped(), grouped(("new", 1, 4)))
    assert [name for _, name in told(change(found, "s"))] == [
        *("new", "b", "g.new", "g.b", "last"),
    ]
    text = list(lines(found))
    assert text[text.index("struct s: 12 -> 16 bytes (+4)") + 1 :] == [
        "  + new: int, 4 bytes at 4",
        "  > b to last (2 members): +4 bytes",
        "    and the same in g (2 members)",
    ]


def test_members_of_a_group_that_is_new_are_said() -> None:
    text = "\n".join(lines(diff(grouped(mirrored=False), grouped())))
    assert "  + g.b: int, 4 bytes at 4" in text
    assert "the same" not in text


class TestCommand:
    @pytest.fixture
    def files(self, tmp_path: Path) -> tuple[str, str]:
        old = build(struct("s", 4, ("a", 1, 0)), struct("t", 4, ("a", 1, 0)))
        new = build(struct("s", 8, ("a", 1, 0), ("b", 1, 4)), struct("u", 4, ("a", 1, 0)))
        for name, btf in (("old", old), ("new", new)):
            (tmp_path / name).mkdir()
            dump(btf, tmp_path / name / "m.btf")
        return str(tmp_path / "old" / "m.btf"), str(tmp_path / "new" / "m.btf")

    def run(self, *args: str) -> Any:
        return CliRunner().invoke(cli, ["diff", *args])

    def test_text_and_exit_codes(self, files: tuple[str, str]) -> None:
        done = self.run(*files)
        assert done.exit_code == 1
        assert "struct s: 4 -> 8 bytes (+4)\n  + b: int, 4 bytes at 4" in done.output
        assert self.run(files[0], files[0]).exit_code == 0
        assert self.run(files[0], "/nowhere").exit_code == 2

    def test_json(self, files: tuple[str, str]) -> None:
        data = json.loads(self.run(*files, "-j").output)
        assert [one["name"] for one in data["causes"]] == ["s"]
        assert [one["name"] for one in data["added"]] == ["u"]
        assert [one["name"] for one in data["removed"]] == ["t"]

    def test_filters(self, files: tuple[str, str], tmp_path: Path) -> None:
        assert "struct s" not in self.run(*files, "--only", "added").output
        assert self.run(files[0], files[0], "--name", "s*").exit_code == 0
        assert self.run(*files, "--kind", "enum").exit_code == 0
        (tmp_path / "api").write_text("# ours\nstruct t # kept\n")
        output = self.run(*files, "--api", str(tmp_path / "api")).output
        assert "Removed: 1" in output
        assert "Changed" not in output

    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            ("strut", "Did you mean STRUCT?"),
            ("struct,union", "several times"),
            ("ptr", "by name"),
            ("decl_tag", "by name"),
            ("999", "unknown kind"),
        ],
    )
    def test_a_kind_that_nothing_can_be_of_is_wrong_usage(
        self, files: tuple[str, str], kind: str, words: str
    ) -> None:
        done = self.run(*files, "--kind", kind)
        assert (done.exit_code, done.stdout) == (2, "")
        assert words in done.stderr

    def test_kinds_have_numbers_too(self, files: tuple[str, str]) -> None:
        assert self.run(*files, "--kind", "4").output == self.run(*files, "--kind", "struct").output

    @pytest.mark.parametrize("name", ["nosuch", "nosuch*", "sss"])
    def test_a_name_in_neither_is_trouble(self, files: tuple[str, str], name: str) -> None:
        done = self.run(*files, "--name", name, "--name", "s")
        assert done.exit_code == 2
        assert "struct s" in done.stdout
        assert f"--name: neither A nor B has a type '{name}'" in done.stderr
        done = self.run(*files, "--name", "s", "--kind", "func")
        assert done.exit_code == 2
        assert "'s' of kind FUNC; there is STRUCT \"s\" [2]" in done.stderr

    def test_lines_of_a_list_that_nothing_has_are_trouble(
        self, files: tuple[str, str], tmp_path: Path
    ) -> None:
        api = tmp_path / "api"
        api.write_text("s\n\nstruct t\nu # new\nfunc s\nstrct s\n")
        done = self.run(*files, "--api", str(api))
        assert done.exit_code == 2
        assert "struct s" in done.stdout
        assert done.stderr.splitlines() == [
            f"btfschema: {api}:5: neither A nor B has a type 'func s'; there is STRUCT \"s\" [2]",
            f"btfschema: {api}:6: neither A nor B has a type 'strct s'",
        ]
        api.write_text("# nothing yet\n")
        assert self.run(files[0], files[0], "--api", str(api)).exit_code == 2
        assert "this is BTF" in self.run(*files, "--api", files[0]).stderr

    def test_a_list_means_types_of_the_kind_that_it_says(self, tmp_path: Path) -> None:
        old, new, api = (str(tmp_path / name) for name in ("old", "new", "api"))
        types = [views.FuncProto(1, []), views.Fwd("declared"), views.Enum("e", 4)]
        words = views.Int("long unsigned int", 8)
        before = build(struct("f", 4), *types, words, views.Func("f", 3))
        after = build(struct("f", 4), *types, words, views.Func("f", 8), views.FuncProto(0, []))
        dump(before, old)
        dump(after, new)
        Path(api).write_text("struct f\nstruct declared\nenum e\nlong unsigned int\n")
        assert self.run(old, new, "--api", api).exit_code == 0
        Path(api).write_text("func f\n")
        assert self.run(old, new, "--api", api).exit_code == 1

    def test_a_name_in_one_pair_of_trees_is_enough(
        self, files: tuple[str, str], tmp_path: Path
    ) -> None:
        for side in ("old", "new"):
            dump(build(struct("extra", 4)), tmp_path / side / "extra.btf")
        trees = str(tmp_path / "old"), str(tmp_path / "new")
        assert self.run("--all", *trees, "--name", "extra").exit_code == 0
        assert self.run("--all", *trees, "--name", "nosuch").exit_code == 2

    def test_a_pair_that_cannot_be_read_does_not_stop_the_others(
        self, files: tuple[str, str], tmp_path: Path
    ) -> None:
        for name in ("a", "z"):
            dump(build(), tmp_path / "old" / f"{name}.btf")
            (tmp_path / "new" / f"{name}.btf").write_bytes(b"no BTF")
        page = tmp_path / "page.html"
        trees = str(tmp_path / "old"), str(tmp_path / "new")
        done = self.run("--all", *trees, "--html", str(page))
        assert done.exit_code == 2
        assert "== m\n" in done.stdout
        assert [f"{name}.btf: " in done.stderr for name in "az"] == [True, True]
        assert "Not compared: z" in page.read_text()
        done = self.run("--all", *trees, "-j")
        assert len(done.stdout.splitlines()) == 1

    def test_trees(self, files: tuple[str, str], tmp_path: Path) -> None:
        dump(build(), tmp_path / "new" / "extra.btf")
        done = self.run("--all", str(tmp_path / "old"), str(tmp_path / "new"))
        assert done.exit_code == 1
        assert "== m\n" in done.output
        assert f"Only in {tmp_path / 'new'}: extra" in done.output


def test_a_module_s_types_are_compared_over_two_bases(
    cloud: Btf, modules: dict[str, bytes]
) -> None:
    btf = loads(modules["nf_tables"], cloud)
    assert not diff(btf, btf)


def test_a_member_of_an_empty_anonymous_struct_counts() -> None:
    empty = struct("", 0)
    old = build(empty, struct("s", 4, ("a", 1, 0)))
    new = build(empty, struct("s", 4, ("empty", 2, 0), ("a", 1, 0)))
    assert told(change(diff(old, new), "s")) == [("added", "empty")]


def outline(btf: Btf, type_id: int, seen: tuple[int, ...] = ()) -> Any:
    """What a type says without offsets and sizes, which follow from what it is made of."""
    view: Any = btf[type_id]
    if type_id in seen or not type_id:
        return "again" if type_id else "void"
    name = getattr(view, "name", "")
    if seen and isinstance(view, views.Fwd):
        return ("UNION" if view.is_union else "STRUCT"), name
    if seen and name:
        return view.kind.name, name
    inside = (*seen, type_id)
    if isinstance(view, views.Struct | views.Union):
        return [
            view.kind.name,
            [(m.name, outline(btf, m.type_id, inside), m.bitfield_size) for m in view.members],
        ]
    if isinstance(view, views.FuncProto):
        params = [(p.name, outline(btf, p.type_id, inside)) for p in view.params]
        return [outline(btf, view.type_id, inside), params]
    if isinstance(view, views.Enum | views.Enum64):
        return [(e.name, e.value) for e in view.values]
    lengths = getattr(view, "nelems", None)
    return [view.kind.name, lengths, [outline(btf, one, inside) for one in view.references[:1]]]


def test_causes_and_consequences_as_a_naive_comparison_has_them(kernels: Diff) -> None:
    """A struct is a consequence when it says the same but for offsets and sizes."""
    both = {"STRUCT", "UNION"}
    changes = [
        one
        for one in kernels.changes.values()
        if one.old.kind == one.new.kind and one.new.kind in both
    ]
    assert len(changes) > 100
    naive = {
        one.key
        for one in changes
        if outline(kernels.old, one.old.id) == outline(kernels.new, one.new.id)
    }
    assert naive == {one.key for one in kernels.consequences}
    # Each of them holds one that changed, and none that is told of has changed by itself.
    assert len(naive) == 72
    for one in kernels.consequences:
        assert one.causes
        assert set(one.causes) <= kernels.changes.keys()
