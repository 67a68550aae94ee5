"""``verify`` on directories, and what a terminal shows of work on them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from building import built, refused_base
from screen import in_terminal, screen
from shell import btfschema
from slow import and_slow

from btfschema import Btf, Builder, dump, dumps, load, loads, views
from btfschema.cli.kernels import refusal_of
from btfschema.cli.tree import Kept, Summary
from btfschema.cli.verify import LISTED
from btfschema.verification import oddities, verify
from btfschema_transforms.distill import distill

COUNT = 30
BROKEN, UNREAD = "kernel/fs/broken.btf", "kernel/net/empty.ko"
ERROR = (
    "the file is empty, expected raw BTF, ELF, a kernel boot image, a package, or one of these "
    "compressed"
)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, cloud: Btf, modules: dict[str, bytes]) -> Path:
    """Modules below folders: one that a kernel refuses twice, one that is empty."""
    root = tmp_path_factory.mktemp("verify")
    (root / "vmlinux").write_bytes(dumps(cloud))
    tree = root / "modules"
    for number, name in enumerate(sorted(modules)[:COUNT]):
        folder = tree / "kernel" / ("drivers", "fs", "net")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.btf").write_bytes(modules[name])
    b = Builder(cloud)
    b.add(views.Enum("state", 3))
    b.add(views.Enum("status", 5))
    (tree / BROKEN).write_bytes(dumps(b.build()))
    (tree / UNREAD).write_bytes(b"")
    return root


def run(kernel: Path, *more: str | Path) -> subprocess.CompletedProcess[str]:
    done = btfschema("verify", "--all", kernel / "modules", "-B", kernel / "vmlinux", *more)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


@pytest.fixture(scope="module")
def violations(kernel: Path) -> list[str]:
    path = kernel / "modules" / BROKEN
    found = verify(path.read_bytes(), base=load(kernel / "vmlinux"))
    assert [one.rule.id for one in found] == ["record.size_word"] * 2
    return [f"{path}: {one}" for one in found]


def summary_of(kernel: Path) -> list[str]:
    base = load(kernel / "vmlinux")
    paths = (kernel / "modules").rglob("*.btf")
    types = sum(len(loads(path.read_bytes(), base).types) for path in paths)
    return [
        f"files      {COUNT + 2:>14}",
        f"failed     {2:>14}",
        f"types      {types:>14,}",
        "       2 x breaks record.size_word",
        f"       1 x {ERROR}",
    ]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_tree_is_verified(kernel: Path, violations: list[str], jobs: str) -> None:
    """What is sound is counted, what is not is named, and then counted by rule."""
    done = run(kernel, "--jobs", jobs)
    assert done.returncode == 1
    assert done.stdout.splitlines() == violations + summary_of(kernel)
    assert f"btfschema: {kernel / 'modules' / UNREAD}: {ERROR}\n" in done.stderr
    assert done.stderr.splitlines()[-1] == f"{COUNT + 2} of {COUNT + 2}"


def test_what_needs_no_base_is_verified_without_one(
    kernel: Path, tmp_path: Path, generic: Btf
) -> None:
    """Over another kernel, every one of its ids and names means something else."""
    other, own = tmp_path / "other.btf", tmp_path / "own.btf"
    dump(generic, other)
    own.write_bytes((kernel / "vmlinux").read_bytes())
    done = btfschema("verify", other, own, "-B", kernel / "vmlinux")
    lines = [f"{path}: Linux 6.18 accepts it" for path in (other, own)]
    assert (done.returncode, done.stdout.decode().splitlines()[:2]) == (0, lines)
    for path in (other, own):
        words = f"{path}: stands alone, so it was verified without {kernel / 'vmlinux'}\n"
        assert words in done.stderr.decode()


def test_a_directory_may_be_named_as_a_file(kernel: Path) -> None:
    named = btfschema("verify", kernel / "modules", "-B", kernel / "vmlinux")
    assert named.stdout.decode() == run(kernel).stdout


def test_quiet_prints_failures_only(kernel: Path, violations: list[str]) -> None:
    done = run(kernel, "--quiet")
    assert done.stdout.splitlines() == violations
    (line,) = done.stderr.splitlines()
    assert line == f"btfschema: {kernel / 'modules' / UNREAD}: {ERROR}"


def test_json_stays_json(kernel: Path, tmp_path: Path) -> None:
    """An object for each file, read or not; the summary goes where it is in nobody's way."""
    done = run(kernel, "--json", "--report", tmp_path / "report.jsonl", "--jobs", "2")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    paths = sorted(str(path) for path in (kernel / "modules").rglob("*.*"))
    assert [row["file"] for row in rows] == paths
    unread = {"file": str(kernel / "modules" / UNREAD), "outcome": "error", "message": ERROR}
    read = [row for row in rows if row != unread]
    assert len(read) == len(rows) - 1
    assert {tuple(row) for row in read} == {("file", "outcome", "violations")}
    *told, last = map(json.loads, done.stderr.splitlines())
    assert last["summary"]["outcomes"]["ok"] == len([row for row in rows if row["outcome"] == "ok"])
    assert all(one.keys() <= {"error", "warning", "file", "hint"} for one in told)
    reported = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert [{key: row[key] for key in row if key != "types"} for row in reported] == rows


def test_types_of_a_base_that_a_file_brings_count(
    kernel: Path, tmp_path: Path, modules: dict[str, bytes]
) -> None:
    split, _ = distill(loads(modules["8021q"], load(kernel / "vmlinux")))
    assert split.base is not None
    (tmp_path / "8021q.btf").write_bytes(dumps(split))
    (tmp_path / "8021q.btf.base").write_bytes(dumps(split.base))
    done = btfschema("verify", tmp_path)
    types = len(split.types) + len(split.base.types)
    assert f"types      {types:>14,}" in done.stdout.decode().splitlines()


def test_over_a_wrong_base_violations_are_counted(
    kernel: Path, tmp_path: Path, generic_bytes: bytes, modules: dict[str, bytes]
) -> None:
    """They have one cause; a line a file says it, and the reports have them all."""
    wrong, tree, report = tmp_path / "generic", tmp_path / "modules", tmp_path / "report.jsonl"
    wrong.write_bytes(generic_bytes)
    tree.mkdir()
    for name in ("8021q", "libiscsi", "nf_tables"):
        (tree / f"{name}.btf").write_bytes(modules[name])
    # Broken over any base, and its own strings are used: not doubted.
    damaged = tree / "damaged.btf"
    damaged.write_bytes((kernel / "modules" / BROKEN).read_bytes())
    done = btfschema("verify", "--all", tree, "-B", wrong, "--report", report, "--quiet")
    assert done.returncode == 1
    rows = {row["file"]: row for row in map(json.loads, report.read_text().splitlines())}
    lines = done.stdout.decode().splitlines()
    assert len(lines) == 3 + len(rows[str(damaged)]["violations"])
    for path in sorted(tree.iterdir()):
        said = [line for line in lines if line.startswith(f"{path}: ")]
        found = rows[str(path)]["violations"]
        if path == damaged:
            assert said == [f"{path}: {one['message']}" for one in found]
            continue
        assert len(found) > 80
        assert said == [
            f"{path}: this BTF was probably built over another base than {wrong} "
            f"({len(found):,} violations, which --all-violations lists)"
        ]
        assert rows[str(path)]["doubted_base"] == str(wrong)
    as_json = btfschema("verify", "--all", tree, "-B", wrong, "--json", "--quiet")
    told = [json.loads(line)["violations"] for line in as_json.stdout.splitlines()]
    assert told == [rows[str(path)]["violations"] for path in sorted(tree.iterdir())]


def test_files_that_are_named_are_told_one_by_one(kernel: Path) -> None:
    """As ever: with a line for what is sound, and a last one instead of the summary."""
    files = sorted((kernel / "modules" / "kernel" / "drivers").glob("*.btf"))[:2]
    done = btfschema("verify", *files, "-B", kernel / "vmlinux", "--jobs", "2")
    told = [f"{file}: Linux 6.18 accepts it" for file in files]
    assert done.stdout.decode().splitlines() == [*told, "2 of 2 files are sound"]
    assert (done.returncode, done.stderr) == (0, b"")


def test_notes_are_counted_by_what_they_say(tmp_path: Path) -> None:
    """The types of which a doubt is are examples, and differ from file to file."""
    for name in ("a", "b"):
        wide = views.Enum(name, 8, (views.Enumerator(f"{name}_1", 1),))
        (tmp_path / f"{name}.btf").write_bytes(dumps(built(views.Int("int", 4), wide)))
    done = btfschema("verify", "--all", tmp_path)
    text = oddities(load(tmp_path / "a.btf"))[0].text
    assert f"       2 x noted: {text}" in done.stdout.decode().splitlines()
    (said,) = [line for line in done.stderr.decode().splitlines() if text in line]
    assert said.startswith(f"btfschema: {tmp_path / 'a.btf'}: {text}: ENUM")


@pytest.mark.parametrize("columns", and_slow(40, 8, slow=[120, 24]))
def test_a_terminal_shows_violations_a_full_bar_and_the_summary(
    kernel: Path, violations: list[str], columns: int
) -> None:
    """However narrow it is, each line stands alone, and of the bar only its end is left."""
    text, code = in_terminal(
        columns, "verify", "--all", kernel / "modules", "-B", kernel / "vmlinux"
    )
    assert code == 1
    total = COUNT + 2
    bar = {
        120: f"{'━' * 36} {total} of {total}",
        40: f"{'━' * 18} {total} of {total}",
        24: f"{total} of {total}",
        8: "",
    }[columns]
    error = f"btfschema: {kernel / 'modules' / UNREAD}: {ERROR}"
    *sums, size_word, unread = summary_of(kernel)
    shown = screen(text, columns)
    told = screen("\r\n".join([*violations, error, bar, *sums]), columns)
    assert shown[: len(told)] == told
    # The reasons are wrapped at words, where there is room for words.
    reasons = " ".join(" ".join(shown[len(told) :]).split())
    if columns > 20:
        assert reasons == " ".join(f"{size_word} {unread}".split())
    if columns == 120:
        assert shown[len(told) :] == [size_word, unread, ""]


def test_a_summary_says_when_it_leaves_reasons_out() -> None:
    summary = Summary()
    for number in range(12):
        summary.add({"file": "f", "outcome": "error", "message": f"reason {number}\nand more"})
    lines = str(summary).splitlines()
    assert lines[:3] == [
        f"files      {12:>14}",
        f"failed     {12:>14}",
        "       1 x reason 0",
    ]
    assert lines[-1] == "     and 2 more reasons"


def many_enums(count: int, base: Btf | None = None) -> Btf:
    b = Builder(base)
    for number in range(count):
        b.add(views.Enum(f"e{number}", 3))
    return b.build()


def said(*words: str | Path) -> tuple[int, list[str]]:
    done = btfschema("verify", *words)
    return done.returncode, done.stdout.decode().splitlines()


def test_long_lists_are_cut_and_the_rest_is_counted(tmp_path: Path) -> None:
    file = tmp_path / "many.btf"
    file.write_bytes(dumps(many_enums(LISTED)))
    assert len(said(file)[1]) == LISTED
    file.write_bytes(dumps(many_enums(LISTED + 3)))
    code, lines = said(file)
    assert (code, len(lines)) == (1, LISTED + 1)
    assert lines[-1] == f"{file}: 3 more violations, which --all-violations lists"
    assert len(said(file, "--all-violations")[1]) == LISTED + 3
    (row,) = said(file, "--json")[1]
    assert len(json.loads(row)["violations"]) == LISTED + 3


def test_split_btf_without_its_base_is_told_in_a_line(kernel: Path) -> None:
    file = next((kernel / "modules").rglob("kernel/net/*.btf"))
    code, (line,) = said(file)
    assert code == 1
    start = f"{file}: this is split BTF: name the BTF that it was built over with -B ("
    assert line.startswith(start)
    count = int(line.removeprefix(start).split()[0].replace(",", ""))
    assert line.endswith(" violations, which --all-violations lists)")
    listed = said(file, "--all-violations")[1]
    assert len(listed) == count + 1
    assert json.loads(said(file, "--json")[1][0])["missing_base"] is True


def test_a_wrong_base_comes_before_all_that_comes_of_it(kernel: Path, generic_bytes: bytes) -> None:
    wrong = kernel / "generic"
    wrong.write_bytes(generic_bytes)
    file = next((kernel / "modules").rglob("8021q.btf"), None) or next(
        (kernel / "modules").rglob("kernel/net/*.btf")
    )
    lines = said(file, "-B", wrong, "--all-violations")[1]
    assert lines[0] == f"{file}: this BTF was probably built over another base than {wrong}"
    assert len(lines) > 2


@pytest.fixture
def refused(tmp_path: Path) -> Path:
    """A base that the kernel refuses, and modules over it."""
    base = refused_base()
    (tmp_path / "vmlinux").write_bytes(dumps(base))
    (tmp_path / "modules").mkdir()
    for name in ("a", "b"):
        over = Builder(base)
        over.add(views.Struct(name, 64, [views.Member("p", 2)]))
        (tmp_path / "modules" / f"{name}.btf").write_bytes(dumps(over.build()))
    return tmp_path


def test_a_base_that_the_kernel_refuses_is_said_once(refused: Path) -> None:
    base, tree = refused / "vmlinux", refused / "modules"
    code, lines = said("--all", tree, "-B", base, "--quiet")
    assert code == 1
    assert lines[0].startswith(f'{base}: type 5 (DATASEC ".data..percpu") variable 1 "second"')
    assert 'expected at least 1344, where "first" ends, and less than 2048' in lines[0]
    assert lines[1:] == [
        f"{path}: no module loads over {base}, which the kernel refuses itself"
        for path in sorted(tree.iterdir())
    ]
    row = json.loads(said(tree / "a.btf", "-B", base, "--json")[1][0])
    assert (row["outcome"], row["violations"]) == ("refused", [])
    assert row["base_refused"]["violations"][0]["rule"] == "datasec.offset"
    # Of what only programs' BTF is asked, kernels ask nothing of their own.
    assert said(tree / "a.btf", "-B", base, "--level", "read")[0] == 0


def test_a_base_is_called_as_it_was_named(refused: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(refused)
    for jobs in ("1", "2"):
        _, lines = said("modules/a.btf", "-B", "vmlinux", "--jobs", jobs)
        assert lines[0].startswith("vmlinux: type 5")
        assert lines[1].startswith("modules/a.btf: no module loads over vmlinux, ")
    Path("empty").touch()
    done = btfschema("verify", "modules/a.btf", "-B", "empty")
    assert done.stderr.startswith(b"btfschema: empty: the file is empty")


def test_no_module_relocates_onto_a_target_that_the_kernel_refuses(refused: Path) -> None:
    base, files = refused / "vmlinux", sorted((refused / "modules").iterdir())
    done = btfschema("check", *files, "-B", base, "-T", base)
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert f"no module loads over {base}, which Linux " in line
    assert "datasec.offset" in line


def test_check_says_that_the_kernel_refuses_the_base_of_the_modules(refused: Path) -> None:
    base, files = refused / "vmlinux", sorted((refused / "modules").iterdir())
    sound = refused / "sound.btf"
    b = Builder()
    b.add(views.Int("int", 4))
    sound.write_bytes(dumps(b.build()))
    done = btfschema("check", *files, "-B", base, "-T", sound)
    first, *others = done.stderr.decode().splitlines()
    assert first.startswith(f"btfschema: no module loads over {base}, which Linux ")
    assert not any("refuses" in line for line in others)


def test_relocate_says_that_the_kernel_refuses_its_target(refused: Path) -> None:
    base, module = refused / "vmlinux", refused / "modules" / "a.btf"
    distilled, moved = refused / "d.btf", refused / "out.btf"
    # What a module was built over need not load it: distill does not look.
    done = btfschema("distill", module, "-B", base, "-o", distilled)
    assert (done.returncode, done.stderr) == (0, b"")
    done = btfschema("relocate", distilled, "-T", base, "-o", moved)
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"btfschema: no module loads over {base}, which Linux ")
    assert "datasec.offset" in line
    assert (done.returncode, moved.exists()) == (0, True)
    done = btfschema("relocate", distilled, "-T", base, "-o", moved, "--json")
    (row,) = map(json.loads, done.stderr.splitlines())
    assert row["warning"].startswith(f"no module loads over {base}, which Linux ")


def test_a_reference_is_followed_to_its_end() -> None:
    b = Builder()
    b.add(views.Fwd("wait_queue_head"))
    b.add(views.Typedef("wait_queue_head_t", 1))
    b.add(views.Struct("perf_event", 64, [views.Member("waitq", 2)]))
    b.add(views.Struct("plain", 64, [views.Member("waitq", 1)]))
    chained, plain = verify(b.build())
    assert chained.got == (
        'TYPEDEF "wait_queue_head_t" [2], which leads to FWD "wait_queue_head" [1]'
    )
    assert plain.got == 'FWD "wait_queue_head" [1]'


def test_what_answers_whether_the_kernel_refuses_a_base_is_not_kept(cloud_bytes: bytes) -> None:
    """It takes as much memory as the BTF itself."""
    kept = Kept("vmlinux", loads(cloud_bytes))
    before = set(kept.btf.analyses)
    assert refusal_of("vmlinux", kept) == ""
    assert set(kept.btf.analyses) == before
