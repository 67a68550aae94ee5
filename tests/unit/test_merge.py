"""``merge``: many containers as one, with a map of ids for each."""

from __future__ import annotations

from pathlib import Path

import pytest
from building import built
from click.testing import CliRunner, Result
from dedup_cases import unlike
from shuffling import shuffled

from btfschema import Btf, Builder, dump, dumps, load, loads, views
from btfschema.cli import cli
from btfschema.errors import MatchError, PassError, RequirementError
from btfschema.schema.kinds import KINDS
from btfschema_transforms.dedup import dedup
from btfschema_transforms.distill import distill
from btfschema_transforms.merge import merge
from btfschema_transforms.rebase import rebase

INT = views.Int("int", 4, views.IntEncoding.SIGNED)


def kernel() -> Btf:
    return built(INT, views.Struct("device", 8, [views.Member("id", 1)]), views.Ptr(2))


def driver(name: str, base: Btf) -> Btf:
    return built(
        views.Struct(name, 8, [views.Member("dev", 3)]),
        views.Typedef("dev_t", 1),
        views.Var("debug", base.first_id),
        base=base,
    )


def test_splits_over_one_base() -> None:
    base = kernel()
    parts = [driver("one", base), driver("two", base)]

    found = merge(parts)

    assert found.btf.base is base
    assert len(found.btf) == 6
    for part, ids in zip(parts, found.ids, strict=True):
        assert not unlike(part, found.btf, ids)
    assert found.btf.strings.data == b"one\0dev\0dev_t\0debug\0two\0"
    assert len(dedup(found.btf).btf) == 5


def test_equal_bases_are_one() -> None:
    found = merge([driver("one", kernel()), driver("two", kernel())])

    assert len(found.btf) == 6


def test_stand_alone_ones_and_a_base() -> None:
    found = merge([built(INT, views.Ptr(1)), driver("one", kernel())], kernel())

    assert found.btf.first_id == 4
    assert dedup(found.btf).btf.find("one").id == 5
    assert [found.ids[0][one] for one in range(3)] == [0, 4, 5]


def test_parts_of_a_kernel_make_the_whole(cloud: Btf, modules: dict[str, bytes]) -> None:
    """Modules merged in one go, or in two halves that are merged."""
    parts = [loads(modules[name], cloud) for name in ("nfs", "nfsd", "lockd", "sunrpc")]

    whole = dedup(merge(parts).btf).btf
    halves = [dedup(merge(half).btf).btf for half in (parts[2:], parts[:2])]

    assert len(dedup(merge(halves).btf).btf) == len(whole)


def test_nothing() -> None:
    with pytest.raises(RequirementError, match="nothing to merge"):
        merge([])


def test_other_bases_are_refused_with_the_reason() -> None:
    larger = built(*kernel(), views.Ptr(1))
    texts = built(INT, views.Struct("device", 8, [views.Member("ID", 1)]), views.Ptr(2))

    with pytest.raises(RequirementError, match="another base: it has 4 types, the result's has 3"):
        merge([driver("one", kernel()), driver("two", larger)])
    with pytest.raises(RequirementError, match="as many types as the result's, but other ones"):
        merge([driver("one", kernel()), driver("two", texts)])
    big = Builder(byteorder="big")
    big.add(INT)
    with pytest.raises(RequirementError, match="input 1 is big-endian and input 0 little"):
        merge([built(INT), big.build()])


def test_what_is_over_another_base_is_moved_first() -> None:
    base = kernel()
    other, _ = shuffled(base, 3)
    two, _ = rebase(driver("two", base), other)
    parts = [driver("one", base), two, distilled(driver("three", base))]

    with pytest.raises(RequirementError, match="another base"):
        merge(parts, base)
    found = merge(parts, base, rebase=True)

    assert found.btf.base is base
    for part, ids in zip(parts, found.ids, strict=True):
        assert all(ids[one] is not None for one in range(part.first_id, part.end_id))
    assert len(dedup(found.btf).btf) == 3 + 1 + 3
    lacking = built(INT)
    with pytest.raises(MatchError):
        merge(parts, lacking, rebase=True)


def distilled(split: Btf) -> Btf:
    result = distill(split)
    return result[0] if isinstance(result, tuple) else result


def test_unknown_kinds_are_refused() -> None:
    builder = Builder(layout=True, profile="wide")
    builder.add(views.LocSec("sec", [views.LocEntry(0, 0, 1)]))
    known = [spec for number, spec in KINDS.items() if number < 20]
    opaque = loads(dumps(builder.build()), kinds=type(KINDS)(*known))

    with pytest.raises(PassError, match="input 1 holds KIND_22"):
        merge([built(INT), opaque])
    with pytest.raises(PassError, match="can't be rewritten"):
        dedup(opaque)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    base = kernel()
    dump(base, tmp_path / "vmlinux.btf")
    (tmp_path / "mods").mkdir()
    for name in ("one", "two"):
        dump(driver(name, base), tmp_path / "mods" / f"{name}.btf")
    (tmp_path / "mods" / "empty.ko").write_bytes((tmp_path / "vmlinux.btf").read_bytes()[:0])
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["merge", *map(str, arguments)])


def test_command(files: Path) -> None:
    (files / "mods" / "empty.ko").unlink()
    output = files / "all.btf"

    done = run("--all", files / "mods", "-B", files / "vmlinux.btf", "-o", output)

    assert done.exit_code == 0, done.output
    assert "2 files, 6 types: 5 types over a base of 3" in done.stderr
    assert "1 variable has the name of another one" in done.stderr
    merged = load(output, files / "vmlinux.btf")
    assert [getattr(view, "name", "") for view in merged] == [
        "one",
        "dev_t",
        "debug",
        "two",
        "debug",
    ]


def test_command_flattens_and_sorts(files: Path) -> None:
    (files / "mods" / "empty.ko").unlink()
    output = files / "all.btf"

    done = run(
        *("--all", files / "mods", "-B", files / "vmlinux.btf"),
        *("-o", output, "--flatten", "--run", "dedup"),
    )

    assert done.exit_code == 0, done.output
    flat = load(output)
    assert flat.base is None
    assert len(flat) == 8
    done = run(output, "-o", files / "sorted.btf", "--run", "sort")
    assert done.exit_code == 0, done.output
    assert load(files / "sorted.btf").is_sorted


def test_command_writes_the_base_that_a_pass_made(files: Path) -> None:
    one, output = files / "mods" / "one.btf", files / "out"
    arguments = (one, "-B", files / "vmlinux.btf", "--run", "distill")

    done = run(*arguments, "-o", output)

    assert done.exit_code == 0, done.output
    again = load(output)
    assert again.base is not None
    assert again.find_ids("one")
    done = run(*arguments, "-o", "-")
    assert done.exit_code == 1
    assert "takes two files" in done.stderr


def test_command_refuses_a_base_that_has_no_place(files: Path) -> None:
    one, output = files / "mods" / "one.btf", files / "out"

    done = run(one, "-B", files / "vmlinux.btf", "-o", output, "--run", "split-off{types=one}")

    assert done.exit_code == 1
    assert "a base that is split itself" in done.stderr
    assert not output.exists()


def test_command_refuses_to_write_over_what_it_reads(files: Path) -> None:
    base = files / "vmlinux.btf"
    before = base.read_bytes()

    done = run(files / "mods" / "one.btf", "-B", base, "-o", base)

    assert done.exit_code == 2
    assert "never replaces an input" in done.stderr
    assert base.read_bytes() == before


def test_command_names_all_files_that_are_damaged(files: Path) -> None:
    for name in ("a", "b"):
        (files / "mods" / f"{name}.btf").write_bytes(b"\x9f\xeb\x01")
    done = run("--all", files / "mods", "-B", files / "vmlinux.btf", "-o", files / "o")
    assert done.exit_code == 1
    assert "a.btf: truncated" in done.stderr
    assert "b.btf: truncated" in done.stderr
    assert not (files / "o").exists()


def test_command_names_the_files_that_do_not_fit(files: Path) -> None:
    little, big = files / "little.btf", files / "big.btf"
    other = Builder(byteorder="big")
    other.add(INT)
    dump(built(INT), little)
    dump(other.build(), big)
    done = run(little, big, "-o", files / "o")
    assert done.exit_code == 1
    assert done.stderr == f"btfschema: {big} is big-endian and {little} little-endian\n"


def test_command_names_the_file_that_is_damaged(files: Path) -> None:
    broken = files / "mods" / "broken.btf"
    broken.write_bytes(b"\x9f\xeb\x01")

    done = run(broken, files / "mods" / "one.btf", "-B", files / "vmlinux.btf", "-o", files / "o")

    assert done.exit_code != 0
    assert "broken.btf" in done.stderr
    assert not (files / "o").exists()
