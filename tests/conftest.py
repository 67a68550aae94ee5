"""Real files and both engines, for every test."""

from __future__ import annotations

import io
import json
import lzma
import os
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from btfschema import Btf, load, loads
from btfschema.codec.engines import Engine

if TYPE_CHECKING:
    from btfschema.co_re import Kernel

DATA = Path(__file__).parent / "data"

settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=20,
    # A run that judges a change must not fail for what was there before it.
    derandomize="CI" in os.environ,
)
# The others are selected by HYPOTHESIS_PROFILE in the environment; .ci/run selects this one, and is
# the same run for everybody.
settings.register_profile("ci", settings.get_profile("default"), max_examples=50, derandomize=True)
settings.register_profile(
    "fuzz", settings.get_profile("default"), max_examples=3000, derandomize=False
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def unxz(name: str) -> bytes:
    return lzma.decompress((DATA / name).read_bytes())


@pytest.fixture(scope="session")
def cloud_bytes() -> bytes:
    """The vmlinux that the corpus' modules were built for."""
    return unxz("vmlinux-cloud.btf.xz")


@pytest.fixture(scope="session")
def generic_bytes() -> bytes:
    """Another configuration of the same kernel version."""
    return unxz("vmlinux-generic.btf.xz")


@pytest.fixture(scope="session")
def cloud(cloud_bytes: bytes) -> Btf:
    return loads(cloud_bytes)


@pytest.fixture(scope="session")
def generic(generic_bytes: bytes) -> Btf:
    return loads(generic_bytes)


@pytest.fixture(scope="session")
def modules() -> dict[str, bytes]:
    """The split BTF of all 1,138 corpus modules, by module name."""
    with tarfile.open(fileobj=io.BytesIO(unxz("modules-cloud.tar.xz"))) as archive:
        found = {}
        for entry in archive.getmembers():
            file = archive.extractfile(entry) if entry.isfile() else None
            if file is not None:
                found[Path(entry.name).stem] = file.read()
    return found


@pytest.fixture(scope="session")
def kernel_folder(
    tmp_path_factory: pytest.TempPathFactory,
    cloud_bytes: bytes,
    generic_bytes: bytes,
    modules: dict[str, bytes],
) -> Callable[..., Path]:
    """Makes a directory with both kernels, and some of the corpus' modules in a tree below it."""

    def make(names: Iterable[str], tree: str = "modules") -> Path:
        folder = tmp_path_factory.mktemp("kernel")
        (folder / "cloud").write_bytes(cloud_bytes)
        (folder / "generic").write_bytes(generic_bytes)
        (folder / tree).mkdir(parents=True)
        for name in names:
            (folder / tree / f"{name}.btf").write_bytes(modules[name])
        return folder

    return make


@pytest.fixture(scope="session")
def expected() -> dict[str, dict[str, Any]]:
    """What libbpf makes of each module, by module name."""
    rows = map(json.loads, unxz("expected.jsonl.xz").splitlines())
    return {row["module"]: row for row in rows}


@pytest.fixture(scope="session")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that loads BPF objects with libbpf, on the running kernel."""
    from core_loader import built_loader

    return built_loader(tmp_path_factory.mktemp("loader"))


@pytest.fixture(scope="session")
def running() -> Kernel:
    """The running kernel."""
    from btfschema.co_re import Kernel

    return Kernel(load("/sys/kernel/btf/vmlinux"))


@pytest.fixture(params=["bulk", "reference"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Both engines, for every test of the codec."""
    param: Engine = request.param
    return param
