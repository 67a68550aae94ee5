"""The kinds table and the struct tables of the docs, derived from the schema."""

from __future__ import annotations

from pathlib import Path

from btfschema import schema
from btfschema.schema.plan import Field, KindPlan, fields_of, plan_of
from btfschema.schema.roles import Role

STRUCTS = {
    "struct btf_header": schema.BTF_HEADER,
    "struct btf_header, from 32 bytes on": schema.BTF_LAYOUT_FIELDS,
    "struct btf_layout": schema.BTF_LAYOUT,
}


def _word(field: Field) -> str:
    """A field in a few words: its name, and what it is when it is not a plain number."""
    if field.bits is not None:
        ranges = [
            f"{name} {shift}-{shift + width - 1}" if width > 1 else f"{name} {shift}"
            for name, (shift, width) in field.bits.fields.items()
            if not name.startswith("reserved")
        ]
        return f"`{field.name}` (bits: {', '.join(ranges)})"
    marks = {Role.TYPE_ID: " (type id)", Role.STRING_OFFSET: " (string)", Role.NUMBER: ""}
    return f"`{field.name}`{marks[field.role]}{' (signed)' if field.signed else ''}"


def _row(plan: KindPlan) -> str:
    third = "-" if plan.third.name == "unused" else _word(plan.third)
    fixed = ", ".join(map(_word, plan.fixed)) or "-"
    element = ", ".join(map(_word, plan.element)) or "-"
    name = "yes" if plan.spec is not None and plan.spec.named else "-"
    return (
        f"| {plan.number} | {plan.name} | {name} | {third} | {fixed} | {element} "
        f"| {plan.info_sz} | {plan.elem_sz} |"
    )


def tables() -> str:
    """All tables, as Markdown."""
    lines = [
        "| number | kind | name | third word | then, once | then, vlen times | info_sz | elem_sz |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(plan) for plan in plan_of().kinds.values()]
    lines += ["", "Every record starts with the words of `struct btf_type`: "]
    lines[-1] += ", ".join(map(_word, fields_of(schema.BTF_TYPE))) + "."
    for name, struct in STRUCTS.items():
        lines += ["", f"**`{name}`**", "", "| offset | bytes | field |", "|---|---|---|"]
        offset = 0
        for subcon in struct.subcons:
            lines.append(f"| {offset} | {subcon.sizeof()} | `{subcon.name}` |")
            offset += subcon.sizeof()
    return "\n".join(lines) + "\n"


def write_tables(path: Path) -> None:
    """Write the tables where the reference page includes them."""
    path.parent.mkdir(exist_ok=True)
    text = tables()
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
