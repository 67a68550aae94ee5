"""Answers of many kernels as CSV, JSON, a C header or a Python module."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from attrs import field, frozen

from btfschema.arguments import require_choice
from btfschema.errors import counted
from btfschema.questions.offsets import Answer, Question
from btfschema.render.c.words import c_string

__all__ = ["COLUMNS", "FORMS", "Answers", "Form", "lacking", "written"]

Form = Literal["csv", "json", "c", "python"]
FORMS: dict[str, Form] = {".csv": "csv", ".json": "json", ".h": "c", ".py": "python"}
"""The forms, by how files that hold them are called."""

COLUMNS = ("question", "found", "value", "size", "bits", "shift")
# Kernels that a line names.
NAMED = 6
# What C and Python allow in a name.
NO_WORD = re.compile(r"\W+", re.ASCII)


@frozen
class Answers:
    """What many kernels say to the same questions.

    Attributes:
        questions: what was asked.
        kernels: the answers of each kernel, in the questions' order, by the kernel's name.
        grouped: whether kernels with equal answers share one entry.
    """

    questions: Sequence[Question]
    kernels: Mapping[str, tuple[Answer, ...]] = field(factory=dict)
    grouped: bool = False

    def groups(self) -> list[tuple[list[str], tuple[Answer, ...]]]:
        """The entries: the kernels that share one, and their answers."""
        if not self.grouped:
            return [([name], answers) for name, answers in self.kernels.items()]
        found: dict[tuple[Answer, ...], list[str]] = {}
        for name, answers in self.kernels.items():
            found.setdefault(answers, []).append(name)
        return [(names, answers) for answers, names in found.items()]


def lacking(answers: Answers, limit: int | None = NAMED) -> list[str]:
    """Lines about the questions that some kernels have no answer to.

    Args:
        answers: of all kernels.
        limit: how many kernels a line names; None for all.
    """
    lines = []
    for number, question in enumerate(answers.questions):
        without: dict[str, list[str]] = {}
        for name, found in answers.kernels.items():
            if found[number].value is None:
                without.setdefault(found[number].note, []).append(name)
        for note, names in without.items():
            count = f"{len(names):,} of {counted(len(answers.kernels), 'kernel')}"
            verb = "lacks" if len(names) == 1 else "lack"
            shown = ", ".join(names[:limit])
            more = f" and {len(names) - limit:,} more" if limit and len(names) > limit else ""
            why = f" ({note})" if note else ""
            lines.append(f"{count} {verb} {question.text}{why}: {shown}{more}")
    return lines


def written(answers: Answers, form: Form, *, pretty: bool = True) -> str:
    """The answers as a file.

    Args:
        answers: what was found.
        form: the file's form.
        pretty: whether JSON is indented.

    Raises:
        ValueError: there is no such form.
    """
    require_choice("form", form, Form)
    forms: dict[Form, Callable[[Answers], str]] = {
        "csv": _csv,
        "json": lambda found: _json(found, pretty=pretty),
        "c": _header,
        "python": _module,
    }
    return forms[form](answers)


def _rows(answers: Answers) -> Iterable[dict[str, Any]]:
    for names, found in answers.groups():
        for one in found:
            values = {column: getattr(one, column) for column in COLUMNS}
            yield {"kernels": names, **values, **({"note": one.note} if one.note else {})}


def _csv(answers: Answers) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["kernels" if answers.grouped else "kernel", *COLUMNS])
    for row in _rows(answers):
        writer.writerow([" ".join(row["kernels"]), *(row[column] for column in COLUMNS)])
    return text.getvalue()


def _json(answers: Answers, *, pretty: bool) -> str:
    rows = [dict(row) for row in _rows(answers)]
    if not answers.grouped:
        rows = [{"kernel": row.pop("kernels")[0], **row} for row in rows]
    return json.dumps(rows, indent=2 if pretty else None) + "\n"


def _names(questions: Sequence[Question]) -> list[str]:
    """A word for each question, each another one."""
    names: dict[str, None] = {}
    for question in questions:
        first = question.texts[0]
        word = NO_WORD.sub("_", first).strip("_") or "question"
        name = word = word if not word[0].isdigit() else f"_{word}"
        number = len(names)
        while name in names:
            name, number = f"{word}_{number}", number + 1
        names[name] = None
    return list(names)


def _comment(lines: Iterable[str]) -> str:
    """Lines of a C comment, which they can't end."""
    return "".join(f" * {_ascii(line).replace('*/', '* /')}\n" for line in lines)


def _ascii(text: str) -> str:
    """Text in one line of printable ASCII, which doesn't end with a backslash."""
    found = json.dumps(text)[1:-1].replace('\\"', '"')
    return f"{found} " if found.endswith("\\") else found


STRUCTS = """\
#include <stdbool.h>

struct btfschema_answer {
\tbool found;
\tlong long value;\t/* offset or size in bytes, or an enumerator's value */
\tunsigned int size;\t/* bytes of the member, or to load for a bit field; 0: unknown */
\tunsigned int bits;\t/* of a bit field, else 0 */
\tunsigned int shift;\t/* of a bit field: by how many bits to shift what was loaded right */
};
"""


def _header(answers: Answers) -> str:
    """A C header: a struct of answers a kernel or group, and a table of the kernels."""
    names = _names(answers.questions)
    lacks = lacking(answers, None)
    parts = [
        "/*\n * Written by btfschema offsets.\n",
        _comment(["", *lacks]) if lacks else "",
        " */\n#ifndef BTFSCHEMA_OFFSETS_H\n#define BTFSCHEMA_OFFSETS_H\n\n",
        STRUCTS,
        "\nstruct btfschema_offsets {\n",
    ]
    for name, question in zip(names, answers.questions, strict=True):
        parts.append(_comment([question.text]).replace(" * ", "\t/* ", 1)[:-1] + " */\n")
        parts.append(f"\tstruct btfschema_answer {name};\n")
    parts.append("};\n\n")
    table = []
    for number, (kernels, found) in enumerate(answers.groups()):
        parts.append(f"static const struct btfschema_offsets btfschema_offsets_{number} = {{\n")
        for name, one in zip(names, found, strict=True):
            value = "false, 0" if one.value is None else f"true, {_c_number(one.value)}"
            parts.append(f"\t.{name} = {{ {value}, {one.size or 0}, {one.bits}, {one.shift} }},\n")
        parts.append("};\n\n")
        table += [f'\t{{ "{c_string(name)}", &btfschema_offsets_{number} }},\n' for name in kernels]
    parts.append(
        "static const struct btfschema_kernel {\n\tconst char *name;\n"
        "\tconst struct btfschema_offsets *offsets;\n} btfschema_kernels[] = {\n"
    )
    return "".join([*parts, *table, "\t{ 0, 0 }\n};\n\n#endif\n"])


def _c_number(value: int) -> str:
    """A constant of type long long, whatever the number."""
    if value >= 1 << 63:
        value -= 1 << 64
    return str(value) if value > -(1 << 63) else "-9223372036854775807LL - 1"


def _module(answers: Answers) -> str:
    """A Python module: ``OFFSETS`` by kernel and question."""
    lines = ['"""Written by btfschema offsets."""', ""]
    lines += [f"# {_ascii(line)}" for line in lacking(answers, None)]
    lines += [
        "from typing import NamedTuple",
        "",
        "",
        "class Answer(NamedTuple):",
        "    found: str",
        "    value: int | None",
        "    size: int | None = None",
        "    bits: int = 0",
        "    shift: int = 0",
        "",
        "",
    ]
    table = []
    for number, (kernels, found) in enumerate(answers.groups()):
        lines.append(f"_{number} = {{")
        for one in found:
            fields = one.found, one.value, one.size, one.bits, one.shift
            lines.append(f"    {one.question!a}: Answer{fields!a},")
        lines.append("}")
        table += [f"    {name!a}: _{number}," for name in kernels]
    return "\n".join([*lines, "", "OFFSETS = {", *table, "}", ""])
