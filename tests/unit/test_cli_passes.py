"""The commands that run passes, on real modules."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from file_makers import make_elf
from shell import btfschema

from btfschema import Builder, dump, dumps, load, views
from btfschema.framework.registry import passes
from btfschema_transforms.distill import distill
from btfschema_transforms.relocate import relocate

Files = dict[str, Path]
NAMES = ("8021q", "libiscsi", "nf_tables")


@pytest.fixture(scope="module")
def files(
    tmp_path_factory: pytest.TempPathFactory,
    cloud_bytes: bytes,
    generic_bytes: bytes,
    modules: dict[str, bytes],
) -> Files:
    """Three modules, the kernel that they were built for, and another."""
    folder = tmp_path_factory.mktemp("passes")
    contents = {name: modules[name] for name in NAMES}
    contents |= {"cloud": cloud_bytes, "generic": generic_bytes}
    paths = {name: folder / f"{name}.btf" for name in contents}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    return paths


def sections_hash(path: Path, base: Path | None = None) -> str:
    btf = load(path, base)
    return hashlib.sha256(btf.types.words.tobytes() + btf.strings.data).hexdigest()


def test_distill_and_relocate_write_what_libbpf_writes(
    files: Files, tmp_path: Path, expected: dict[str, dict[str, Any]]
) -> None:
    out = tmp_path / "out.btf"
    done = btfschema("distill", files["8021q"], "-B", files["cloud"], "-o", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    wanted = expected["8021q"]
    assert sections_hash(Path(f"{out}.base")) == wanted["base"]["sha256"]
    assert sections_hash(out) == wanted["split"]["sha256"]
    moved = tmp_path / "moved.btf"
    options: list[str | Path] = ["-T", files["generic"], "--policy", "kernel", "-o", moved]
    assert btfschema("relocate", out, *options).returncode == 0
    assert sections_hash(moved, files["generic"]) == wanted["relocated"]["sha256"]
    assert not Path(f"{moved}.base").exists()


def test_what_was_distilled_is_not_read_over_the_old_base(files: Files, tmp_path: Path) -> None:
    """Its ids count from the base beside it: commands that are given another say so, or take it."""
    out, again, report = tmp_path / "out.btf", tmp_path / "again.btf", tmp_path / "report.jsonl"
    out.write_bytes(files["8021q"].read_bytes())
    base: list[str | Path] = ["-B", files["cloud"]]
    assert btfschema("distill", out, *base, "--in-place").returncode == 0
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for command in ("distill", "info"):
        more: list[str | Path] = ["-o", again] if command == "distill" else []
        done = btfschema(command, out, *base, *more)
        said = done.stderr.decode()
        assert (done.returncode, done.stdout) == (1, b"")
        assert said.startswith(f"btfschema: {out}: brings its own base ({out}.base)")
        assert f"if {out}.base is not its base, move it away" in said
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    done = btfschema("verify", out, *base)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{out}: Linux 6.18 accepts it\n"
    options: list[str | Path] = ["-T", files["cloud"], "--report", report]
    assert btfschema("check", out, files["8021q"], *base, *options).returncode == 0
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert rows[0]["facts"] == rows[1]["facts"]


def test_a_stale_base_beside_a_file_is_told(files: Files, tmp_path: Path) -> None:
    module = tmp_path / "nf_tables.btf"
    module.write_bytes(files["nf_tables"].read_bytes())
    btfschema("distill", files["8021q"], "-B", files["cloud"], "-o", tmp_path / "8021q.btf")
    (tmp_path / "8021q.btf.base").rename(f"{module}.base")
    done = btfschema("verify", module, "-B", files["cloud"])
    assert done.returncode == 1
    said = f"btfschema: {module}: {module}.base: taken for its base, and not the one given"
    assert said in done.stderr.decode().splitlines()


def test_a_failed_relocation_writes_nothing_and_says_why(files: Files, tmp_path: Path) -> None:
    out, report = tmp_path / "out.btf", tmp_path / "report.jsonl"
    btfschema("distill", files["libiscsi"], "-B", files["cloud"], "-o", out)
    before = out.read_bytes()
    done = btfschema("relocate", out, "-T", files["generic"], "--in-place", "--report", report)
    assert done.returncode == 1
    assert b"struct device [27]: size 760, in the target 768" in done.stderr
    assert out.read_bytes() == before
    (row,) = map(json.loads, report.read_text().splitlines())
    assert row["outcome"] == "mismatch"
    (reason,) = row["reasons"]
    assert (reason["name"], reason["reason"], reason["size"]) == ("device", "size", 760)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "out.btf",
        "out.btf.base",
        "report.jsonl",
    ]


def test_a_module_file_stays_a_module_file(files: Files, tmp_path: Path) -> None:
    module, out = tmp_path / "m.ko", tmp_path / "out.ko"
    module.write_bytes(make_elf({".text": b"code", ".BTF": files["8021q"].read_bytes()}))
    assert btfschema("distill", module, "-B", files["cloud"], "-o", out).returncode == 0
    assert out.read_bytes().startswith(b"\x7fELF")
    assert b"code" in out.read_bytes()
    extracted = tmp_path / "base.btf"
    done = btfschema("extract", out, "--section", ".BTF.base", "-o", extracted)
    assert done.returncode == 0
    distilled = load(out)
    assert distilled.base is not None
    assert extracted.read_bytes() == dumps(distilled.base)
    done = btfschema("extract", module, "--section", ".BTF.ext", "-o", extracted)
    assert (done.returncode, b"no .BTF.ext section" in done.stderr) == (1, True)


def test_many_files_go_on_after_a_failure_when_told_to(files: Files, tmp_path: Path) -> None:
    out, report = tmp_path / "out", tmp_path / "report.jsonl"
    inputs = [files["8021q"], tmp_path / "missing.btf", files["nf_tables"]]
    options: list[str | Path] = ["-B", files["cloud"], "--out-dir", out, "--report", report]
    stopped = btfschema("distill", *inputs, *options)
    assert stopped.returncode == 1
    assert len(report.read_text().splitlines()) == 2
    assert b"1 of 3 files were not tried; --keep-going goes on" in stopped.stderr
    done = btfschema("distill", *inputs, *options, "--keep-going")
    assert done.returncode == 1
    assert done.stderr.decode() == f"btfschema: {inputs[1]}: No such file or directory\n"
    rows = list(map(json.loads, report.read_text().splitlines()))
    assert [row["outcome"] for row in rows] == ["ok", "error", "ok"]
    assert rows[0]["before"] == {"types": 3164, "strings": 3010}
    assert rows[0]["after"] == {
        "types": 4736,
        "strings": 3498,
        "base_types": 532,
        "base_strings": 552,
    }
    assert (out / "nf_tables.btf.base").exists()


def test_check_speaks_to_a_packager(files: Files) -> None:
    options: list[str | Path] = ["-T", files["generic"], "-B", files["cloud"]]
    done = btfschema("check", files["8021q"], files["libiscsi"], *options)
    assert (done.returncode, done.stderr) == (1, b"")
    assert done.stdout.decode().splitlines() == [
        f"{files['8021q']}: relocates, all 41 distilled types have a match",
        f"{files['libiscsi']}: 1 of 44 distilled types has no match",
        "  struct device [27]: size 760, in the target 768",
        "    embedded by struct scsi_device (sdev_gendev, sdev_dev), struct Scsi_Host "
        "(shost_gendev, shost_dev), struct scsi_target (dev), ...",
        "    target adds pins (struct dev_pin_info *, 8 bytes at 560); msi and what follows "
        "move by 8",
        "1 relocates, 1 does not",
    ]
    assert btfschema("check", files["8021q"], *options, "--policy", "strict").returncode == 0
    done = btfschema("check", files["8021q"], "-T", files["generic"])
    assert (done.returncode, b"with -B" in done.stderr) == (1, True)


def test_references_name_what_is_needed_and_by_whom(files: Files) -> None:
    done = btfschema("references", files["8021q"], "-B", files["cloud"])
    assert done.returncode == 0
    assert 'STRUCT "net_device"' in done.stdout.decode()
    done = btfschema("references", files["8021q"], "-B", files["cloud"], "--json")
    facts = json.loads(done.stdout)
    needed = {row["name"]: row for row in facts["needed"]}
    assert needed["net_device"]["kind"] == "STRUCT"
    assert needed["net_device"]["referrers"]


def test_rebase_onto_the_same_base_changes_nothing(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.btf"
    options: list[str | Path] = ["-B", files["cloud"], "--target", files["cloud"], "-o", out]
    assert btfschema("rebase", files["8021q"], *options).returncode == 0
    assert out.read_bytes() == files["8021q"].read_bytes()


def test_run_takes_the_text_of_a_pipeline(files: Files, tmp_path: Path) -> None:
    text, between = "distill,relocate{policy=kernel}", tmp_path / "between"
    options: list[str | Path] = ["-B", files["cloud"], "--input", f"target={files['generic']}"]
    done = btfschema("run", text, files["8021q"], *options, "--timing", "--dump-after", between)
    assert done.returncode == 0
    assert json.loads(done.stdout)["facts"]["relocate"] == {"policy": "kernel", "matched": 41}
    assert b" ms  2 relocate" in done.stderr
    assert [path.name for path in sorted(between.iterdir())] == [
        "01-distill.btf",
        "01-distill.btf.base",
        "02-relocate.btf",
        "02-relocate.btf.base",
    ]
    split = load(between / "01-distill.btf")
    assert relocate(split, load(files["generic"]), policy="kernel")[0].equivalent(
        load(between / "02-relocate.btf")
    )


def test_a_base_that_a_pass_made_is_written_too(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out.btf"
    done = btfschema("run", "split-off{kinds=FUNC}", files["cloud"], "-o", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    before, after = load(files["cloud"]), load(out)
    assert after.base is not None
    assert len(after.base) + len(after) == len(before)
    assert {view.kind.name for view in after} == {"FUNC"}
    done = btfschema("run", "split-off{kinds=FUNC}", files["cloud"], "-o", "-")
    assert done.returncode == 1
    assert b"takes two files" in done.stderr


def test_what_passes_make_of_several_files_is_dumped_apart(files: Files, tmp_path: Path) -> None:
    base, between = files["cloud"], tmp_path / "between"
    modules = [files["8021q"], files["nf_tables"]]
    options = ("-B", base, "--dump-after", between)
    assert btfschema("run", "distill", *modules, *options).returncode == 0
    for module in modules:
        dumped = load(between / module.name / "01-distill.btf")
        assert dumped.equivalent(distill(load(module, base))[0])
    copy = tmp_path / modules[0].name
    copy.write_bytes(modules[0].read_bytes())
    done = btfschema("run", "distill", modules[0], copy, *options)
    assert done.returncode == 2
    assert b"several files are called" in done.stderr


@pytest.mark.parametrize(
    ("text", "words", "code"),
    [
        ("distill,relocat", 'did you mean "relocate"?', 2),
        ("relocate{policy=lenient}", "policy", 2),
        ("distill,relocate", 'needs the input "target"', 1),
        ("relocate{", "^", 2),
    ],
)
def test_a_wrong_pipeline_fails_before_any_work(
    files: Files, text: str, words: str, code: int
) -> None:
    done = btfschema("run", text, files["8021q"], "-B", files["cloud"])
    assert done.returncode == code
    assert words in done.stderr.decode()


@pytest.mark.parametrize(
    "args",
    [
        ["distill", "{8021q}", "-B", "{cloud}"],
        ["distill", "{8021q}", "{libiscsi}", "-B", "{cloud}", "-o", "x"],
        ["distill", "{8021q}", "{8021q}", "-B", "{cloud}", "--out-dir", "x"],
        ["distill", "{8021q}", "-B", "{cloud}", "-o", "x", "--out-dir", "y"],
        ["run", "distill", "{8021q}", "--input", "target"],
        ["check", "-T", "{cloud}"],
        ["distill", "{8021q}", "-B", "{cloud}", "-o", ""],
        ["distill", "-", "-B", "{cloud}", "--in-place"],
    ],
)
def test_wrong_usage_is_exit_code_2(files: Files, args: list[str]) -> None:
    done = btfschema(*(arg.format(**files) for arg in args))
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Error: " in done.stderr


@pytest.mark.parametrize("command", ["distill", "rebase", "relocate", "run", "references"])
def test_help_names_no_option_that_a_command_lacks(command: str) -> None:
    words = btfschema(command, "--help").stdout.decode()
    takes_trees = "--all DIR|PACKAGE" in words
    assert ("below --all DIR" in " ".join(words.split())) == takes_trees
    assert ("resumes" in words) == takes_trees


def test_passes_are_listed_with_options_and_origin() -> None:
    done = btfschema("passes")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert "relocate  (btfschema 0.1.0)" in text
    assert "options: policy=strict|kernel [strict]" in text
    rows = json.loads(btfschema("passes", "--json").stdout)
    assert {row["name"] for row in rows} == set(passes())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give -o/--output FILE, --out-dir DIR or --in-place"),
        (["-o", "x", "--out-dir", "y"], "give only one of -o and --out-dir"),
        (["-o", "x", "--in-place"], "give only one of -o and --in-place"),
        (["--out-dir", "x", "--in-place"], "give only one of --out-dir and --in-place"),
        (["-o", ""], "-o '': give a name, or - for standard output"),
    ],
)
@pytest.mark.parametrize("command", [["distill"], ["run", "distill"]])
def test_results_go_to_one_place(
    files: Files, command: list[str], options: list[str], words: str
) -> None:
    if command[0] == "run" and not options:
        # It prints facts instead.
        return
    before = files["8021q"].read_bytes()
    done = btfschema(*command, files["8021q"], "-B", files["cloud"], *options)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().endswith(f"Error: {words}\n")
    assert files["8021q"].read_bytes() == before


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "relocate {8021q} -T {generic} -B {cloud} -o {out}",
            "has no distilled base (.BTF.base, or {8021q}.base beside it): "
            "run distill first, over the BTF that it was built over",
        ),
        (
            "check {8021q} -T {generic}",
            "has no distilled base (.BTF.base, or {8021q}.base beside it): "
            "give the BTF that it was built over with -B",
        ),
        ("relocate {cloud} -T {generic} -o {out}", "stands alone, so there is nothing to relocate"),
        ("check {cloud} -T {generic}", "stands alone, so there is nothing to relocate"),
        (
            "distill {cloud} -o {out}",
            'stage 1 (distill) of "distill" needs a base, and the input stands alone: give -B FILE',
        ),
        (
            "run rebase {8021q} -B {cloud} -o {out}",
            'stage 1 (rebase) of "rebase" needs the input "target", which was not given: '
            "give --input target=FILE",
        ),
        (
            "dump {8021q}",
            "this is split BTF (its strings do not start with an empty one): "
            "give the BTF that it was built over, usually vmlinux, with -B",
        ),
    ],
)
@pytest.mark.parametrize("report", [False, True])
def test_advice_is_for_the_command_line(
    files: Files, tmp_path: Path, line: str, words: str, report: bool
) -> None:
    places = {**files, "out": tmp_path / "out"}
    args, words = line.format(**places).split(), words.format(**places)
    if report and args[0] == "dump":
        return
    where = tmp_path / "report"
    done = btfschema(*args, *(["--report", str(where)] if report else []))
    file = args[2] if args[0] == "run" else args[1]
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"btfschema: {file}: {words}\n"
    if report:
        assert json.loads(where.read_text())["message"] == words


@pytest.mark.parametrize("command", ["check", "relocate"])
def test_where_the_policies_differ_is_said(tmp_path: Path, command: str) -> None:
    """Of two equal types, strict takes either; kernels refuse the name."""
    int_ = views.Int("int", 4, views.IntEncoding.SIGNED)
    base = Builder()
    base.add(int_)
    original = base.build()
    dump(original, tmp_path / "base")
    split = Builder(original)
    split.add(views.Struct("mine", 4, [views.Member("a", 1)]))
    dump(split.build(), tmp_path / "m.btf")
    module, output, built_over = tmp_path / "m.btf", tmp_path / "moved.btf", tmp_path / "base"
    rest: list[str | Path] = ["-o", output]
    if command == "check":
        rest = ["-B", built_over]
    else:
        assert btfschema("distill", module, "-B", built_over, "--in-place").returncode == 0
    for name, count in (("once", 1), ("twice", 2)):
        b = Builder()
        for _ in range(count):
            b.add(int_)
        dump(b.build(), tmp_path / name)
    for target, policy, code, words in (
        ("once", "kernel", 0, ""),
        ("once", "strict", 0, ""),
        ("twice", "kernel", 1, "--policy strict would find a match for every type"),
        ("twice", "strict", 0, "--policy kernel would leave types without a match: int int"),
    ):
        done = btfschema(command, module, "-T", tmp_path / target, "--policy", policy, *rest)
        said = done.stderr.decode()
        assert done.returncode == code, said
        assert words in said
        assert bool(words) == ("--policy" in said)
