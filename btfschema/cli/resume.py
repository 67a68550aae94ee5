"""Going on where an interrupted run stopped: what is finished, and from which input."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from btfschema.cli.given import as_given, where_it_lies

__all__ = ["NAME", "Journal", "file_state"]

NAME = ".btfschema-run.jsonl"


class Journal:
    """A file in the output directory, a line for each finished input.

    The first line says what was run. A run that says the same keeps the outputs of inputs that have
    not changed since, as long as the outputs have not; any other starts anew.

    Args:
        out_dir: the output directory.
        run: what is run: everything but the inputs that the outputs depend on.
        name: what the file is called.
        sweeps: whether to remove temporary files that a run that was killed has left there.
    """

    def __init__(
        self, out_dir: str, run: dict[str, Any], name: str = NAME, *, sweeps: bool = True
    ) -> None:
        from btfschema.sources.files import TEMPORARY, atomic_write

        self.folder = Path(out_dir)
        self.path = self.folder / name
        # Through JSON, as it will be read back; a package is unpacked elsewhere the next time.
        self.run: dict[str, Any] = as_given(json.loads(json.dumps(run)))
        self.rows: dict[str, dict[str, Any]] = {}
        lines = self._lines()
        if lines and lines[0] == {"run": self.run}:
            self.rows = {line["row"]["file"]: line for line in lines[1:]}
        if sweeps and self.path.exists():
            # What a run that was killed was about to rename.
            for left in self.folder.rglob(f"{TEMPORARY[0]}*{TEMPORARY[1]}"):
                left.unlink(missing_ok=True)
        self.rows = {file: line for file, line in self.rows.items() if self._holds(file, line)}
        # The old one stands until the new one is whole.
        atomic_write(self.path, _text({"run": self.run}, *self.rows.values()).encode())
        self.file: TextIO = self.path.open("a", encoding="utf-8")

    def _lines(self) -> list[dict[str, Any]]:
        """What can be read; a run may be killed in the middle of a line."""
        lines: list[dict[str, Any]] = []
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                try:
                    lines.append(json.loads(line))
                except ValueError:
                    break
        return lines

    def _holds(self, file: str, line: dict[str, Any]) -> bool:
        return bool(
            line["input"] == file_state(where_it_lies(file))
            and line["outputs"] == {output: file_state(output) for output in line["outputs"]}
        )

    def kept(self, file: str) -> dict[str, Any] | None:
        """The report of an input whose output stands, or None."""
        line = self.rows.get(file)
        return None if line is None else line["row"]

    def finished(self, row: dict[str, Any], outputs: Iterable[str]) -> None:
        """Note that an input is done."""
        states = {output: file_state(output) for output in outputs}
        there = {output: state for output, state in states.items() if state is not None}
        self.file.write(
            _text({"row": row, "input": file_state(where_it_lies(row["file"])), "outputs": there})
        )
        self.file.flush()

    def close(self) -> None:
        """Close the file; it stays, for the next run."""
        self.file.close()


def _text(*lines: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


def file_state(path: str) -> list[int] | None:
    """By what a change of a file is told: its size and time of change."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
