"""``btfschema offsets``."""

from __future__ import annotations

from pathlib import Path

import click

from btfschema.cli.outputs import echo, json_text

__all__ = ["offsets"]

COLUMNS = ("question", "found", "value", "size", "bits", "shift")


@click.command()
@click.argument("paths", type=click.Path(exists=True, dir_okay=False))
@click.argument("kernels", metavar="KERNEL...", nargs=-1, required=True, type=click.Path())
@click.option("-j", "--json", "as_json", is_flag=True, help="JSON instead of CSV.")
def offsets(paths: str, kernels: tuple[str, ...], as_json: bool) -> None:
    """Print offsets, sizes and values of many kernels as one table.

    PATHS is a file with one question a line: TYPE.member, sizeof(TYPE), exists(TYPE.member) or
    enum TYPE.VALUE; "|" stands between alternatives, of which the first that a kernel has counts.
    What a kernel lacks is said on stderr, and the exit code is 1.

    \b
    Example:
      btfschema offsets paths.txt vmlinux-5.4 vmlinux-6.12 > offsets.csv
    """  # noqa: D301 - click needs the backspace character itself
    import csv
    import io

    from btfschema.questions.offsets import answer, parse_questions
    from btfschema.sources import load

    questions = parse_questions(Path(paths).read_text("utf-8", "surrogateescape"))
    rows = []
    missing = False
    for kernel in kernels:
        btf = load(kernel)
        answers = [answer(btf, question) for question in questions]
        lacking = [one.question for one in answers if one.value is None]
        if lacking:
            missing = True
            echo(f"btfschema: {kernel} lacks {', '.join(lacking)}", err=True)
        rows += [{"kernel": kernel, **one.as_dict()} for one in answers]
    if as_json:
        echo(json_text(rows, pretty=True))
    else:
        text = io.StringIO()
        writer = csv.DictWriter(text, ("kernel", *COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        echo(text.getvalue(), nl=False)
    if missing:
        raise click.exceptions.Exit(1)
