"""``btfschema passes`` and ``btfschema extract``."""

from __future__ import annotations

from typing import Any

import click

__all__ = ["extract", "passes"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def passes(as_json: bool) -> None:
    """List the passes that are installed: options, needs, what each does, who brings it."""
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
        import json

        click.echo(json.dumps(rows, indent=2))
    else:
        click.echo("\n\n".join(map(_paragraph, rows)))
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
@click.argument("file", type=click.Path(allow_dash=True))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    required=True,
    help='Where the section goes; "-" for standard output.',
)
@click.option(
    "--section",
    type=click.Choice([".BTF", ".BTF.base", ".BTF.ext"]),
    default=".BTF",
    show_default=True,
    help="Which section.",
)
def extract(file: str, output: str, section: str) -> None:
    """Write a BTF section of FILE, or of the kernel in a boot image, to a file of its own."""
    from btfschema.sources import atomic_write
    from btfschema.sources.elfwrite import extract_section

    data = extract_section(file, section)
    if output == "-":
        click.echo(data, nl=False)
    else:
        atomic_write(output, data)
