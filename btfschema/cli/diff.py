"""``btfschema diff``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfschema.cli.answers import complain, complain_of
from btfschema.cli.completion import complete_kinds, complete_names
from btfschema.cli.diff_page import DiffPage
from btfschema.cli.given import named_as_given
from btfschema.cli.inputs import base_option_of, load_over, odd, warn
from btfschema.cli.options import AnyPath, json_options
from btfschema.cli.outputs import DASH, echo, foot, guard, json_text, one_line, write_output
from btfschema.errors import BtfError, attempt
from btfschema.escapes import printable

if TYPE_CHECKING:
    from btfschema.cli.diff_wanted import Wanted
    from btfschema.model.container import Btf
    from btfschema.questions.comparison import Diff

__all__ = ["diff"]


@click.command()
@click.argument("old", metavar="A", type=AnyPath(allow_dash=True))
@click.argument("new", metavar="B", type=AnyPath(allow_dash=True))
@base_option_of("A (and B, without --new-base)")
@click.option(
    "--new-base",
    metavar="FILE",
    type=AnyPath(),
    help="The BTF that B is split over, if not the same as A's.",
)
@click.option(
    "--all",
    "trees",
    is_flag=True,
    help="A and B are directories or packages: compare modules and .btf files that have the same "
    "name.",
)
@click.option(
    "--only",
    type=click.Choice(["added", "removed", "changed"]),
    multiple=True,
    help="Show only these; may be given several times.",
)
@click.option(
    "--name",
    "names",
    metavar="GLOB",
    multiple=True,
    shell_complete=complete_names,
    help="Only types whose name matches GLOB.",
)
@click.option(
    "--kind",
    "kinds",
    metavar="KIND",
    multiple=True,
    shell_complete=complete_kinds,
    help="Only types of this kind.",
)
@click.option(
    "--for",
    "objects",
    metavar="OBJECT",
    multiple=True,
    type=AnyPath(dir_okay=False),
    help="Only what this BPF object's CO-RE relocations use; may be given several times.",
)
@click.option(
    "--api",
    metavar="FILE",
    type=AnyPath(dir_okay=False),
    help="Only the types and functions that FILE names, one per line, such as vfs_read or struct "
    "file; # starts a comment.",
)
@click.option("--full", is_flag=True, help="Name every type, however many there are.")
@click.option(
    "--html",
    metavar="FILE",
    type=AnyPath(dir_okay=False, allow_dash=True),
    help="Write an HTML page: causes first, each type as C before and after.",
)
@click.option("-q", "--brief", is_flag=True, help="Print only whether the two differ.")
@json_options("an object for each pair")
def diff(
    old: str,
    new: str,
    base_btf: str | None,
    new_base: str | None,
    trees: bool,
    only: tuple[str, ...],
    names: tuple[str, ...],
    kinds: tuple[str, ...],
    objects: tuple[str, ...],
    api: str | None,
    full: bool,
    html: str | None,
    brief: bool,
    as_json: bool,
    pretty: bool,
) -> None:
    """Show what changed from A to B: types, members, values, prototypes; root causes first.

    Types are matched by kind and name. A struct that differs only because a struct inside it
    changed size is counted under that one. Signs: + added, - removed, ~ changed type or value,
    = renamed in the same place, > moved.

    The exit code is diff's: 0 for no differences, 1 for some, 2 for trouble. A name (--name, --api)
    that neither A nor B has is trouble.

    \b
    Examples:
      btfschema diff vmlinux-6.12 vmlinux-6.18
      btfschema diff old/vmlinux new/vmlinux --kind struct --name task_struct --json
      btfschema diff vmlinux-6.12 vmlinux-6.18 --for prog.bpf.o
      btfschema diff --all old/modules new/modules -B old/vmlinux --new-base new/vmlinux
    """  # noqa: D301 - click needs the backspace character itself
    from btfschema.cli.diff_wanted import Wanted

    bases = base_btf, new_base or base_btf
    inputs = _inputs(old, new, bases, objects, api)
    guard({"--html": [html]}, inputs)
    differ, failed = False, list[str]()
    page = DiffPage(_called(old), _called(new)) if html is not None else None
    try:
        wanted = Wanted.of(names, kinds, api)
        narrow = _narrowing(wanted, only, objects)
        pairs, alone, bases = _pairs((old, new), bases, trees=trees)
        for title, both, compared in _compared(pairs, bases, failed, trees=trees):
            differ |= bool(found := narrow(compared))
            if page is not None:
                page.add(title, found)
            if html != DASH:
                _show(found, title, both, full=full, brief=brief, as_json=as_json, pretty=pretty)
        if page is not None:
            write_output(html, page.made([*alone, *failed], foot(inputs)).encode())
    except (BtfError, OSError) as error:
        _told(error, [old, new, *filter(None, (base_btf, new_base))])
        raise click.exceptions.Exit(2) from None
    if not as_json and html != DASH:
        echo("".join(f"{line}\n" for line in alone), nl=False)
    # What could not be compared may have it.
    trouble = failed or _complained(wanted.missing())
    raise click.exceptions.Exit(2 if trouble else 1 if differ or alone else 0)


def _complained(lines: Sequence[str]) -> bool:
    """Say these errors; returns whether there are some."""
    for line in lines:
        complain(line)
    return bool(lines)


def _compared(
    pairs: dict[str, tuple[str, str]],
    bases: tuple[str | None, str | None],
    failed: list[str],
    *,
    trees: bool,
) -> Iterator[tuple[str, tuple[str, str], Diff]]:
    """What the files of each pair differ in.

    Of many pairs, one that can't be compared does not stop the others: the error is said, and
    ``failed`` has a line about it.

    Raises:
        BtfError, OSError: a base can't be read, or the only pair can't be compared.
    """
    over: Sequence[Any] = [_base(one) for one in bases] if trees else bases
    for title, both in pairs.items():
        found = attempt(_compare, both, (None, None) if both == bases else over)
        if not isinstance(found, Exception):
            yield title, both, found
        elif trees:
            _told(found, [*both, *filter(None, bases)])
            failed.append(f"Not compared: {title}")
        else:
            raise found


def _inputs(
    old: str,
    new: str,
    bases: tuple[str | None, str | None],
    objects: Sequence[str],
    api: str | None,
) -> dict[str, Sequence[str | None]]:
    """The files that are read, by what names them."""
    return {
        "A": [old],
        "B": [new],
        "-B": [bases[0]],
        "--new-base": [bases[1]] if bases[1] != bases[0] else [],
        "--for": objects,
        "--api": [api],
    }


def _called(path: str) -> str:
    """What a side is called on a page."""
    return Path(path).name or path


def _told(error: BtfError | OSError, files: Sequence[str]) -> None:
    """Say what went wrong.

    Raises:
        OSError: what is printed can't be written, which is said once for all commands.
    """
    if isinstance(error, OSError) and error.filename is None:
        raise error
    complain_of(error, files)


def _base(file: str | None) -> Btf | None:
    """A base that many files are split over, read once."""
    from btfschema.sources import load

    return load(file) if file is not None else None


def _compare(files: tuple[str, str], bases: Sequence[Any]) -> Diff:
    from btfschema.questions.comparison import diff as compare
    from btfschema.sources import read_source

    opened = []
    for file, base in zip(files, bases, strict=True):
        btf, notes = load_over(read_source(file), base)
        warn(file, [*notes, *odd(btf, printed=True)])
        opened.append(btf)
    return compare(*opened)


def _show(
    found: Diff,
    title: str,
    files: tuple[str, str],
    *,
    full: bool,
    brief: bool,
    as_json: bool,
    pretty: bool,
) -> None:
    """Print what one pair of files differs in."""
    old, new = map(named_as_given, files)
    if as_json:
        data = {"old": old, "new": new, **found.as_dict()}
        echo(json_text(data, pretty=pretty))
        return
    if brief:
        if found:
            echo(f"{printable(old)} and {printable(new)} differ")
        return
    from btfschema.questions.difftext import lines

    if title:
        if not found:
            return
        echo(f"== {title}")
    echo("\n".join(map(one_line, lines(found, full=full))))


def _pairs(
    folders: tuple[str, str], named: tuple[str | None, str | None], *, trees: bool
) -> tuple[dict[str, tuple[str, str]], list[str], tuple[str | None, str | None]]:
    """The files to compare: the two that are named, or those of one module in two directories.

    Args:
        folders: the directories, or files.
        named: the bases that were named.
        trees: whether directories are named.

    Returns:
        The pairs by name, lines about what is in one directory only, and the bases, which a
        directory like /sys/kernel/btf brings along and which are one of its pairs.
    """
    if not trees:
        return {"": folders}, [], named
    from btfschema.cli.below import stem
    from btfschema.cli.tree import gather

    sides, bases = [], []
    for folder, base in zip(folders, named, strict=True):
        gathered = gather((), (folder,)).with_base
        bases.append(gathered.over(base))
        found: dict[str, str] = {}
        for path in gathered.paths:
            found.setdefault(stem(Path(path).name).replace("-", "_"), path)
        sides.append(found)
    pairs = {name: (sides[0][name], sides[1][name]) for name in sides[0] if name in sides[1]}
    alone = []
    for folder, mine, others in zip(folders, sides, reversed(sides), strict=True):
        alone += [f"Only in {folder}: {name}" for name in mine if name not in others]
    return pairs, alone, (bases[0], bases[1])


def _narrowing(
    wanted: Wanted, only: Sequence[str], objects: Sequence[str]
) -> Callable[[Diff], Diff]:
    """What leaves the part of a difference that is asked for."""
    from btfschema.co_re import read_object
    from btfschema.questions.programs import for_programs

    programs = [read_object(path) for path in objects]
    for program in programs:
        if not program.relocations:
            warn(program.path, ["no CO-RE relocations, so it uses nothing"])

    def narrow(found: Diff) -> Diff:
        wanted.see(found.old, found.new)
        if programs:
            found = for_programs(found, programs)
        if wanted or only:
            found = found.only(wanted, only)
        return found

    return narrow
