"""What a person sees: tables on terminals of any width, colour, a bar, a pager; and plain text."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from screen import in_terminal, screen
from shell import btfschema
from slow import and_slow

from btfschema import Builder, dumps, views
from btfschema.cli import PAGED
from btfschema.cli.bar import Bar
from btfschema.cli.pager import pager_command
from btfschema.cli.table import Table
from btfschema.cli.terminal import colours

COLOUR = {"NO_COLOR": ""}
ESCAPE = "\x1b["


@pytest.fixture(scope="module")
def folder(kernel_folder: Callable[..., Path]) -> Path:
    return kernel_folder(("8021q", "ahci", "libiscsi", "nvme-fabrics"))


@pytest.fixture(scope="module")
def checking(folder: Path) -> list[str | Path]:
    options: list[str | Path] = ["-B", folder / "cloud", "-T", f"old={folder / 'cloud'}"]
    return ["check", "--all", folder / "modules", *options, "-T", f"new={folder / 'generic'}"]


def slow(*case: object) -> Any:
    """A case that starts two processes, left to the run of what takes long."""
    return pytest.param(*case, marks=pytest.mark.slow)


TABLE = Table(
    ("kernel", "breaks", "reason"),
    [("6.12", "7", "struct auxiliary_device: size 832, in the target 840"), ("6.13", "12", "none")],
    right={1},
)


class TestTables:
    @pytest.mark.parametrize("columns", and_slow(100, 24, slow=[50]))
    def test_every_word_is_there_and_none_is_cut(
        self, folder: Path, checking: list[str | Path], columns: int
    ) -> None:
        text, code = in_terminal(columns, *checking)
        assert code == 1
        lines = screen(text, columns)
        assert max(map(len, lines)) <= columns
        plain = btfschema(*checking).stdout.decode()
        start = next(number for number, line in enumerate(lines) if line.startswith("kernel"))
        words = set(" ".join(lines[start:]).split())
        # A word that is longer than a line can't but be cut.
        long = {word for word in plain.split() if len(word) > 12} if columns == 24 else set()
        assert set(plain.split()) - long <= words
        if columns == 100:
            assert lines[start:] == [*plain.split("\n")]

    def test_cells_are_wrapped_below_themselves(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert wrapped(TABLE, 44, monkeypatch) == [
            "kernel  breaks  reason",
            "6.12         7  struct auxiliary_device:",
            "                size 832, in the target 840",
            "6.13        12  none",
        ]

    def test_very_narrow_a_cell_is_a_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert wrapped(TABLE, 24, monkeypatch)[:3] == [
            "kernel  6.12",
            "breaks  7",
            "reason  struct",
        ]

    def test_plain_text_is_wrapped_nowhere(self) -> None:
        assert str(TABLE).splitlines() == [
            "kernel  breaks  reason",
            "6.12         7  struct auxiliary_device: size 832, in the target 840",
            "6.13        12  none",
        ]

    def test_names_can_do_nothing_to_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither Rich's markup nor a terminal's."""
        evil = Table(("name",), [("[red]a[/red] :smile: \x1b[2J\n\udcff and more, and more",)])
        lines = wrapped(evil, 30, monkeypatch)
        assert "".join(lines[1:]).replace(" ", "") == (
            "[red]a[/red]:smile:\\x1b[2J\\n\\xffandmore,andmore"
        )

    def test_a_pipe_gets_the_same_bytes_whatever_the_terminal(
        self, checking: list[str | Path]
    ) -> None:
        env = {"COLUMNS": "30", "TERM": "xterm", "PAGER": "false"}
        assert btfschema(*checking, env=env).stdout == btfschema(*checking).stdout


def wrapped(table: Table, columns: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a terminal of this width shows of a table."""
    out = _Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    table.show()
    return [line.rstrip() for line in out.getvalue().splitlines()]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestColour:
    @pytest.mark.parametrize(
        ("env", "choice", "coloured"),
        [
            ({}, "auto", True),
            ({"NO_COLOR": "1"}, "auto", False),
            ({"TERM": "dumb"}, "auto", False),
            ({"TERM": "dumb", "FORCE_COLOR": "1"}, "auto", True),
            ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, "auto", False),
            ({"NO_COLOR": "1"}, "always", True),
            ({}, "never", False),
        ],
    )
    def test_on_a_terminal(
        self, env: dict[str, str], choice: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {"NO_COLOR": "", "FORCE_COLOR": "", "TERM": "xterm", **env}.items():
            monkeypatch.setenv(name, value)
        assert colours(_Terminal(), choice) is coloured

    def test_a_terminal_that_wants_none_gets_none(self, btf: Path) -> None:
        text, code = in_terminal(80, "show", "holed", btf)
        assert (ESCAPE in text, code) == (False, 0)

    @pytest.mark.parametrize(
        ("env", "before", "after", "coloured"),
        [
            ({}, [], [], False),
            ({"FORCE_COLOR": "1"}, [], [], True),
            slow({"FORCE_COLOR": "0"}, [], [], False),
            slow({}, ["--color", "always"], [], True),
            ({}, [], ["--color=always"], True),
            # The nearer one is meant.
            slow({}, ["--color", "always"], ["--color", "never"], False),
            slow({"FORCE_COLOR": "1"}, ["--color", "never"], [], False),
        ],
    )
    def test_to_a_pipe(
        self,
        btf: Path,
        env: dict[str, str],
        before: list[str],
        after: list[str],
        coloured: bool,
    ) -> None:
        clean = {"NO_COLOR": "", "FORCE_COLOR": ""}
        done = btfschema(*before, "show", "holed", btf, *after, env={**clean, **env})
        assert (ESCAPE.encode() in done.stdout) is coloured
        # Without its colours it is what a pipe gets.
        plain = re.sub(rb"\x1b\[[\d;]*m", b"", done.stdout)
        assert plain == btfschema("show", "holed", btf, env=clean).stdout

    def test_a_bar_and_tables(self, checking: list[str | Path]) -> None:
        text, _ = in_terminal(100, *checking, env=COLOUR)
        assert f"{ESCAPE}1mkernel" in text
        # What is killed could not show it again.
        assert f"{ESCAPE}?25" not in text
        plain, _ = in_terminal(100, *checking, env={"TERM": "dumb", **COLOUR})
        assert ESCAPE not in plain
        assert "4 of 4" in plain


@pytest.fixture
def btf(tmp_path: Path) -> Path:
    b = Builder()
    char, long = b.add(views.Int("char", 1)), b.add(views.Int("long", 8))
    b.add(views.Struct("holed", 16, [views.Member("a", char), views.Member("b", long, 64)]))
    path = tmp_path / "holed.btf"
    path.write_bytes(dumps(b.build()))
    return path


class TestBar:
    def test_it_never_fills_the_line(self) -> None:
        for columns in range(2, 120):
            out = io.StringIO()
            console = Console(file=out, width=columns, force_terminal=True, color_system=None)
            bar = Bar(console=console, auto_refresh=False, get_time=lambda: self.now)
            self.now = 1000.0
            task = bar.add_task("", total=4230)
            bar.start_task(task)
            for self.now, done in ((1000.0, 1), (1020.0, 2115), (1040.0, 4230)):
                bar.update(task, completed=done)
                (shown,) = bar.get_renderables()
                rendered = console.render_lines(shown, pad=False)
                lines = ["".join(one.text for one in line).rstrip() for line in rendered]
                assert len(lines) == 1
                assert len(lines[0]) < columns
                if done == 2115 and columns >= 70:
                    assert lines[0].endswith(" 2,115 of 4,230, 0:21 left")
                if 15 <= columns < 34:
                    assert lines[0].strip() == f"{done:,} of 4,230"

    now = 0.0

    def test_a_resumed_run_says_what_was_done_already(self, folder: Path, tmp_path: Path) -> None:
        run: list[str | Path] = ["distill", "--all", folder / "modules", "-B", folder / "cloud"]
        run += ["--out-dir", tmp_path / "out"]
        assert b"already" not in btfschema(*run).stderr
        (tmp_path / "out" / "ahci.btf").unlink()
        again = btfschema(*run)
        assert b"3 of 4 files were done already\n4 of 4\n" in again.stderr
        assert b"already" not in btfschema(*run, "--quiet").stderr
        text, code = in_terminal(80, *run)
        lines = screen(text, 80)
        assert (lines[:2], code) == (["4 of 4 files were done already", f"{'━' * 36} 4 of 4"], 0)


class TestPager:
    def pager(self, tmp_path: Path, then: str = "cat") -> dict[str, str]:
        """One that notes what it was given, and in which environment."""
        seen = tmp_path / "seen"
        return {"PAGER": f"env > {seen}.env; tee {seen} | {then}", "NO_COLOR": ""}

    def test_long_output_goes_through_it(self, btf: Path, tmp_path: Path) -> None:
        text, code = in_terminal(80, "show", "holed", btf, env=self.pager(tmp_path))
        assert code == 0
        seen = (tmp_path / "seen").read_bytes().decode()
        assert text.replace("\r\n", "\n") == seen
        # Colour goes with it, and less gets what git gives it.
        assert ESCAPE in seen
        assert "LESS=FRX" in (tmp_path / "seen.env").read_text().splitlines()

    def test_the_users_less_stays(self, btf: Path, tmp_path: Path) -> None:
        in_terminal(80, "show", "holed", btf, env={**self.pager(tmp_path), "LESS": "S"})
        assert "LESS=S" in (tmp_path / "seen.env").read_text().splitlines()

    @pytest.mark.parametrize(
        ("before", "after", "env"),
        [
            slow([], [], {"BTFSCHEMA_PAGER": "cat"}),
            slow(["--no-pager"], [], {}),
            ([], ["--no-pager"], {}),
        ],
    )
    def test_it_is_not_wanted(
        self, btf: Path, tmp_path: Path, before: list[str], after: list[str], env: dict[str, str]
    ) -> None:
        env = {**self.pager(tmp_path), **env}
        text, code = in_terminal(80, *before, "show", "holed", btf, *after, env=env)
        assert (code, "struct holed" in text) == (0, True)
        assert not (tmp_path / "seen").exists()

    def test_a_pipe_has_none(self, btf: Path, tmp_path: Path) -> None:
        btfschema("show", "holed", btf, env=self.pager(tmp_path), apart=True)
        assert not (tmp_path / "seen").exists()

    def test_work_with_a_bar_has_none(self, folder: Path, tmp_path: Path) -> None:
        env = self.pager(tmp_path)
        verify: list[str | Path] = ["--all", folder / "modules", "-B", folder / "cloud"]
        in_terminal(80, "verify", *verify, env=env)
        assert not (tmp_path / "seen").exists()

    def test_errors_and_bytes_pass_it_by(self, btf: Path, tmp_path: Path) -> None:
        text, code = in_terminal(80, "show", "nosuch", btf, env=self.pager(tmp_path))
        assert (code, "nosuch" in text) == (1, True)
        in_terminal(80, "extract", btf, "-o", "-", env=self.pager(tmp_path))
        assert not (tmp_path / "seen").exists()

    def test_what_is_not_read_to_its_end_ends_without_a_word(
        self, folder: Path, tmp_path: Path
    ) -> None:
        """And only when the pager has ended."""
        env = self.pager(tmp_path) | {"PAGER": "head -n 2; sleep 0.3; echo closed"}
        text, code = in_terminal(80, "dump", folder / "cloud", env=env)
        lines = text.split("\r\n")
        assert (len(lines), lines[2:], code) == (4, ["closed", ""], 141)

    def test_a_pager_that_is_not_there(self, btf: Path) -> None:
        text, code = in_terminal(80, "show", "holed", btf, env={"PAGER": "no-such-pager"})
        assert "no-such-pager" in text
        assert "Traceback" not in text
        assert code in (0, 141)

    def test_which(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
        monkeypatch.setenv("TERM", "xterm")
        for name in ("PAGER", "BTFSCHEMA_PAGER"):
            monkeypatch.delenv(name, raising=False)
        assert pager_command() == "less"
        monkeypatch.setenv("TERM", "dumb")
        assert pager_command() is None
        monkeypatch.setenv("PAGER", "more -d")
        assert pager_command() == "more -d"
        monkeypatch.setenv("BTFSCHEMA_PAGER", "")
        assert pager_command() is None

    def test_only_commands_that_print_have_the_option(self) -> None:
        assert b"--no-pager" in btfschema("show", "--help").stdout
        assert b"--no-pager" not in btfschema("distill", "--help").stdout
        assert "distill" not in PAGED


@pytest.mark.parametrize("args", [["--help"], ["passes"], ["show", "--help"]])
def test_what_needs_no_terminal_does_not_import_rich(args: list[str]) -> None:
    code = (
        "import sys, json\n"
        "from btfschema.cli import main\n"
        "try: main(json.loads(sys.argv[1]))\n"
        "except SystemExit: pass\n"
        "print(*{'rich', 'jinja2', 'btfschema.cli.pager'} & set(sys.modules), file=sys.stderr)"
    )
    run = [sys.executable, "-c", code, json.dumps(args)]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stderr == "\n"
