"""The documentation as its readers get it: built without a warning, and read in Chromium."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from browser import browse

DOCS = Path(__file__).parents[2] / "docs"
NARROW = 400
# A window has no such width, but a frame has.
FRAMES = """<!DOCTYPE html><body><script>
(async () => {
  const wide = {};
  for (const page of PAGES) {
    const frame = document.createElement("iframe");
    frame.style = "border: 0; width: WIDTHpx; height: 900px";
    const loaded = new Promise(resolve => { frame.onload = resolve; });
    frame.src = page;
    document.body.append(frame);
    await loaded;
    wide[page] = frame.contentDocument.scrollingElement.scrollWidth;
    frame.remove();
  }
  document.title = JSON.stringify(wide);
})();
</script>"""

pytestmark = [pytest.mark.debian, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(DOCS), str(folder)]
    subprocess.run(sphinx, check=True)
    return folder


def pages_of(site: Path) -> list[str]:
    pages = (page.relative_to(site) for page in sorted(site.rglob("*.html")))
    return [str(page) for page in pages if page.parts[0] != "_modules"]


def widths(site: Path, width: int) -> dict[str, int]:
    """How wide each page is in a frame of this width."""
    frames = site / "frames.html"
    pages = json.dumps(pages_of(site))
    frames.write_text(FRAMES.replace("PAGES", pages).replace("WIDTH", str(width)))
    try:
        dom = browse(
            frames, "--dump-dom", "--virtual-time-budget=200000", "--allow-file-access-from-files"
        ).decode()
    finally:
        frames.unlink()
    found = re.search(r"<title>(.*?)</title>", dom)
    assert found is not None
    wide: dict[str, int] = json.loads(unescape(found[1]))
    return wide


def test_no_page_scrolls_sideways_on_a_telephone(site: Path) -> None:
    found = widths(site, NARROW)
    assert len(found) > 60
    assert {page: wide for page, wide in found.items() if wide > NARROW} == {}


def test_links_within_the_site_lead_to_what_they_name(site: Path) -> None:
    @cache
    def anchors(page: Path) -> set[str]:
        return set(re.findall(r'\bid="([^"]+)"', page.read_text())) if page.exists() else set()

    links, lost = 0, set[str]()
    for page in pages_of(site):
        for href in re.findall(r'<a [^>]*href="([^"]+)"', (site / page).read_text()):
            path, _, anchor = unquote(unescape(href)).partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            target = ((site / page).parent / path if path else site / page).resolve()
            links += 1
            if not target.exists() or (anchor and anchor not in anchors(target)):
                lost.add(f"{page}: {href}")
    assert links > 1000
    assert lost == set()
