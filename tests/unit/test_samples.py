"""``btfschema samples``: small real files for whoever has none."""

from __future__ import annotations

import tarfile
from pathlib import Path

import make_samples
from shell import as_text, btfschema

from btfschema import Btf, load
from btfschema.cli.samples import ARCHIVE


def test_the_archive_is_what_the_data_of_the_tests_makes() -> None:
    with tarfile.open(ARCHIVE) as archive:
        found = {}
        for entry in archive:
            file = archive.extractfile(entry)
            found[entry.name] = file.read() if file is not None else b""
    assert found == make_samples.contents()
    assert ARCHIVE.stat().st_size < 1_500_000


def test_they_are_unpacked_once_and_replace_nothing(tmp_path: Path, cloud: Btf) -> None:
    folder = tmp_path / "new" / "samples"
    done = as_text(btfschema("samples", folder))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{folder / 'veth.btf'}: 3,268 bytes" in done.stdout
    base = load(folder / "vmlinux.btf")
    assert base.equivalent(cloud)
    assert load(folder / "veth.btf", base).find("veth_priv").id >= base.end_id
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert btfschema("samples", folder).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    (folder / "veth.btf").write_bytes(b"mine")
    done = as_text(btfschema("samples", folder))
    assert done.returncode == 1
    assert "exists and is not a sample; give another DIR" in done.stderr
    assert (folder / "veth.btf").read_bytes() == b"mine"
