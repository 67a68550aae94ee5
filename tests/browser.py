"""Pages in Chromium without a window: what it makes of them, as text or as a picture."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

__all__ = ["browse"]


def browse(page: Path, *options: str) -> bytes:
    """What Chromium prints for a page with such options."""
    quiet = "no-sandbox disable-gpu disable-quic no-first-run disable-background-networking"
    quiet += " disable-component-update disable-sync"
    flags = [f"--{flag}" for flag in quiet.split()]
    with tempfile.TemporaryDirectory() as profile:
        flags.append(f"--user-data-dir={profile}")
        done = subprocess.run(
            [
                "chromium",
                "--headless",
                *flags,
                f"--user-data-dir={profile}",
                *options,
                page.as_uri(),
            ],
            capture_output=True,
            check=True,
            timeout=120,
        )
    return done.stdout
