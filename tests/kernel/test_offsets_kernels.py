"""What ``offsets`` says of kernels that run is what CO-RE relocates programs to there."""

from __future__ import annotations

import pytest
from guest import debian_guest
from offset_paths import PATHS, relocated

from btfschema import Btf, load, loads
from btfschema.questions.offsets import Answer, answer, parse_questions


def agreed(kernel: Btf) -> list[Answer]:
    """The answers to all paths, when they are CO-RE's."""
    found = [answer(kernel, question) for question in parse_questions("\n".join(PATHS))]
    assert found == [relocated(kernel, path) for path in PATHS]
    return found


@pytest.mark.kernel
def test_the_running_kernel() -> None:
    found = agreed(load("/sys/kernel/btf/vmlinux"))
    assert sum(one.value is not None for one in found) > 10


@pytest.mark.guest
@pytest.mark.debian
@pytest.mark.network
@pytest.mark.parametrize("version", ["6.12"])
def test_a_guest(version: str) -> None:
    script = "cat /sys/kernel/btf/vmlinux >/out/btf"
    result = debian_guest(version).run({}, script, timeout=120)
    found = agreed(loads(result.files["btf"]))
    assert sum(one.value is not None for one in found) > 15
