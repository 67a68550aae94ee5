"""The page of ``diff``: causes first, C beside C, links both ways, hostile names as text."""

from __future__ import annotations

import re
from html import escape, unescape
from pathlib import Path

import pytest
from browser import browse
from click.testing import CliRunner
from figures import draw
from hypothesis import example, given
from test_pages import FOOT, HOSTILE, WIDE, Page

from btfschema import Btf, Builder, dump, views
from btfschema.cli import cli
from btfschema.cli.diff_page import DiffPage
from btfschema.errors import EncodeError
from btfschema.questions import diff
from btfschema.questions.comparison import Diff
from btfschema.questions.sidebyside import Line, side_by_side
from btfschema.testing import btfs

INT = views.Int("int", 4, views.IntEncoding.SIGNED)


def struct(name: str, size: int, *rows: tuple[str, int, int]) -> views.Struct:
    return views.Struct(name, size, [views.Member(n, t, bit_offset=8 * at) for n, t, at in rows])


def build(*types: views.TypeView) -> Btf:
    builder = Builder()
    builder.add(INT)
    for one in types:
        builder.add(one)
    return builder.build()


OLD = build(
    struct("inner", 4, ("a", 1, 0)),
    struct("outer", 12, ("in", 2, 0), ("b", 1, 4), ("gone", 1, 8)),
    views.Enum("e", 4, [views.Enumerator("A", 0), views.Enumerator("B", 1)]),
    views.FuncProto(1, [views.Param("n", 1)]),
    views.Func("f", 5),
)
NEW = build(
    struct("inner", 8, ("a", 1, 0), ("c", 1, 4)),
    struct("outer", 12, ("in", 2, 0), ("b", 1, 8)),
    views.Enum("e", 4, [views.Enumerator("A", 0), views.Enumerator("B", 2)]),
    views.FuncProto(0, [views.Param("n", 1)]),
    views.Func("f", 5),
    struct("fresh", 4, ("a", 1, 0)),
)


def page_of(found: Diff, old: str = "old", new: str = "new", title: str = "") -> str:
    page = DiffPage(old, new)
    page.add(title, found)
    return page.made([], FOOT)


def lines_of(found: Diff, name: str) -> list[Line]:
    (change,) = [one for one in found.changes.values() if one.new.name == name]
    return side_by_side(found, change)


def test_members_stand_beside_each_other() -> None:
    assert lines_of(diff(OLD, NEW), "outer") == [
        Line("", "struct outer {", "struct outer {"),
        Line(
            "grown", "    struct inner in;", "    struct inner in;", "0", "0", 0, ("struct inner",)
        ),
        Line("moved", "    int b;", "    int b;", "4", "8", 32),
        Line("removed", "    int gone;", "", "8", ""),
        Line("", "};", "};"),
    ]


def test_anonymous_structs_are_shown_where_they_are() -> None:
    def with_union(*names: str) -> Btf:
        inner = views.Union("", 4, [views.Member(name, 1) for name in names])
        return build(inner, struct("s", 12, ("", 2, 0), ("u", 2, 4), ("z", 1, 8)))

    lines = lines_of(diff(with_union("a"), with_union("a", "b")), "s")
    assert [line.new for line in lines] == [
        "struct s {",
        "    union {", "        int a;", "        int b;", "    };",
        "    union {", "        int a;", "        int b;", "    } u;",
        "    int z;",
        "};",
    ]  # fmt: skip
    assert [line.new.strip() for line in lines if line.what == "added"] == ["int b;", "int b;"]


def test_long_runs_are_folded_and_counted() -> None:
    def many(first: int) -> Btf:
        rows = [(f"m{number}", 1, first + 4 * number) for number in range(100)]
        return build(struct("s", 500, *[("new", 1, 0)] * bool(first), *rows))

    lines = lines_of(diff(many(0), many(4)), "s")
    assert [line.new for line in lines if line.what == "folded"] == ["94 more lines, +4 bytes"]
    assert len(lines) == 1 + 1 + 3 + 1 + 3 + 1


def test_other_kinds() -> None:
    found = diff(OLD, NEW)
    assert lines_of(found, "f") == [Line("changed", "int f(int n);", "void f(int n);")]
    assert lines_of(found, "e")[2] == Line("changed", "    B = 1,", "    B = 2,")


@given(btfs(byteorder="little"), btfs(byteorder="little"))
def test_any_difference_has_a_page(old: Btf, new: Btf) -> None:
    found = diff(old, new)
    read = Page(page_of(found))
    read.assert_links_lead_somewhere()
    for change in found.changes.values():
        lines = side_by_side(found, change)
        # Each member of either side is there, or counted.
        shown = [line.what for line in lines if line.what not in ("", "moved", "folded")]
        if len(lines) > 2 and lines[0].new.endswith("{"):
            told = [one.what for one in change.differences if one.what != "moved"]
            assert sorted(shown) == sorted(told)


def test_causes_come_first_and_links_go_both_ways() -> None:
    text = page_of(diff(OLD, NEW))
    Page(text).assert_links_lead_somewhere()
    cause = text.index('<div id="p0t')
    ids = {
        unescape(title): id_
        for title, id_ in re.findall(
            r"<code>([^<]*)</code><em>[^<]*</em></summary>\n<div id=\"(\w+)\"", text
        )
    }
    assert text.index("struct inner") < text.index("struct outer")
    assert cause < text.index("Only in new")
    parts = dict(re.findall(r'<div id="(\w+)">(.*?)</details>', text, re.DOTALL))
    # outer lost a member by itself, so it is a cause too; it also changed with inner.
    assert f'<a href="#{ids["struct inner"]}">' in parts[ids["struct outer"]]
    assert f'<a href="#{ids["struct inner"]}">why</a>' in parts[ids["struct outer"]]


def test_a_cause_is_linked_to_its_consequences() -> None:
    old = build(struct("inner", 4, ("a", 1, 0)), struct("outer", 4, ("in", 2, 0)))
    new = build(struct("inner", 8, ("a", 1, 0), ("c", 1, 4)), struct("outer", 8, ("in", 2, 0)))
    text = page_of(diff(old, new))
    cause = text[text.index('id="causes"') : text.index('id="consequences"')]
    assert 'Changing with it: <a href="#p0t' in cause
    rest = text[text.index('id="consequences"') :]
    assert 'Changed with <a href="#p0t' in rest


def test_the_same_is_said() -> None:
    assert "<p>Nothing.</p>" in page_of(diff(OLD, OLD))


@given(HOSTILE.filter(lambda text: "\0" not in text), HOSTILE)
@example("\ud800", "f")
def test_names_of_any_characters_are_text(name: str, file: str) -> None:
    def named(name: str, size: int) -> Btf:
        rows = [("a", 1, 0), (name, 1, 4)][: size // 4]
        return build(struct(name, size, *rows), struct(name + "x", size, ("in", 2, 0)))

    try:
        found = diff(named(name, 4), named(name, 8))
    except EncodeError:
        return
    text = page_of(found, file, file, file)
    text.encode()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    wanted = Page(page_of(diff(named("t", 4), named("t", 8)), "f", "f", "f"))
    read = Page(text)
    assert sorted(read.tags) == sorted(wanted.tags)
    assert len(read.values) == len(wanted.values)


def test_command(tmp_path: Path) -> None:
    dump(OLD, tmp_path / "old.btf")
    dump(NEW, tmp_path / "new.btf")
    files = str(tmp_path / "old.btf"), str(tmp_path / "new.btf")
    made = tmp_path / "page.html"
    done = CliRunner().invoke(cli, ["diff", *files, "--html", str(made), "-q"])
    assert (done.exit_code, done.stdout) == (1, f"{files[0]} and {files[1]} differ\n")
    assert "From <b>old.btf</b> to <b>new.btf</b>" in made.read_text()
    done = CliRunner().invoke(cli, ["diff", *files, "--html", "-"])
    assert done.stdout.startswith("<!DOCTYPE html>")
    assert done.stdout.endswith("</html>\n") or done.stdout.endswith("</html>")
    assert CliRunner().invoke(cli, ["diff", *files, "--html", files[0]]).exit_code == 2


def test_a_page_of_trees_names_the_modules(tmp_path: Path) -> None:
    for side, btf in (("a", OLD), ("b", NEW)):
        (tmp_path / side).mkdir()
        for module in ("one", "two"):
            dump(btf, tmp_path / side / f"{module}.btf")
    dump(OLD, tmp_path / "a" / "only.btf")
    made = tmp_path / "page.html"
    sides = str(tmp_path / "a"), str(tmp_path / "b")
    CliRunner().invoke(cli, ["diff", "--all", *sides, "--html", str(made), "-q"])
    read = Page(made.read_text())
    read.assert_links_lead_somewhere()
    said = " ".join(read.text)
    assert "1 added, one" in said
    assert "1 added, two" in said
    assert f"Only in {sides[0]}: only" in said


@pytest.fixture(scope="module")
def kernels(cloud: Btf, generic: Btf) -> Diff:
    return diff(cloud, generic)


def test_two_kernels_are_a_page_that_can_be_sent(kernels: Diff) -> None:
    text = page_of(kernels)
    Page(text).assert_links_lead_somewhere()
    assert len(text) < 1_500_000
    first = text[text.index('id="causes"') :]
    assert first.index("struct device<") < first.index("struct zswap_lruvec_state<")


@pytest.mark.debian
@pytest.mark.parametrize("width", [400, 1000])
def test_nothing_runs_out_of_the_page(kernels: Diff, tmp_path: Path, width: int) -> None:
    made = page_of(kernels).replace("</body>", f"{WIDE}</body>")
    shown = tmp_path / "page.html"
    frame = f'<iframe style="width: {width}px; height: 900px" srcdoc="{escape(made)}"></iframe>'
    shown.write_text(f"<!DOCTYPE html><title></title>{frame}")
    dom = browse(shown, "--dump-dom", "--hide-scrollbars", "--virtual-time-budget=5000").decode()
    found = re.search(r"<title>(\d+) (\d+) (\d+)</title>", dom)
    assert found is not None
    assert found.groups() == (str(width), str(width), "0")


@pytest.mark.debian
def test_filters_leave_a_kind_and_what_changed_its_size(kernels: Diff, tmp_path: Path) -> None:
    click = (
        "<script>const box = document.querySelector('[data-only=sized]'); box.click();"
        "const kind = document.querySelector('select'); kind.value = 'struct';"
        "kind.dispatchEvent(new Event('input'));"
        "document.title = [...document.querySelectorAll('#causes > details')].filter("
        "one => !one.hidden).length;</script>"
    )
    shown = tmp_path / "page.html"
    shown.write_text(page_of(kernels).replace("</body>", f"{click}</body>"))
    dom = browse(shown, "--dump-dom").decode()
    wanted = [
        one for one in kernels.causes if one.new.kind == "STRUCT" and one.old.size != one.new.size
    ]
    assert f"<title>{len(wanted)}</title>" in dom
    assert wanted


@pytest.mark.debian
def test_the_figures_can_be_drawn(tmp_path: Path) -> None:
    draw(tmp_path)
    light, dark = ((tmp_path / name).read_bytes() for name in ("diff.png", "diff-dark.png"))
    assert light != dark
    assert min(len(light), len(dark)) > 20_000
