"""HTML pages: hostile names are text, causes come first, links lead somewhere, both ways."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import browse
from hypothesis import given
from hypothesis import strategies as st
from shell import btfschema

from btfschema.cli.core_page import core_page
from btfschema.cli.matrix import Matrix
from btfschema.cli.page import page
from btfschema.errors import SpecError
from btfschema.render.html import Foot

FOOT = Foot("btfschema check", {"--target": ["a", "b"]}, version="1", made="now")


class Page(HTMLParser):
    """Checks that tags nest; collects ids, links and text."""

    VOID = ("meta", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.values: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.values.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            assert name != "src"
            if name == "href":
                self.links.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def assert_links_lead_somewhere(self) -> None:
        assert len(set(self.ids)) == len(self.ids)
        assert {link[:1] for link in self.links} <= {"#"}
        assert {link[1:] for link in self.links} <= set(self.ids)


def place(type_: str, offset: int, size: int = 8, *, bitfield: bool = False) -> dict[str, Any]:
    return {"type": type_, "offset": offset, "size": size, "bitfield": bitfield}


def reason(name: str, changes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    candidates = [{"id": 1, "kind": "STRUCT", "size": 16}]
    return {
        "kind": "STRUCT",
        "name": name,
        "reason": "size",
        "size": 8,
        "candidates": candidates,
        "matches": [],
        "changes": changes,
    }


def moved(name: str, before: int, after: int) -> dict[str, Any]:
    return {
        "change": "moved",
        "name": name,
        "before": place("int", before),
        "after": place("int", after),
    }


DEVICE = reason(
    "device",
    [
        moved("zero", 0, 8),
        moved("one", 8, 16),
        {
            "change": "removed",
            "name": "driver_override",
            "before": place("char *", 64),
            "after": None,
        },
        moved("two", 72, 64),
    ],
)
# Differs only for what it contains, and for what moved after that.
AUXILIARY = reason(
    "auxiliary_device",
    [
        {
            "change": "changed",
            "name": "dev",
            "before": place("struct device", 0, 760),
            "after": place("struct device", 0, 752),
        },
        moved("id", 760, 752),
    ],
)


def checked(targets: Sequence[str] = ("old", "new"), file: str = "x.ko") -> Matrix:
    matrix = Matrix(tuple(targets))
    rows = [
        {"target": target, "outcome": "mismatch", "reasons": [AUXILIARY, DEVICE]}
        for target in targets
    ]
    matrix.add({"file": file, "outcome": "mismatch", "targets": rows})
    rows = [{"target": target, "outcome": "ok"} for target in targets]
    matrix.add({"file": "fine.ko", "outcome": "ok", "targets": rows})
    return matrix


def test_what_was_removed_stands_above_what_moved_for_it() -> None:
    text = page(checked(), {}, FOOT)
    device = text[text.index('<div id="t0">') : text.index('<div id="t1">')]
    assert device.index("driver_override") < device.index("2 moved by +8 bytes")
    assert device.index("2 moved by +8 bytes") < device.index("1 moved by \N{MINUS SIGN}8 bytes")
    # What follows is folded, as there is a cause.
    assert '<details class="moved">' in device


def test_where_nothing_but_places_changed_they_are_shown() -> None:
    matrix = Matrix(("k",))
    row = {"target": "k", "outcome": "mismatch", "reasons": [reason("s", [moved("a", 0, 8)])]}
    matrix.add({"file": "x.ko", "outcome": "mismatch", "targets": [row]})
    assert '<details class="moved" open>' in page(matrix, {}, FOOT)


def test_a_type_that_contains_the_cause_stands_below_it_and_says_so() -> None:
    text = page(checked(), {}, FOOT)
    assert text.index("<code>struct device</code><em>") < text.index(
        "<code>struct auxiliary_device</code><em>"
    )
    follower = text[text.index('<div id="t1">') :]
    assert follower.index('Contains <a href="#t0">') < follower.index("</div>")


def test_types_that_contain_each_other_are_shown_all_the_same() -> None:
    """No compiler makes such; damaged BTF may."""

    def holding(name: str, other: str) -> dict[str, Any]:
        change = {
            "change": "changed",
            "name": "x",
            "before": place(f"struct {other}", 0, 8),
            "after": place(f"struct {other}", 0, 16),
        }
        return reason(name, [change])

    matrix = Matrix(("k",))
    reasons = [holding("a", "b"), holding("b", "c"), holding("c", "a"), holding("d", "d")]
    row = {"target": "k", "outcome": "mismatch", "reasons": reasons}
    matrix.add({"file": "x.ko", "outcome": "mismatch", "targets": [row]})
    text = page(matrix, {}, FOOT)
    for name in "abcd":
        assert text.count(f"<code>struct {name}</code><em>") == 1


def test_modules_link_to_their_reasons_and_back() -> None:
    read = Page(page(checked(), {}, FOOT))
    read.assert_links_lead_somewhere()
    assert {"#t0", "#t1", "#m0"} <= set(read.links)
    # The module that fits has no reasons.
    assert "#m1" not in read.links


def test_kernels_with_the_same_answer_are_said_together() -> None:
    seven = [f"6.{number}" for number in range(7)]
    text = page(checked(seven), {}, FOOT)
    assert text.count("2 moved by +8 bytes") == 1


def test_the_foot_says_how_the_page_was_made(tmp_path: Path) -> None:
    foot = Foot("btfschema check 'a b.ko'", {"FILE": ["a b.ko"], "-B": []}, made="2026-01-02")
    read = Page(page(checked(), {}, foot))
    said = " ".join("".join(read.text).split())
    assert "btfschema check 'a b.ko'" in said
    assert "2026-01-02" in said
    assert f"btfschema {foot.version}" in said
    assert "-B" not in said


HOSTILE = st.text(
    st.sampled_from("<>&\"'` =/\x1b\n\u202e\udcff{}%#\\a") | st.characters(),
    min_size=1,
    max_size=12,
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_names_of_any_characters_are_text(file: str, kernel: str, name: str) -> None:
    """They add no tag and no attribute, and nothing that can't be printed."""
    matrix = checked([kernel], file)
    changed = reason(name, [{**moved(name, 0, 8), "before": place(name, 0)}])
    row = {"target": kernel, "outcome": "mismatch", "reasons": [changed]}
    matrix.add({"file": "other", "outcome": "mismatch", "targets": [row]})
    foot = Foot(name, {"-B": [file]}, version="1", made="now")
    text = page(matrix, {}, foot)
    text.encode()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    read, plain = Page(text), checked(["k"], "x.ko")
    plain.add({**matrix_row(changed), "file": "other"})
    wanted = Page(page(plain, {}, Foot("c", {"-B": ["i"]}, version="1", made="now")))
    assert sorted(read.tags) == sorted(wanted.tags)
    assert len(read.values) == len(wanted.values)


@pytest.mark.parametrize("date", ["yesterday", "nan", "1e30"])
def test_a_date_that_is_none_is_refused_in_words(
    date: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", date)
    with pytest.raises(SpecError, match=f"SOURCE_DATE_EPOCH is '{date}', expected seconds"):
        Foot()


def matrix_row(changed: dict[str, Any]) -> dict[str, Any]:
    row = {"target": "k", "outcome": "mismatch", "reasons": [{**changed, "name": "t"}]}
    return {"outcome": "mismatch", "targets": [row]}


def failing(path: str, target: str) -> dict[str, Any]:
    return {
        "object": path,
        "target": target,
        "program": "p",
        "section": "s",
        "index": 0,
        "file": "a.c",
        "line": 3,
        "source": "x = y->z;",
        "path": "y.z",
        "kind": "byte_off",
        "reason": "has no member <z>",
    }


def test_pairs_that_break_link_to_the_relocation_and_back() -> None:
    cells = {"k1": ("loads", "breaks"), "k2": ("unread", "unread"), "k3": ("loads", "breaks")}
    rows = [failing("b.o", "k1"), failing("b.o", "k3")]
    text = core_page(["a.o", "b.o"], cells, rows, FOOT)
    read = Page(text)
    read.assert_links_lead_somewhere()
    assert read.links.count("#r0") == 2
    assert len({link for link in read.links if link.startswith("#c")}) == 2
    said = " ".join("".join(read.text).split())
    assert "2 objects on 3 kernels: of 6 pairs 2 load and 2 do not." in said
    assert "has no member <z>" in said


def test_jinja_is_imported_for_pages_alone(tmp_path: Path) -> None:
    code = (
        "import sys, btfschema.cli.check, btfschema.cli.core, btfschema.render.html\n"
        "print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


WIDE = """<script>addEventListener('load', () => {
  for (const one of document.querySelectorAll('details')) one.open = true;
  const over = [...document.querySelectorAll('main *')].filter(
    one => one.getBoundingClientRect().right > innerWidth + 1);
  parent.document.title = `${innerWidth} ${document.documentElement.scrollWidth} ${over.length}`;
});</script>"""


@pytest.mark.debian
@pytest.mark.parametrize("width", [400, 1000])
def test_nothing_runs_out_of_a_page_with_seven_kernels(tmp_path: Path, width: int) -> None:
    kernels = [f"/boot/vmlinuz-6.{number}.0-amd64-{'very' * 9}-long" for number in range(7)]
    long = "a_module_whose_name_is_longer_than_any_telephone_is_wide_and_has_no_place_to_break.ko"
    made = page(checked(kernels, long), {}, FOOT).replace("</body>", f"{WIDE}</body>")
    shown = tmp_path / "page.html"
    # No window is as narrow as a telephone; a frame is.
    frame = f'<iframe style="width: {width}px; height: 900px" srcdoc="{escape(made)}"></iframe>'
    shown.write_text(f"<!DOCTYPE html><title></title>{frame}")
    dom = browse(shown, "--dump-dom", "--hide-scrollbars").decode()
    found = re.search(r"<title>(\d+) (\d+) (\d+)</title>", dom)
    assert found is not None
    assert found.groups() == (str(width), str(width), "0")


@pytest.mark.debian
def test_a_link_opens_what_is_folded_and_heads_are_buttons(tmp_path: Path) -> None:
    shown = tmp_path / "page.html"
    say = (
        "<script>addEventListener('load', () => { location.hash = '#t1'; setTimeout(() => {"
        "const open = document.getElementById('t1').closest('details').open;"
        "const head = document.querySelector('#modules th button'); head.focus(); head.click();"
        "const sorted = head.parentElement.getAttribute('aria-sort');"
        "document.title = `${open} ${sorted} ${document.activeElement === head}`; }, 50); });"
        "</script>"
    )
    shown.write_text(page(checked(), {}, FOOT).replace("</body>", f"{say}</body>"))
    dom = browse(shown, "--dump-dom", "--virtual-time-budget=2000").decode()
    assert "<title>true ascending true</title>" in dom


def test_the_command_names_its_inputs(tmp_path: Path, cloud_bytes: bytes) -> None:
    (tmp_path / "k").write_bytes(cloud_bytes)
    made = tmp_path / "page.html"
    done = btfschema("check", tmp_path / "none.ko", "-T", tmp_path / "k", "--html", made)
    assert done.returncode == 1
    foot = made.read_text().partition("<footer>")[2]
    assert f"<code>btfschema check {tmp_path / 'none.ko'} -T {tmp_path / 'k'} --html" in foot
    assert f"<dt>--target</dt><dd><code>{tmp_path / 'k'}</code>" in foot
