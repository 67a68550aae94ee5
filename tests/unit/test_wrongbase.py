"""Split BTF over a base that it was not built over: told by where its names start."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from shell import btfschema

from btfschema import Btf, Builder, dump, dumps, load, load_many, loads, loads_many, views
from btfschema.errors import DecodeError, WrongBaseWarning
from btfschema.model.wrongbase import suspect_base
from btfschema_transforms.distill import distill


def base_of(*names: str) -> Btf:
    b = Builder()
    for name in names:
        b.add(views.Int(name, 4))
    return b.build()


def split_over(base: Btf, *names: str) -> bytes:
    b = Builder(base)
    for name in names:
        b.add(views.Int(name, 8))
    return dumps(b.build())


BASE = base_of("int", "long_long")
OTHERS = {
    "a longer name before": base_of("integer", "long_long"),
    "a shorter name before": base_of("in", "long_long"),
    "a type more": base_of("int", "long_long", "bool"),
    "a type less, and another longer": base_of("interesting_things"),
}
NAMES = ("first", "long_long", "second")


def names_inside(btf: Btf) -> int:
    """How many names start inside a string, one by one."""
    found = 0
    for offset in btf.types.words[btf.types.string_positions].tolist():
        table = btf.strings.holder(offset)
        at = offset - table.start
        found += at > 0 and table.data[at - 1] != 0
    return found


def test_the_right_base_is_not_suspected() -> None:
    assert suspect_base(BASE) is None
    assert suspect_base(loads(split_over(BASE, *NAMES), BASE)) is None


def test_load_warns_of_another_base(tmp_path: Path) -> None:
    path, other = tmp_path / "split.btf", tmp_path / "other.btf"
    path.write_bytes(split_over(BASE, *NAMES))
    dump(OTHERS["a type more"], other)
    with pytest.warns(WrongBaseWarning, match=r"split\.btf: .* probably built over another base"):
        load(path, base=other)
    with pytest.warns(WrongBaseWarning, match=r"split\.btf: .* probably built") as warned:
        load_many([path, path], base=other)
    assert len(warned) == 2
    assert {one.filename for one in warned} == {__file__}
    # Any warning is an error here: the right base gives none.
    load(path, base=BASE)
    load_many([path], base=BASE)


def test_loads_warns_of_another_base() -> None:
    data, other = split_over(BASE, *NAMES), OTHERS["a type more"]
    with pytest.warns(WrongBaseWarning, match="^[0-9]+ of 3 names start inside") as warned:
        loads(data, other)
    assert warned[0].filename == __file__
    with pytest.warns(WrongBaseWarning, match="^blob 1: "):
        loads_many([data, data], [BASE, other])
    loads(data, other, check=False)
    pickle.loads(pickle.dumps(loads(data, other, check=False)))


@pytest.mark.parametrize("other", OTHERS)
def test_another_base_is_suspected(other: str) -> None:
    btf = loads(split_over(BASE, *NAMES), OTHERS[other], check=False)
    expected = f"{names_inside(btf)} of 3 names start inside a string, none at the first of its own"
    assert suspect_base(btf) == expected


def test_a_base_of_the_base_counts_too() -> None:
    middle = split_over(BASE, "middle")
    split = split_over(loads(middle, BASE), "int", "middle", "own")
    assert suspect_base(loads(split, loads(middle, BASE))) is None
    other = OTHERS["a longer name before"]
    btf = loads(split, loads(middle, other, check=False), check=False)
    assert suspect_base(btf) == (
        f"{names_inside(btf)} of 3 names start inside a string, none at the first of its own"
    )


def with_strings(data: bytes, offsets: list[int]) -> Btf:
    """Types over ``BASE`` with these names, as offsets into its strings and then ``data``."""
    split = loads(split_over(BASE, *(f"name{n}" for n in range(len(offsets)))), BASE)
    change = (split.types.string_positions, np.array(offsets))
    types = split.types.rewritten([change], split.first_id)
    return Btf.assemble(types, data, like=split, base=BASE)


END = BASE.strings.end


@pytest.mark.parametrize(
    ("data", "offsets", "suspected"),
    [
        (b"first\0second\0", [END, END + 6], False),
        (
            b"first\0second\0",
            [END, END + 2, 6],
            False,
        ),  # strings in strings, as suffixes are shared
        (b"first\0second\0", [END + 6, 1], False),  # whose first type was left out
        (b"first\0second\0", [END + 6, END + 8], True),
        (b"first\0second\0", [END + 6, 6], True),
        (b"\0first\0", [END + 1, 6], False),  # some writers begin with an empty string
        (b"\0first\0", [END + 3, 6], True),
        (b"", [6], False),  # no strings of its own: not told
        (b"first\0", [0], False),
    ],
)
def test_both_signs_are_needed(data: bytes, offsets: list[int], suspected: bool) -> None:
    assert BASE.strings[6] == "ong_long"
    assert (suspect_base(with_strings(data, offsets)) is not None) == suspected


def test_modules_over_their_kernel_and_over_another(
    cloud: Btf, generic: Btf, modules: dict[str, bytes]
) -> None:
    """None is suspected over its own, nearly all are over the other."""
    assert [name for name, data in modules.items() if suspect_base(loads(data, cloud))] == []
    suspected = [
        name for name, data in modules.items() if suspect_base(loads(data, generic, check=False))
    ]
    # One has no strings of its own, one meets a string's start by chance.
    assert len(suspected) == len(modules) - 2


def test_one_more_name_in_a_kernel_is_enough(cloud: Btf, modules: dict[str, bytes]) -> None:
    """As after an update of the same kernel: a name of one character amidst the others."""
    data, at = cloud.strings.data, cloud.types.string_positions
    cut = int(cloud.strings.ends[len(cloud.strings.ends) // 2])
    offsets = cloud.types.words[at]
    types = cloud.types.rewritten([(at, offsets + 2 * (offsets >= cut))], 1)
    near = Btf.assemble(types, data[:cut] + b"x\0" + data[cut:], like=cloud, base=None)
    suspected = [
        name for name, split in modules.items() if suspect_base(loads(split, near, check=False))
    ]
    assert len(suspected) == len(modules) - 1


def test_shared_suffixes_are_not_suspected(cloud: Btf, modules: dict[str, bytes]) -> None:
    inside = 0
    for name in sorted(modules)[::10]:
        split, _ = distill(loads(modules[name], cloud), strings="suffix")
        assert suspect_base(split) is None
        inside += names_inside(split)
    assert inside


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    cloud: Btf,
    generic: Btf,
    modules: dict[str, bytes],
) -> Path:
    folder = tmp_path_factory.mktemp("wrongbase")
    dump(cloud, folder / "right")
    dump(cloud, folder / "copy")
    dump(generic, folder / "wrong")
    (folder / "8021q.btf").write_bytes(modules["8021q"])
    return folder


COMMANDS = (
    "dump {file} -B {base}",
    "info {file} -B {base}",
    "show 1 {file} -B {base}",
    "graph 1 {file} -B {base}",
    "verify {file} -B {base}",
    "references {file} -B {base}",
    "distill {file} -B {base} -o {out}",
    "rebase {file} -B {base} --target {folder}/copy -o {out}",
    "run distill {file} -B {base}",
    "check {file} -B {base} -T {folder}/copy",
    "check {file} -B {base} -T {folder}/copy -T {folder}/right",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_say_so(folder: Path, tmp_path: Path, command: str) -> None:
    """Once, also when the command then fails."""
    for base in (folder / "right", folder / "wrong"):
        places = {"file": folder / "8021q.btf", "folder": folder, "out": tmp_path / "out"}
        done = btfschema(*command.format(base=base, **places).split())
        said = done.stderr.decode()
        warning = f"this BTF was probably built over another base than {base}\n"
        assert said.count(warning) == (base.name == "wrong")
        if base.name == "right":
            assert (done.returncode, said) == (0, "")


@pytest.mark.parametrize("command", ["dump", "info", "references", "run distill"])
def test_errors_of_names_that_are_missing_say_so(tmp_path: Path, command: str) -> None:
    """Over a base with less in it, as over one with more."""
    file, base = tmp_path / "split.btf", tmp_path / "base.btf"
    file.write_bytes(split_over(BASE, *NAMES))
    dump(base_of("in"), base)
    done = btfschema(*command.split(), file, "-B", base)
    assert done.returncode == 1
    message = (
        "type 4 (INT): string offset 21 is past the end of the strings (17 bytes); 2 of 3 names "
        "start inside a string, none at the first of its own: it was probably built over another "
        "base"
    )
    assert done.stderr.decode().splitlines() == [f"btfschema: {file}: {message}"]
    with pytest.raises(DecodeError, match=re.escape(message)):
        load(file, base=base)


def test_other_damage_is_not_laid_on_the_base(tmp_path: Path) -> None:
    file, base = tmp_path / "split.btf", tmp_path / "base.btf"
    file.write_bytes(split_over(BASE, *NAMES)[:-4])
    dump(base_of("in"), base)
    done = btfschema("dump", file, "-B", base)
    (line,) = done.stderr.decode().splitlines()
    assert "truncated BTF" in line


def test_of_a_directory_one_warning_is_said_and_all_are_counted(
    folder: Path, tmp_path: Path, modules: dict[str, bytes]
) -> None:
    tree, report = tmp_path / "tree", tmp_path / "report.jsonl"
    tree.mkdir()
    for name in ("8021q", "ahci", "nf_tables"):
        (tree / f"{name}.btf").write_bytes(modules[name])
    base = folder / "wrong"
    doubt = f"this BTF was probably built over another base than {base}"
    done = btfschema("verify", "--all", tree, "-B", base, "--report", report)
    said = [line for line in done.stderr.decode().splitlines() if doubt in line]
    assert len(said) == 1
    assert said[0].startswith(f"btfschema: {tree / '8021q.btf'}: ")
    assert f"       3 x noted: {doubt}" in done.stdout.decode().splitlines()
    rows = map(json.loads, report.read_text().splitlines())
    assert [len([note for note in row["notes"] if doubt in note]) for row in rows] == [1, 1, 1]
    done = btfschema("verify", *tree.iterdir(), "-B", base)
    assert done.stderr.decode().count(doubt) == 3
