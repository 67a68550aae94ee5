"""``btfschema passes`` and ``btfschema extract``."""

from __future__ import annotations

from typing import Any

import click

from btfschema.cli.answers import called, complain, print_json
from btfschema.cli.options import AnyPath, json_options, number
from btfschema.cli.outputs import DASH, echo, guard, json_text, write_output

__all__ = ["extract", "passes"]

BTF = ".BTF"


@click.command()
@json_options("one array")
def passes(as_json: bool, pretty: bool) -> None:
    """List installed passes: options, needs, what each does, which package provides it."""
    from btfschema.errors import RegistryError
    from btfschema.framework.registry import passes as registered

    rows = []
    broken = False
    for name, info in registered().items():
        row: dict[str, Any] = {"name": name, "distribution": info.distribution}
        try:
            row.update(_described(info.load()))
        except RegistryError as error:
            row["error"] = str(error)
            broken = True
        rows.append(row)
    if as_json:
        echo(json_text(rows, pretty=pretty))
    else:
        echo("\n\n".join(map(_paragraph, rows)))
    if broken:
        raise click.exceptions.Exit(1)


def _described(cls: Any) -> dict[str, Any]:
    from btfschema.framework.options import options_of

    return {
        "summary": (cls.__doc__ or "").strip().partition("\n")[0],
        "options": [str(option) for option in options_of(cls)],
        "needs": str(cls.needs),
    }


def _paragraph(row: dict[str, Any]) -> str:
    lines = [f"{row['name']}  ({row['distribution']})"]
    if "error" in row:
        return f"{lines[0]}\n  does not load: {row['error']}"
    lines.append(f"  {row['summary']}")
    if row["options"]:
        lines.append(f"  options: {', '.join(row['options'])}")
    if row["needs"]:
        lines.append(f"  needs:   {row['needs']}")
    return "\n".join(lines)


@click.command()
@click.argument("file", type=AnyPath(allow_dash=True))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help='Write the section to FILE; "-" for standard output. Optional with --scan.',
)
@click.option(
    "--section",
    type=click.Choice([BTF, ".BTF.base", ".BTF.ext", ".BTF.inline"]),
    default=BTF,
    show_default=True,
    help="The section to extract.",
)
@click.option(
    "--scan",
    is_flag=True,
    help="Look for BTF anywhere in FILE, whatever it is. Without -o, list what is there.",
)
@click.option(
    "--at",
    metavar="OFFSET",
    type=number,
    help="With --scan, extract the BTF at OFFSET instead of the largest.",
)
@json_options("what was written; with --scan and without -o, an array")
def extract(
    file: str,
    output: str | None,
    section: str,
    scan: bool,
    at: int | None,
    as_json: bool,
    pretty: bool,
) -> None:
    """Write a BTF section of FILE, or of the kernel in a boot image, to a file of its own.

    With --scan, FILE may be anything: a dump of memory, firmware, a disk.
    """
    from btfschema.sources.elfwrite import extract_section

    if at is not None and (output is None or not scan):
        raise click.UsageError(f"--at needs {'-o' if scan else '--scan'}")
    if scan and section != BTF:
        raise click.UsageError(f"--scan finds only {BTF}, not {section}")
    if scan and output is None:
        _list_blobs(file, as_json, pretty)
        return
    if output is None:
        raise click.UsageError("Missing option '-o' / '--output'.")
    guard({"-o": [output], "--json": [DASH if as_json else None]}, {"FILE": [file]})
    data = _scanned(file, at) if scan else extract_section(file, section)
    write_output(output, data, like=file if file != DASH else None)
    if as_json:
        found = {"file": file, "section": None if scan else section}
        print_json({**found, "output": output, "bytes": len(data)}, pretty=pretty)


def _scanned(file: str, at: int | None) -> bytes:
    """The largest BTF in a file, or the one at an offset."""
    from btfschema.errors import NoBtfError
    from btfschema.sources.scan import largest_blob, scan_file

    if at is None:
        return largest_blob(file)[1]
    found, data = scan_file(file)
    for blob in found.blobs:
        if blob.offset == at:
            return bytes(data[at : at + blob.size])
    raise NoBtfError(
        f"{called(file)}: no BTF was found at {at:#x}",
        offset=at,
        expected="an offset from the list",
    )


def _list_blobs(file: str, as_json: bool, pretty: bool) -> None:
    from btfschema.sources.scan import scan_file

    found, data = scan_file(file)
    if found.unchecked:
        more = f"{found.unchecked} more places look like BTF and were not tried"
        complain(more, file, "warning")
    if as_json:
        from attrs import asdict

        print_json([asdict(blob) for blob in found.blobs], pretty=pretty)
    if not found.blobs:
        complain(f"nothing in these {len(data):,} bytes is BTF", file)
        raise click.exceptions.Exit(1)
    for blob in found.blobs if not as_json else ():
        kind = "split" if blob.split else "base"
        echo(
            f"{blob.offset:#012x}  {blob.size:>10,} bytes  {blob.types:>8,} types  {kind:<5}  "
            f"{blob.byteorder}-endian"
        )
