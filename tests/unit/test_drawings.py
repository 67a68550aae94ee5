"""The docs' drawings are what ``drawings`` draws, and are legible."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from drawings import DARK, LIGHT, distill, flow, rooms, split

FIGURES = Path(__file__).parents[2] / "docs" / "figures"
PALETTES = pytest.mark.parametrize(("suffix", "colours"), [("", LIGHT), ("-dark", DARK)])


def brightness(colour: str) -> float:
    """The relative luminance of WCAG 2."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@PALETTES
@pytest.mark.parametrize("drawing", [split, distill, flow])
def test_a_drawing_in_the_docs_is_the_one_that_is_drawn(
    drawing: Callable[[dict[str, str]], str], suffix: str, colours: dict[str, str]
) -> None:
    kept = (FIGURES / f"{drawing.__name__}{suffix}.svg").read_text()
    assert kept == drawing(colours), "run tests/figures.py"


@PALETTES
def test_words_stand_out_from_what_is_behind_them(suffix: str, colours: dict[str, str]) -> None:
    behind = [colours[name] for name in ("paper", "cool", "warm", "good", "deep", "glow")]
    pairs = [("ink", one) for one in behind] + [
        (name, colours["paper"]) for name in ("faint", "strong")
    ]
    for name, ground in pairs:
        low, high = sorted((brightness(colours[name]), brightness(ground)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, f"{name} on {ground}"


@pytest.mark.debian
@PALETTES
def test_the_drawing_of_the_packages_has_the_table_s_arrows(
    suffix: str, colours: dict[str, str]
) -> None:
    def titles(text: str) -> set[str]:
        return set(re.findall(r"<title>(.*?)</title>", text))

    kept = (FIGURES / f"rooms{suffix}.svg").read_text()
    assert len(titles(kept)) > 30
    assert titles(kept) == titles(rooms(colours))
