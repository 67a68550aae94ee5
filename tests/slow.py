"""Parameters whose tests take long, and of which the default run tries others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["and_slow"]


def and_slow(*values: object, slow: Iterable[object]) -> list[Any]:
    """Values for ``parametrize``: some that the default run tries, and more for ``-m slow``."""
    return [*values, *(_slow(one) for one in slow)]


def _slow(value: object) -> Any:
    values = value if isinstance(value, tuple) else (value,)
    return pytest.param(*values, marks=pytest.mark.slow)
