"""The command line: ``python -m btfschema``, also installed as ``btfschema``.

Each command stands in a module of its own, imported when it is called: ``--help`` needs only click.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any

import click
from click import formatting

from btfschema.cli.stops import Interrupted, ended_unread, in_main_thread, stops_once

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = ["ARGUMENTS", "cli", "main"]

# Command -> (module, what it does in a line): the help lists these without importing the modules.
COMMANDS = {
    "dump": ("dump", "Print the types of a file, as bpftool does."),
    "info": ("info", "Show header, counts and sizes of a file's BTF."),
    "show": ("show", "Show types as C with offsets, sizes and holes."),
    "value": ("value", "Print bytes as a value of a type."),
    "graph": ("graph", "Draw what a type refers to, or what refers to it."),
    "list": (
        "types_list",
        "List types by size, holes, what they contain, point to, take or return.",
    ),
    "diff": ("diff", "Show what changed between two kernels, root causes first."),
    "offsets": ("offsets", "Print offsets, sizes and values of many kernels as one table."),
    "tables": ("tables", "Write types, members and references as tables: Parquet, CSV, SQLite."),
    "extract": ("listing", "Write a BTF section of a file to a file of its own."),
    "verify": ("verify", "Say what a kernel, or libbpf, would refuse in a file's BTF."),
    "check": ("check", "Say whether modules' BTF fits a kernel, and if not, why."),
    "core": ("core", "Say whether BPF objects will load on kernels, and if not, why."),
    "minimise": ("minimise", "Write the smallest BTF that BPF objects need."),
    "distill": ("transform", "Add a small distilled base to modules, for later kernels."),
    "relocate": ("transform", "Move split BTF from its distilled base onto a kernel."),
    "rebase": ("transform", "Move split BTF from one full base to another."),
    "merge": ("merge", "Merge the BTF of many files into one that has each type once."),
    "duplicates": ("duplicates", "Show which types occur several times, and why."),
    "references": ("transform", "Show which base types split BTF needs, and why."),
    "run": ("run", "Run a pipeline of passes."),
    "passes": ("listing", "List the passes that are installed."),
    "samples": ("samples", "Unpack small real files to try the other commands on."),
    "completion": ("completion", "Print a script that lets a shell complete commands."),
}

# Where a context keeps the whole command line.
ARGUMENTS = "btfschema.arguments"
# Where it keeps whether to do without a pager.
NO_PAGER = "btfschema.no_pager"

# Commands whose output may be long, and goes through a pager on a terminal.
PAGED = {
    "diff",
    "dump",
    "duplicates",
    "graph",
    "info",
    "list",
    "offsets",
    "passes",
    "references",
    "show",
    "value",
    "verify",
}

# Commands that can't have the name that they have in their modules.
ATTRIBUTES = {"list": "list_"}


def _pager(ctx: click.Context) -> AbstractContextManager[Any]:
    """What long output goes through; nothing where it goes to no terminal."""
    from btfschema.cli.terminal import COLOUR, PAGER, colours

    ctx.color = colours(sys.stdout, ctx.meta.setdefault(COLOUR, "auto"))
    # A pager needs to handle signals.
    if sys.stdout is None or not sys.stdout.isatty() or not in_main_thread():
        return nullcontext()
    from btfschema.cli.pager import Pager

    pager = ctx.meta[PAGER] = Pager()
    if ctx.meta.get(NO_PAGER):
        pager.refuse()
    return pager


def _choose_colour(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """What --color says holds for the command that it is given to, and for those below."""
    from btfschema.cli.terminal import COLOUR, colours

    if value is not None:
        ctx.meta[COLOUR] = value
        ctx.color = colours(sys.stdout, value)


def _refuse_pager(
    ctx: click.Context, param: click.Parameter | None = None, value: bool = True
) -> None:
    from btfschema.cli.terminal import PAGER

    if value:
        ctx.meta[NO_PAGER] = True
        if PAGER in ctx.meta:
            ctx.meta[PAGER].refuse()


def _terminal_options(*, paged: bool) -> list[click.Option]:
    """What commands take before their names and after them; ``paged`` for those with a pager."""
    options = [
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            callback=_choose_colour,
            expose_value=False,
            help="Use colour; auto does on a terminal, and heeds NO_COLOR and FORCE_COLOR.",
        ),
        click.Option(
            ["--no-pager"],
            is_flag=True,
            callback=_refuse_pager,
            expose_value=False,
            help="Do not pass long output on a terminal through a pager.",
        ),
    ]
    return options if paged else options[:1]


def _columns() -> int:
    """As ``shutil.get_terminal_size``, which imports all that compresses."""
    try:
        columns = int(os.environ.get("COLUMNS", "0"))
    except ValueError:
        columns = 0
    if columns <= 0 and sys.__stdout__ is not None:
        with suppress(OSError, ValueError):
            columns = os.get_terminal_size(sys.__stdout__.fileno()).columns
    return columns if columns > 0 else 80


class Formatter(click.HelpFormatter):
    """Help as click writes it, of the width that click chooses."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        width = width or formatting.FORCED_WIDTH or max(min(_columns(), max_width or 80) - 2, 50)
        super().__init__(indent_increment, width, max_width)


class Context(click.Context):
    """A context of the group itself: its help is what many look at first."""

    formatter_class = Formatter


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    context_class = Context

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _terminal_options(paged=True)
        # The commands that have these options too.
        self._complete: set[click.Command] = set()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments, for pages that say what made them."""
        ctx.meta[ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; each may be interrupted, and says what it could not do."""
        try:
            # The group's own help needs no errors.
            from btfschema.errors import BtfError

            try:
                with _pager(ctx):
                    return super().invoke(ctx)
            except BtfError as error:
                from btfschema.cli.answers import say_why

                ctx.exit(say_why(error, ctx.meta[ARGUMENTS]))
        except KeyboardInterrupt as cause:
            raise Interrupted(cause) from None
        except SystemExit as cause:
            # Commands end by click's Exit: this is a pass that somebody else wrote, and the work
            # is not done, whatever it says.
            from btfschema.cli.answers import complain

            complain(f"a pass ended the program: SystemExit: {cause}")
            ctx.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, or None when there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"btfschema.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, ATTRIBUTES.get(cmd_name, cmd_name))
        if command not in self._complete:
            self._complete.add(command)
            command.params += _terminal_options(paged=cmd_name in PAGED)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; the error for one that is not there names the nearest."""
        if "file" in args or "format" in args or args[:1] == ["btf"]:
            from btfschema.cli.hints import as_here

            here = as_here(args)
            if here is not None:
                ctx.fail(f"that is bpftool's syntax; here it is: {here}")
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from btfschema.cli.hints import as_pass, nearest

            hint = as_pass(args) or nearest(args[0], COMMANDS)
            ctx.fail(f"No such command {args[0]!r}.{hint}")
        name, command, rest = super().resolve_command(ctx, args)
        if name not in PAGED:
            _refuse_pager(ctx)
        return name, command, rest

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands from the table alone, and the group's own options."""
        from click.shell_completion import CompletionItem

        found = [
            CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="btfschema", prog_name="btfschema")
def cli() -> None:
    """Read, check and transform BTF, the BPF Type Format.

    FILE may be raw BTF, an ELF file, a kernel module (also .gz, .xz or .zst), a boot image such as
    vmlinuz, or "-" for standard input.
    """


def _spare_the_process() -> None:
    """Leave out what a process that runs one command needs not do."""
    # No command multiplies matrices; the threads that numpy would start for that cost a sixth of
    # its import, and more on machines with many processors.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Modules and columns are many objects without circles: look for these less often, and not once
    # more for the last time.
    gc.set_threshold(50_000, *gc.get_threshold()[1:])
    atexit.register(gc.freeze)


def main(args: list[str] | None = None) -> Any:
    """Run the command line.

    An error becomes words on stderr, or a JSON object when JSON was asked for, and exit code 1; 2
    for a command line or a pipeline that is spelled wrongly.

    Args:
        args: the arguments; those of the process by default.
    """
    if args is None:
        _spare_the_process()
    words = sys.argv[1:] if args is None else args
    _escape_what_the_locale_lacks()
    # A process that runs one command ends with it; one that calls this for itself goes on.
    restore = args is not None
    with ended_unread(restore=restore), stops_once(restore=restore):
        try:
            try:
                ended = _ended(args)
            except (click.ClickException, OSError) as error:
                from btfschema.cli.answers import say_why

                ended = say_why(error, words)
        except KeyboardInterrupt as cause:
            # It came while an error was worded, which is all that there is to say.
            ended = Interrupted(cause).exit_code
    sys.exit(ended if isinstance(ended, int) else 0)


def _ended(args: list[str] | None) -> Any:
    """What the command line gives when all that it printed is written."""
    try:
        try:
            return cli.main(args=args, prog_name="btfschema", standalone_mode=False)
        finally:
            _flush()
    except (click.Abort, KeyboardInterrupt) as error:
        # click makes an Abort of what stops it before a command runs.
        cause = error.__cause__ or error
        if not isinstance(cause, KeyboardInterrupt):
            raise
        _flush()
        raise Interrupted(cause) from None


def _flush() -> None:
    """Write what is printed: now a full disk is noticed, and a signal ends it if nobody reads."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _escape_what_the_locale_lacks() -> None:
    """Make output escape the characters that its encoding doesn't have, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
