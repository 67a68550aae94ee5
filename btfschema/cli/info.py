"""``btfschema info``."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Any

import click

from btfschema.cli.inputs import (
    RUNNING_KERNEL,
    base_option,
    has_kernel,
    load_over,
    open_input,
    pointer_option,
    warn,
    with_pointers_asked_for,
)
from btfschema.cli.options import AnyPath, json_options
from btfschema.cli.outputs import echo, json_text
from btfschema.cli.table import Table

if TYPE_CHECKING:
    from btfschema.model.container import Btf
    from btfschema.questions.sizes import Sizes

__all__ = ["describe", "info"]


@click.command()
@click.argument("file", required=False, type=AnyPath(allow_dash=True))
@base_option
@click.option(
    "--sizes",
    is_flag=True,
    help="Also show what takes the bytes: by kind, and the names whose types take most.",
)
@pointer_option
@json_options("the same facts as one object")
def info(file: str | None, base_btf: str | None, sizes: bool, as_json: bool, pretty: bool) -> None:
    """Show what FILE's BTF holds: header, sections, types by kind, strings, base, layout.

    Without FILE, shows the running kernel's. Sizes and offsets are in bytes. With --sizes, a string
    counts for the first type that uses it.
    """
    default = RUNNING_KERNEL if has_kernel() else "(sample)"
    facts: dict[str, Any] = {"file": file or default}
    if file is None:
        facts["source"] = {"format": "raw", "layers": [], "elf_class": None, "blobs": 1}
        release = platform.release() if default == RUNNING_KERNEL else None
        facts |= {"release": release, "build_id": None}
        btf = open_input(file, base_btf)
    else:
        from btfschema.sources import read_source

        source = read_source(file)
        facts["source"] = {
            "format": source.format,
            "layers": list(source.layers),
            "elf_class": source.elf_class,
            "blobs": len(source.blobs),
        }
        facts["release"], facts["build_id"] = source.release, source.build_id
        btf, notes = load_over(source, base_btf)
        btf = with_pointers_asked_for(btf)
        warn(file, notes)
    facts |= describe(btf)
    taken = None
    if sizes:
        from btfschema.questions.sizes import sizes_of

        taken = sizes_of(btf)
        facts["sizes"] = taken.as_dict()
    if as_json:
        echo(json_text(facts, pretty=pretty))
    else:
        tables = [*_tables(facts), *(_sizes(taken) if taken is not None else ())]
        for number, table in enumerate(tables):
            if number:
                echo()
            table.show()


def describe(btf: Btf) -> dict[str, Any]:
    """The facts about a container, as plain data; offsets count from the start of the blob."""
    import numpy as np

    header = btf.image.header
    counts = np.bincount(btf.types.kinds, minlength=1)
    from btfschema.verification.suspect import oddities

    facts: dict[str, Any] = {
        "byteorder": header.byteorder,
        "header": {
            "length": header.hdr_len,
            "version": header.version,
            "flags": header.flags,
        },
        "sections": {
            name: {"offset": at, "length": length} for name, at, length in header.sections
        },
        "types": len(btf),
        "first_id": btf.first_id,
        "last_id": btf.end_id - 1,
        "kinds": {btf.kinds.name(int(n)): int(counts[n]) for n in np.flatnonzero(counts)},
        "strings": btf.strings.data.count(b"\0"),
        "string_bytes": len(btf.strings.data),
        "pointer_size": btf.pointer_size,
        "layout": None,
        "base": None,
        "ext": None,
        "doubts": [one.as_dict() for one in oddities(btf)],
    }
    if btf.image.layout is not None:
        facts["layout"] = [
            {"kind": btf.kinds.name(number), "info_sz": info_sz, "elem_sz": elem_sz, "flags": flags}
            for number, (info_sz, elem_sz, flags) in enumerate(btf.image.layout)
        ]
    if btf.base is not None:
        facts["base"] = {
            "types": btf.base.end_id - 1,
            "string_bytes": btf.base.strings.end,
            "split": btf.base.base is not None,
        }
    if btf.ext is not None:
        facts["ext"] = {part.name: int(part.counts.sum()) for part in btf.ext.parts}
    return facts


def _tables(facts: dict[str, Any]) -> list[Table]:
    header, base = facts["header"], facts["base"]
    ids = f"{facts['first_id']}..{facts['last_id']}" if facts["types"] else "none"
    rows = [
        ("file", facts["file"]),
        ("format", _format(facts["source"])),
        *_identity(facts),
        ("byte order", facts["byteorder"]),
        (
            "header",
            f"{header['length']} bytes, version {header['version']}, flags {header['flags']}",
        ),
    ]
    for name, section in facts["sections"].items():
        if section["length"]:
            rows.append(
                (f"{name} section", f"{section['length']:,} bytes at {section['offset']:,}")
            )
    rows += [
        ("types", f"{facts['types']:,} (ids {ids})"),
        ("strings", f"{facts['strings']:,}, {facts['string_bytes']:,} bytes"),
        ("pointers", f"{facts['pointer_size']} bytes"),
        (
            "base",
            "none" if base is None else f"{base['types']:,} types" + ", split" * base["split"],
        ),
        ("layout", "none" if facts["layout"] is None else f"{len(facts['layout'])} kinds"),
    ]
    if facts["ext"] is not None:
        rows.append(
            (".BTF.ext", ", ".join(f"{count} {name}" for name, count in facts["ext"].items()))
        )
    rows += [("doubt", doubt["message"]) for doubt in facts["doubts"]]
    found = [Table(("", ""), rows, least={0: 16}, gap=" ")]
    if facts["kinds"]:
        most_first = sorted(facts["kinds"].items(), key=lambda item: -item[1])
        counts = [(name, f"{count:,}") for name, count in most_first]
        found.append(Table(("kind", "types"), counts, {1}, least={0: 16, 1: 9}, gap=" "))
    if facts["layout"] is not None:
        heads = ("info_sz", "elem_sz", "flags")
        sizes = [(row["kind"], *(str(row[head]) for head in heads)) for row in facts["layout"]]
        found.append(Table(("layout", *heads), sizes, {1, 2, 3}, least={0: 16}, gap=" "))
    return found


def _sizes(taken: Sizes) -> list[Table]:
    """What takes the bytes, by kind and by name."""

    def line(name: str, *numbers: int | None) -> tuple[str, ...]:
        total = numbers[-1] or 0
        cells = ["" if number is None else f"{number:,}" for number in numbers]
        return name, *cells, f"{100 * total / max(1, taken.total):.1f}%"

    rows = [line(one.kind, one.types, one.records, one.strings, one.total) for one in taken.kinds]
    rows.append(line("unused strings", None, None, taken.unused, taken.unused))
    rows.append(line("header and rest", None, None, None, taken.rest))
    rows.append(line("all", None, None, None, taken.total))
    by_kind = Table(
        ("bytes", "types", "records", "strings", "total", "share"), rows, {1, 2, 3, 4, 5}, {0: 16}
    )
    names = [
        (one.kind, one.name, f"{one.types:,}", f"{one.records:,}", f"{one.strings:,}")
        for one in taken.names
    ]
    by_name = Table(("kind", "name", "types", "records", "strings"), names, {2, 3, 4}, {0: 16})
    return [by_kind, by_name] if names else [by_kind]


def _identity(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Which kernel the file is from, as far as it says so."""
    rows = ("kernel release", facts["release"]), ("build id", facts["build_id"])
    return [(name, value) for name, value in rows if value is not None]


def _format(source: dict[str, Any]) -> str:
    """What holds the BTF, the outermost first: ``xz, 64-bit ELF``."""
    inner = {"raw": "raw BTF", "image": "kernel image"}.get(source["format"])
    return ", ".join([*source["layers"], inner or f"{source['elf_class']}-bit ELF"])
