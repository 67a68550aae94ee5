"""The running kernel's own BTF, and its modules', are sound by its own rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from btfschema import Kind, load, verify
from btfschema.verification import KERNELS

pytestmark = pytest.mark.kernel

SYSFS = Path("/sys/kernel/btf")
MODERN = [version for version, kernel in KERNELS.items() if kernel.last_kind >= Kind.ENUM64]


@pytest.mark.parametrize("version", MODERN)
def test_the_running_kernel_is_sound(version: str) -> None:
    base = load(SYSFS / "vmlinux")
    newer = {violation.rule.id for violation in verify(base, kernel=version)}
    # A kernel from 2025 on may have attributes, and from 2026 on a layout, that older ones refuse.
    assert newer <= {"record.kind_flag", "header.excess", "record.info"}
    for path in sorted(SYSFS.iterdir()):
        if path.name != "vmlinux":
            assert verify(load(path, base)) == []


def test_it_is_sound_for_readers() -> None:
    assert verify(load(SYSFS / "vmlinux"), "read") == []
