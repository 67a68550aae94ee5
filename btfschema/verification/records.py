"""What a kernel asks of each record for itself: ``btf_check_all_metas``.

What is declared beside the kinds is checked for all kinds alike; the rest is what one kind alone
is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from btfschema.arrays import Mask
from btfschema.schema.constraints import Constraints, FlagRule, NameRule
from btfschema.schema.kinds import INFO, INT_DATA, Kind
from btfschema.schema.plan import INFO_WORD, THIRD, U32_MAX, KindPlan
from btfschema.schema.roles import Role
from btfschema.tables.types import Elements, TypeTable
from btfschema.verification.findings import Findings, Ints
from btfschema.verification.kernels import Kernel
from btfschema.verification.names import NameClasses, name_classes
from btfschema.verification.rules import MAX_INT_BITS, MAX_TYPE

__all__ = ["check_kinds", "check_name_offsets", "check_records"]

# Read one word at a time: what an INT says of itself, and the four bits that say nothing.
INT_RESERVED_SHIFT = 28
INT_ENCODINGS = (0, 1, 2, 4)
# Sizes that compilers leave open.
NO_SIZE: dict[int, str] = {
    Kind.ENUM: "clang writes forward-declared enums without a size; drop it or give it one",
    Kind.ENUM64: "clang writes forward-declared enums without a size; drop it or give it one",
    Kind.DATASEC: "compilers leave it to libbpf, which sets it when it loads the object",
}
# What the info word has in bits that older kernels keep free.
NEWER = {
    "vlen": "kernels before 7.1 allow at most 65535 members",
    "kind_flag": "kernels before 5.0 know no kind_flag",
}
EXTERN = 2
BECOMES_GLOBAL = "libbpf makes it global when it loads the object"


def check_kinds(findings: Findings, types: TypeTable, kernel: Kernel) -> None:
    """Kinds that the kernel knows, and info words without reserved bits; as many ids as it has."""
    unknown = np.flatnonzero(types.kinds > kernel.last_kind)
    name = types.plan.name
    findings.rows(
        "record.kernel_kind",
        unknown,
        [f"{types.kinds[row]} ({name(int(types.kinds[row]))})" for row in unknown],
        f"1..{kernel.last_kind}",
        INFO_WORD.word,
    )
    reserved = 0
    for field, (shift, width) in kernel.info.fields.items():
        if field.startswith("reserved"):
            reserved |= (1 << width) - 1 << shift
    wrong = np.flatnonzero(types.infos & np.uint32(reserved))
    # By what the newest kernels have in these bits.
    for field, (shift, width) in INFO.fields.items():
        meant = np.uint32(reserved & (1 << width) - 1 << shift)
        here = (types.infos[wrong] & meant) != 0
        words = types.infos[wrong[here]].tolist()
        bits = kernel.info.fields[field][1] if field in kernel.info.fields else 0
        expected = f"{bits} bits of {field}" if bits else f"no {field}"
        fix = NEWER.get(field, "")
        shown = [f"{word:#x}" for word in words]
        findings.rows("record.info", wrong[here], shown, expected, INFO_WORD.word, fix)
        wrong = wrong[~here]
    many = np.arange(max(MAX_TYPE - types.first_id, 0), len(types))
    findings.rows("types.count", many, many + types.first_id, f"less than {MAX_TYPE}")


def check_name_offsets(findings: Findings, types: TypeTable, end: int) -> None:
    """Every string offset lies inside the strings of the chain."""
    end = max(end, 1)
    # Nearly always all of them are sound, and one look at them together says so.
    if int(types.words[types.string_positions].max(initial=0)) < end:
        return
    for plan in types.present:
        rows = types.rows_of(plan.number)
        offsets = types.name_offs[rows]
        bad = offsets >= end
        expected = f"less than {end}"
        findings.rows("name.offset", rows[bad], offsets[bad], expected)
        for word in plan.element_words_with(Role.STRING_OFFSET):
            elements = types.elements(plan.number, rows)
            offsets = elements.words[elements.starts + word]
            findings.elements("name.offset", elements, offsets >= end, offsets, expected, word)


def check_records(findings: Findings, types: TypeTable, kernel: Kernel) -> None:
    """What is declared of each kind, and what each kind alone is asked."""
    if findings.btf is None:
        return
    classes = name_classes(findings.btf)
    for plan in types.present:
        wants = kernel.wants(plan.spec)
        if wants is None:
            continue
        rows = types.rows_of(plan.number)
        _check_common_words(findings, types, plan, wants, rows, kernel)
        _check_names(findings, types, plan, wants, rows, classes, kernel)
        special = SPECIAL.get(plan.number)
        if special is not None:
            special(findings, types, rows)


def _check_common_words(
    findings: Findings,
    types: TypeTable,
    plan: KindPlan,
    wants: Constraints,
    rows: Ints,
    kernel: Kernel,
) -> None:
    """vlen, kind_flag, the third word, and fixed words that have few values."""
    if wants.max_vlen is not None:
        vlens = types.vlens[rows]
        bad = vlens > wants.max_vlen
        expected = f"at most {wants.max_vlen}" if wants.max_vlen else "0"
        is_func = plan.number == Kind.FUNC
        for which, fix in (
            (bad & (vlens == EXTERN), BECOMES_GLOBAL if is_func else ""),
            (bad & (vlens != EXTERN), ""),
        ):
            findings.rows("record.vlen", rows[which], vlens[which], expected, INFO_WORD.word, fix)
    unset = wants.kind_flag is FlagRule.UNSET
    if unset or (wants.kind_flag is FlagRule.ATTRIBUTE and not kernel.attributes):
        set_ = rows[types.kind_flags[rows]]
        findings.rows("record.kind_flag", set_, np.ones(len(set_), int), "0", INFO_WORD.word)
    thirds = types.thirds[rows]
    if plan.third.name == "unused":
        bad = thirds != 0
        findings.rows("record.unused", rows[bad], thirds[bad], "0", THIRD.word)
    bad = thirds < wants.min_size
    expected = f"at least {wants.min_size}"
    if wants.sizes is not None:
        bad = ~_are(thirds, wants.sizes)
        expected = f"one of {', '.join(map(str, wants.sizes))}"
    for which, fix in (
        (bad & (thirds == 0), NO_SIZE.get(plan.number, "")),
        (bad & (thirds > 0), ""),
    ):
        findings.rows("record.size_word", rows[which], thirds[which], expected, THIRD.word, fix)
    for field in plan.fixed:
        if field.name in wants.values:
            values = types.words[types.starts[rows] + field.word]
            allowed = wants.values[field.name]
            bad = ~_are(values, allowed)
            expected = f"one of {', '.join(map(str, allowed))}"
            is_variable = plan.number == Kind.VAR
            for which, fix in (
                (bad & (values == EXTERN), BECOMES_GLOBAL if is_variable else ""),
                (bad & (values != EXTERN), ""),
            ):
                findings.rows("record.value", rows[which], values[which], expected, field.word, fix)


def _are(values: Ints, allowed: Sequence[int]) -> Mask:
    """Which values are one of a few: as ``numpy.isin``, in a fraction of the time."""
    found = np.zeros(len(values), np.bool_)
    for one in allowed:
        found |= values == one
    return found


def _check_names(
    findings: Findings,
    types: TypeTable,
    plan: KindPlan,
    wants: Constraints,
    rows: Ints,
    classes: NameClasses,
    kernel: Kernel,
) -> None:
    """The names of a kind's types and of their repeated structs, where there are such names."""
    end = findings.btf.strings.end if findings.btf is not None else 0
    offsets = types.name_offs[rows]
    inside = np.flatnonzero(offsets < end)
    bad = inside[~classes.valid(offsets[inside], wants.name, kernel)]
    wrong = offsets[bad]
    findings.rows(
        "record.name",
        rows[bad],
        lambda number: _quoted(findings, int(wrong[number])),
        wants.name.value,
    )
    if wants.element_name is NameRule.FREE:
        return
    elements = types.elements(plan.number, rows)
    (word,) = plan.element_words_with(Role.STRING_OFFSET)
    offsets = elements.words[elements.starts + word]
    which = np.zeros(len(offsets), np.bool_)
    inside = np.flatnonzero(offsets < end)
    which[inside] = ~classes.valid(offsets[inside], wants.element_name, kernel)
    if plan.number == Kind.FUNC_PROTO:
        # A last parameter of type void is asked another question.
        which &= ~is_last_of_void(elements)
    findings.elements(
        "element.name",
        elements,
        which,
        lambda number: _quoted(findings, int(offsets[number])),
        wants.element_name.value,
        word,
    )


def _quoted(findings: Findings, offset: int) -> str:
    name = findings.name(offset)
    return f'"{name}"' if name else "no name" if not offset else '"" at another offset than 0'


def is_last_of_void(params: Elements) -> Ints:
    """Which parameters are the last of theirs and of type void: what stands for varargs."""
    last = np.zeros(int(params.counts.sum()), np.bool_)
    last[(np.cumsum(params.counts) - 1)[params.counts > 0]] = True
    return np.asarray(last & (params.column("type_id") == 0))


def _check_ints(findings: Findings, types: TypeTable, rows: Ints) -> None:
    (field,) = types.plan.kinds[Kind.INT].fixed
    words = types.words[types.starts[rows] + field.word]
    bits, offsets, encodings = (
        INT_DATA.part(words, part) for part in ("bits", "bit_offset", "encoding")
    )
    sizes = types.thirds[rows].astype(np.int64)
    ends = (bits + offsets).astype(np.int64)
    bad = (words >> INT_RESERVED_SHIFT) != 0
    findings.rows("int.reserved", rows[bad], words[bad] >> INT_RESERVED_SHIFT, "0", field.word)
    bad = ends > MAX_INT_BITS
    findings.rows("int.bits", rows[bad], ends[bad], f"at most {MAX_INT_BITS}", field.word)
    bad = -(-ends // 8) > sizes
    room = 8 * sizes[bad]
    findings.rows(
        "int.size", rows[bad], ends[bad], lambda number: f"at most {room[number]}", field.word
    )
    bad = ~_are(encodings, INT_ENCODINGS)
    findings.rows("int.encoding", rows[bad], encodings[bad], "one of 0, 1, 2, 4", field.word)


def _check_members(findings: Findings, types: TypeTable, rows: Ints) -> None:
    kind = int(types.kinds[rows[0]])
    members = types.elements(kind, rows)
    offsets, _ = types.member_offsets(members)
    sizes = np.repeat(types.thirds[rows].astype(np.int64), members.counts)
    (word,) = (f.word for f in members.plan.element if f.name == "offset")
    if kind == Kind.UNION:
        findings.elements("union.offset", members, offsets != 0, offsets, "0", word)
    else:
        before = np.where(_is_first(members), 0, np.roll(offsets, 1))
        findings.elements(
            "member.order",
            members,
            offsets < before,
            offsets,
            lambda number: f"at least {before[number]}",
            word,
        )
    findings.elements(
        "member.start",
        members,
        -(-offsets // 8) > sizes,
        offsets,
        lambda number: f"at most {8 * sizes[number]}",
        word,
    )


def _is_first(elements: Elements) -> Ints:
    """Which elements are the first of their type."""
    first = np.zeros(int(elements.counts.sum()), np.bool_)
    first[(np.cumsum(elements.counts) - elements.counts)[elements.counts > 0]] = True
    return first


def _behind(findings: Findings, entries: Elements, number: int) -> str:
    """The variable before one of a section, in words; nothing for the first one."""
    if _is_first(entries)[number]:
        return ""
    name = findings.element_name(entries.plan, int(entries.starts[number - 1]))
    return f', where "{name}" ends,' if name else ""


def _check_datasecs(findings: Findings, types: TypeTable, rows: Ints) -> None:
    # A section without a size is refused for that alone.
    rows = rows[types.thirds[rows] > 0]
    entries = types.elements(Kind.DATASEC, rows)
    words = {field.name: field.word for field in entries.plan.element}
    totals = types.thirds[rows].astype(np.int64)
    section = np.repeat(totals, entries.counts)
    offsets = entries.column("offset").astype(np.int64)
    sizes = entries.column("size").astype(np.int64)
    # The kernel adds 32-bit numbers here, so that the sum may start again at 0.
    ends = (offsets + sizes) & U32_MAX
    before = np.where(_is_first(entries), 0, np.roll(ends, 1))
    findings.elements(
        "datasec.offset",
        entries,
        (offsets < before) | (offsets >= section),
        offsets,
        lambda number: (
            f"at least {before[number]}{_behind(findings, entries, number)} "
            f"and less than {section[number]}"
        ),
        words["offset"],
    )
    findings.elements(
        "datasec.size",
        entries,
        (sizes == 0) | (sizes > section),
        sizes,
        lambda number: f"1 to {section[number]}",
        words["size"],
    )
    findings.elements(
        "datasec.end",
        entries,
        ends > section,
        ends,
        lambda number: f"at most {section[number]}",
        words["size"],
    )
    owners = np.repeat(np.arange(len(rows)), entries.counts)
    sums = np.bincount(owners, weights=sizes, minlength=len(rows)).astype(np.int64)
    bad = sums > totals
    findings.rows(
        "datasec.sum", rows[bad], totals[bad], lambda n: f"at least {sums[bad][n]}", THIRD.word
    )


def _check_tags(findings: Findings, types: TypeTable, rows: Ints) -> None:
    word = types.plan.kinds[Kind.DECL_TAG].fixed_field("component_idx").word
    values = types.fixed(Kind.DECL_TAG, rows, "component_idx").view(np.int32)
    bad = values < -1
    findings.rows("tag.component", rows[bad], values[bad], "-1 or more", word)


SPECIAL: dict[int, Callable[[Findings, TypeTable, Ints], None]] = {
    Kind.INT: _check_ints,
    Kind.STRUCT: _check_members,
    Kind.UNION: _check_members,
    Kind.DATASEC: _check_datasecs,
    Kind.DECL_TAG: _check_tags,
}
