"""The tables of rules of the docs, derived from the declarations."""

from __future__ import annotations

from pathlib import Path

from btfschema.schema.constraints import Constraints, FlagRule, NameRule
from btfschema.schema.plan import KindPlan, plan_of
from btfschema.schema.roles import Bits
from btfschema.verification import KERNELS, RULES, Kernel, Rule


def _bits(info: Bits) -> str:
    return f"vlen {info.fields['vlen'][1]} bits, kind {info.fields['kind'][1]} bits"


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _kernel(kernel: Kernel) -> str:
    cells = (
        kernel.version,
        _bits(kernel.info),
        f"1 to {int(kernel.last_kind)}",
        _yes(kernel.layout),
        _yes(kernel.attributes),
        "printable" if kernel.free_section_names else "identifiers",
        _yes(kernel.special_fields),
        _narrower(kernel),
        _yes(kernel.checked),
    )
    return f"| {' | '.join(cells)} |"


def _narrower(kernel: Kernel) -> str:
    """What it allows less of than the table of kinds says."""
    kinds = plan_of().kinds
    parts = [] if kernel.dotted_names else ["no dots in names"]
    parts += [] if kernel.name_length == 512 else [f"names of at most {kernel.name_length} bytes"]
    for number, less in kernel.narrower.items():
        for what, value in less.items():
            shown = value.value if isinstance(value, FlagRule) else value
            shown = ", ".join(map(str, shown)) if isinstance(shown, tuple) else shown
            parts.append(f"{kinds[number].name}: {what.removeprefix('max_')} {shown}")
    return "<br>".join(parts) or "-"


def _targets(plan: KindPlan, wants: Constraints) -> str:
    parts = [f"`{plan.third.name}`: {wants.target.value}"] if wants.target is not None else []
    parts += [f"`{name}`: {target.value}" for name, target in wants.fixed_targets.items()]
    if wants.element_target is not None and plan.spec is not None:
        parts.append(f"each {plan.spec.element_name}: {wants.element_target.value}")
    parts += [f"`{name}`: {' or '.join(map(str, v))}" for name, v in wants.values.items()]
    return "<br>".join(parts) or "-"


def _kind(plan: KindPlan, wants: Constraints) -> str:
    vlen = f"number of {plan.spec.elements}" if plan.spec is not None else ""
    if wants.max_vlen is not None:
        vlen = f"0 to {wants.max_vlen}" if wants.max_vlen else "0"
    flag = wants.kind_flag.value if wants.kind_flag is not FlagRule.FREE else "any"
    third = "0" if plan.third.name == "unused" else "-"
    if wants.sizes is not None:
        third = f"size {', '.join(map(str, wants.sizes))}"
    elif wants.min_size:
        third = f"size at least {wants.min_size}"
    names = wants.name.value
    if plan.spec is not None and wants.element_name is not NameRule.FREE:
        names += f"; of {plan.spec.elements}: {wants.element_name.value}"
    cells = (plan.name, vlen, flag, names, third, _targets(plan, wants))
    return f"| {' | '.join(cells)} |"


def _rule(rule: Rule) -> str:
    asked = "loading, modules" if rule.modules else "loading"
    if rule.level == "read":
        asked = f"reading, {asked}"
    fix = f" *{rule.fix[0].upper()}{rule.fix[1:]}.*" if rule.fix else ""
    repair = rule.repair or "-"
    return (
        f"| `{rule.id}` | {rule.text}.{fix} | {repair} | {asked} | {rule.error} | `{rule.source}` |"
    )


def tables() -> str:
    """All tables, as Markdown."""
    lines = ["## All rules", ""]
    lines += ["| rule | what must hold | what `sanitise` does | checked on | error | source |"]
    lines += ["|---|---|---|---|---|---|", *map(_rule, RULES.values())]
    lines += ["", "## What each kind allows", ""]
    lines += ["| kind | vlen | kind_flag | names | third word | references and values |"]
    lines += ["|---|---|---|---|---|---|"]
    for plan in plan_of().kinds.values():
        wants = plan.spec.constraints if plan.spec is not None else None
        if wants is not None:
            lines.append(_kind(plan, wants))
    lines += ["", "## How kernels differ", ""]
    lines += [
        "| kernel | info word | kinds | layout section | attributes | section names "
        "| checks managed fields | allows less | compared with a real kernel |",
        "|---|---|---|---|---|---|---|---|---|",
        *map(_kernel, KERNELS.values()),
    ]
    return "\n".join(lines) + "\n"


def write_rules(path: Path) -> None:
    """Write the tables where the page includes them."""
    text = tables()
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
