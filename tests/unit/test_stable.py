"""``dump --format c --stable``: headers of two builds differ only where the types do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from shell import as_text, btfschema
from shuffling import shuffled_chain

from btfschema import Btf, Builder, dump, loads, views


@pytest.fixture
def btf() -> Btf:
    """Structs of one name, two of them alike but for what refers to them; and one that is no C."""
    b = Builder()
    number = b.add(views.Int("int", 4))
    first = b.add(views.Struct("twin", 4, [views.Member("b", number)]))
    second = b.add(views.Struct("twin", 4, [views.Member("a", number)]))
    third = b.add(views.Struct("twin", 4, [views.Member("a", number)]))
    for name, twin in (("x", third), ("y", second), ("z", first)):
        b.add(views.Struct(name, 4, [views.Member("held", twin)]))
    b.add(views.Struct("endless", 4, [views.Member("self", 8)]))
    return b.build()


def header(file: Path, *options: str) -> tuple[str, str]:
    done = as_text(btfschema("dump", file, "--format", "c", "--stable", *options))
    assert done.returncode == 0
    return done.stdout, done.stderr


@pytest.mark.parametrize("options", [(), ("--unsorted",), ("--name", "twin"), ("--assert",)])
def test_ids_in_another_order_give_the_same_text(
    btf: Btf, options: tuple[str, ...], tmp_path: Path
) -> None:
    dump(btf, tmp_path / "one.btf")
    text, _ = header(tmp_path / "one.btf", *options)
    assert text.count("struct twin") >= 3
    assert not re.search(r"\[\d+\]", text)
    for seed in range(5):
        dump(shuffled_chain(btf, seed), tmp_path / "two.btf")
        assert header(tmp_path / "two.btf", *options)[0] == text


def test_messages_name_the_ids_of_the_file(btf: Btf, tmp_path: Path) -> None:
    for seed in range(3):
        moved = shuffled_chain(btf, seed)
        dump(moved, tmp_path / "k.btf")
        text, said = header(tmp_path / "k.btf")
        assert f'[{moved.find("endless").id}] STRUCT "endless": ' in said
        assert '/* left out: self at bit 0, which needs what it is in: STRUCT "endless" */' in text


def test_an_id_chooses_the_type_that_has_it_in_the_file(btf: Btf, tmp_path: Path) -> None:
    for seed in range(3):
        moved = shuffled_chain(btf, seed)
        dump(moved, tmp_path / "k.btf")
        text, _ = header(tmp_path / "k.btf", "--id", str(moved.find("z").id))
        assert re.findall(r"^struct (\w+) \{", text, re.MULTILINE) == ["twin", "z"]
        assert "int b;" in text


def test_a_module_over_a_base_in_another_order(
    cloud: Btf, modules: dict[str, bytes], tmp_path: Path
) -> None:
    module = loads(modules["8021q"], base=cloud)
    found = set()
    for number, split in enumerate((module, shuffled_chain(module, 1))):
        base, file = tmp_path / f"base{number}", tmp_path / f"module{number}"
        assert split.base is not None
        dump(split.base, base)
        dump(split, file)
        found.add(header(file, "-B", str(base), "--name", "vlan_*")[0])
    (text,) = found
    assert "struct vlan_ioctl_args {" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--format", "c", "--stable", "--like", "7.8"), "--stable does not go with --like 7.8"),
        (("--stable",), "--stable, --assert and --like need --format c"),
    ],
)
def test_options_that_do_not_go_together(
    options: tuple[str, ...], said: str, btf: Btf, tmp_path: Path
) -> None:
    dump(btf, tmp_path / "k.btf")
    done = as_text(btfschema("dump", tmp_path / "k.btf", *options))
    assert (done.returncode, said in done.stderr) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["cloud", "generic"])
def test_real_kernels(kernel: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    btf: Btf = request.getfixturevalue(kernel)
    dump(btf, tmp_path / "one.btf")
    text, _ = header(tmp_path / "one.btf")
    for seed in range(4):
        dump(shuffled_chain(btf, seed), tmp_path / "two.btf")
        assert header(tmp_path / "two.btf")[0] == text
