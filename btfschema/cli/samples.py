"""``btfschema samples``: real files to try the other commands on."""

from __future__ import annotations

from pathlib import Path

import click

from btfschema.cli.answers import print_json
from btfschema.cli.options import AnyPath, json_options
from btfschema.cli.outputs import echo
from btfschema.escapes import printable

__all__ = ["ARCHIVE", "samples"]

ARCHIVE = Path(__file__).with_name("samples.tar.xz")
# What the examples call the kernel that modules are split over.
ALIAS, KERNEL = "vmlinux.btf", "vmlinux-cloud.btf"


@click.command()
@click.argument("folder", metavar="DIR", type=AnyPath(file_okay=False))
@json_options("the files in DIR")
def samples(folder: str, as_json: bool, pretty: bool) -> None:
    """Unpack small real files into DIR: two kernels, four modules and two BPF objects.

    They are from Debian's Linux 6.12: vmlinux-cloud.btf (also called vmlinux.btf), its modules, and
    vmlinux-generic.btf, without its functions. An existing file with other contents is never
    overwritten: samples names it and exits with 1.

    \b
    Examples:
      btfschema samples samples
      btfschema check samples/libiscsi.btf -B samples/vmlinux.btf -T samples/vmlinux-generic.btf
    """  # noqa: D301 - click needs the backspace character itself
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    sizes = _unpack(place)
    alias = place / ALIAS
    if not alias.exists():
        alias.symlink_to(KERNEL)
    if as_json:
        files = [{"name": name, "bytes": size} for name, size in sizes.items()]
        print_json({"folder": folder, "files": files}, pretty=pretty)
        return
    for name, size in sizes.items():
        echo(f"{printable(str(place / name))}: {size:,} bytes")


def _unpack(place: Path) -> dict[str, int]:
    """Write the files that are not there yet; returns all their sizes.

    Raises:
        SourceError: one is there, and says something else.
    """
    import tarfile

    from btfschema.errors import SourceError
    from btfschema.sources.files import atomic_write

    sizes: dict[str, int] = {}
    with tarfile.open(ARCHIVE) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            if file is None:
                continue
            data, path = file.read(), place / entry.name
            if not path.exists():
                atomic_write(path, data)
            elif path.read_bytes() != data:
                raise SourceError(
                    f"{printable(str(path))}: exists and is not a sample; give another DIR"
                )
            sizes[entry.name] = len(data)
    return sizes
