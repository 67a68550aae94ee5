"""Boot images as the programs of Android and U-Boot write them."""

from __future__ import annotations

import gzip
import subprocess
from pathlib import Path

import pytest
from file_makers import make_bare_kernel

from btfschema import Btf, dumps
from btfschema.sources import read_source

pytestmark = pytest.mark.debian

TREE = """/dts-v1/;
/ {
    description = "two kernels";
    images {
        kernel-1 { data = /incbin/("Image.gz"); type = "kernel"; arch = "arm64"; os = "linux";
                   compression = "gzip"; hash { algo = "sha1"; }; };
        kernel-2 { data = /incbin/("ramdisk"); type = "kernel"; arch = "arm64"; os = "linux";
                   compression = "none"; };
    };
    configurations { default = "conf"; conf { kernel = "kernel-1"; }; };
};
"""
MKIMAGE = ("mkimage", "-A", "arm64", "-O", "linux", "-C", "gzip")
COMMANDS: dict[str, tuple[str, ...]] = {
    **{
        f"boot{version}.img": (
            *("mkbootimg", "--kernel", "Image.gz", "--ramdisk", "ramdisk"),
            *("--header_version", str(version), "-o", f"boot{version}.img"),
            *(("--dtb", "ramdisk") if version == 2 else ()),
        )
        for version in range(4)
    },
    "uImage": (*MKIMAGE, "-T", "kernel", "-d", "Image.gz", "uImage"),
    "multi": (*MKIMAGE, "-T", "multi", "-d", "Image.gz:ramdisk", "multi"),
    "fit.itb": ("mkimage", "-f", "fit.its", "fit.itb"),
    "outside.itb": ("mkimage", "-E", "-f", "fit.its", "outside.itb"),
    "placed.itb": ("mkimage", "-E", "-p", "8192", "-f", "fit.its", "placed.itb"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_kernels_are_found_in_what_the_tools_write(tmp_path: Path, cloud: Btf, name: str) -> None:
    kernel = make_bare_kernel(dumps(cloud))
    (tmp_path / "Image.gz").write_bytes(gzip.compress(kernel, 1))
    (tmp_path / "ramdisk").write_bytes(b"ramdisk" * 100)
    (tmp_path / "fit.its").write_text(TREE)
    subprocess.run(COMMANDS[name], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    source = read_source(tmp_path / name)
    assert source.btf == dumps(cloud)
    assert source.layers[1:] == ("gzip",)
