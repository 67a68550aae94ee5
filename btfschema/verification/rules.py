"""All rules, by id: what must hold, who says so, who checks it.

The limits that differ from kind to kind stand beside the kinds, in
:data:`btfschema.schema.KINDS`; those that differ from kernel to kernel in
:mod:`btfschema.verification.kernels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from btfschema.verification.violations import Rule

__all__ = [
    "FIELDS_SINCE",
    "FRAME_RULES",
    "MAX_BLOB_SIZE",
    "MAX_DEPTH",
    "MAX_INT_BITS",
    "MAX_NAMES",
    "MAX_OWNERSHIP_DEPTH",
    "MAX_SPECIAL_FIELDS",
    "MAX_TYPE",
    "RULES",
]

# BTF_MAX_SIZE, BTF_MAX_TYPE, BTF_MAX_NAME_OFFSET + 1, MAX_RESOLVE_DEPTH and
# BITS_PER_U128
MAX_BLOB_SIZE = 16 << 20
MAX_TYPE = 0xFFFFF
MAX_NAMES = 0xFFFFFF + 1
MAX_DEPTH = 32
MAX_INT_BITS = 128
# BTF_FIELDS_MAX, BTF_MAX_OWNERSHIP_DEPTH
MAX_SPECIAL_FIELDS = 11
MAX_OWNERSHIP_DEPTH = 8

_KERNEL = "kernel/bpf/btf.c"
CHECK_META = "kind_ops[]->check_meta"


def _read(id_: str, text: str, function: str, **more: Any) -> Rule:
    return Rule(id_, text, f"tools/lib/bpf/btf.c: {function}", "read", **more)


def _record(id_: str, text: str, function: str, **more: Any) -> Rule:
    return Rule(id_, text, f"{_KERNEL}: {function}", **more)


def _since(version: str, id_: str, text: str, source: str, **more: Any) -> Rule:
    """A rule that kernels have from a version on, which its text also says."""
    return Rule(id_, f"{text} (from {version} on)", source, since=version, **more)


# BTF fields such as bpf_spin_lock, of which a kernel keeps a record.
FIELDS_SINCE = "6.2"


def _field(id_: str, text: str, function: str, **more: Any) -> Rule:
    more.setdefault("repair", "the struct keeps its size and loses its members")
    source = f"{_KERNEL}: {function}"
    return _since(FIELDS_SINCE, f"field.{id_}", text, source, modules=False, **more)


def _graph(id_: str, text: str, function: str, **more: Any) -> Rule:
    return Rule(id_, text, f"{_KERNEL}: {function}", modules=False, **more)


# What writing the sections anew mends.
ANEW = "the header and the sections are written anew"

_DECLARED = (
    # The blob: header, sections, strings.
    _record("blob.size", "BTF has at most 16 MiB", "btf_parse", error="E2BIG", modules=False),
    _read("header.truncated", "BTF starts with a whole header", "btf_parse_hdr"),
    _read("header.magic", "BTF starts with its magic", "btf_parse_hdr"),
    _read("header.length", "hdr_len covers the header and lies inside the BTF", "btf_parse_hdr"),
    _record(
        "header.excess",
        "header bytes that a kernel doesn't know are 0",
        "btf_parse_hdr",
        error="E2BIG",
        fix="write it without a layout section for this kernel",
        repair=ANEW,
    ),
    _record(
        "header.version",
        "the version is 1",
        "btf_parse_hdr",
        error="ENOTSUPP",
        repair=ANEW,
    ),
    _record(
        "header.flags",
        "the flags are 0",
        "btf_parse_hdr",
        error="ENOTSUPP",
        repair=ANEW,
    ),
    _read("section.alignment", "type_off is a multiple of 4", "btf_parse_hdr"),
    _read("section.bounds", "a section lies inside the BTF", "btf_parse_hdr"),
    _read("section.overlap", "sections don't overlap", "btf_parse_hdr"),
    _record(
        "section.gap",
        "nothing lies between sections or behind them",
        "btf_check_sec_info",
        repair=ANEW,
    ),
    _record(
        "section.order",
        "the strings come last",
        "btf_parse_str_sec",
        repair=ANEW,
    ),
    _read("layout.size", "a layout section is made of whole entries", "btf_parse_layout_sec"),
    _read(
        "layout.entry",
        "a kind's sizes are whole words, and as declared where the kind is",
        "btf_parse_layout_sec",
    ),
    _read(
        "strings.empty",
        "BTF without a base has strings",
        "btf_parse_str_sec",
        repair=ANEW,
    ),
    _read("strings.start", "the strings of BTF without a base start with NUL", "btf_parse_str_sec"),
    _read("strings.end", "the strings end with NUL", "btf_parse_str_sec"),
    _record(
        "types.empty",
        "BTF without a base has types",
        "btf_parse_type_sec",
        repair="an INT of 1 byte is added",
    ),
    _record(
        "types.count",
        "an id is less than 0xfffff",
        "btf_add_type",
        error="none",
        fix="kernels drop the type without a word",
    ),
    _read("base.order", "split BTF has its base's byte order", "btf_parse_hdr"),
    # Records, each for itself.
    _read("record.size", "a record lies inside the type section", "btf_parse_type_sec"),
    _read(
        "record.kind",
        "a record's kind is known",
        "btf_type_size",
        repair="as `record.kernel_kind`",
    ),
    _record(
        "record.kernel_kind",
        "the kernel knows a record's kind",
        "btf_check_meta",
        repair="a known kind takes its place: an ENUM or else a UNION for an ENUM64, an "
        "anonymous STRUCT for a FLOAT, an INT for a VAR, a STRUCT for a DATASEC, a TYPEDEF for a "
        "FUNC; tags and inline locations go",
    ),
    _record(
        "record.info",
        "the info word's reserved bits are 0",
        "btf_check_meta",
        fix="kernels before 7.1 take at most 65535 members",
        repair="bit fields become integers of their width",
    ),
    _record(
        "record.vlen",
        "vlen is one that the kind has",
        CHECK_META,
        repair="an extern FUNC is global, or static where a kernel knows no linkage",
    ),
    _record(
        "record.kind_flag",
        "kind_flag is one that the kind has",
        CHECK_META,
        repair="the flag is cleared; a tag that is an attribute goes",
    ),
    _record(
        "record.name",
        "the name is one that the kind takes",
        CHECK_META,
        repair="a wrong character becomes `_`; a name where none may be goes",
    ),
    _record(
        "record.size_word",
        "the size is one that the kind has",
        CHECK_META,
        repair="an enum without a size gets 4 bytes; an empty DATASEC goes, another gets the size "
        "of its variables",
    ),
    _record(
        "record.unused",
        "a third word without meaning is 0",
        CHECK_META,
        repair="it is set to 0",
    ),
    _record(
        "record.value",
        "a word has one of its values",
        CHECK_META,
        repair="an extern VAR is global",
    ),
    _record(
        "element.name",
        "an element's name is one that the kind takes",
        CHECK_META,
        repair="as `record.name`; a missing name is made up",
    ),
    _read("name.offset", "a name lies inside the strings", "btf_validate_str"),
    _record(
        "int.reserved",
        "an INT's four highest bits are 0",
        "btf_int_check_meta",
        repair="they are set to 0",
    ),
    _record(
        "int.bits",
        "an INT's value ends within 128 bits",
        "btf_int_check_meta",
        repair="as `int.size`",
    ),
    _record(
        "int.size",
        "an INT's value ends within its size",
        "btf_int_check_meta",
        repair="the bits are cut to the size; an integer of more than 16 bytes becomes an "
        "anonymous STRUCT",
    ),
    _record(
        "int.encoding",
        "an INT is signed, a char, a bool or none of them",
        "btf_int_check_meta",
        error="ENOTSUPP",
        repair="it is signed or unsigned and nothing else",
    ),
    _record(
        "union.offset",
        "a union's members start at 0",
        "btf_struct_check_meta",
        repair="it becomes a STRUCT with its members in order of offset",
    ),
    _record(
        "member.order",
        "members are ordered by offset",
        "btf_struct_check_meta",
        repair="they are sorted; tags of members follow",
    ),
    _record(
        "member.start",
        "a member starts inside its struct",
        "btf_struct_check_meta",
        repair="the member goes",
    ),
    _record(
        "datasec.offset",
        "variables are ordered, apart and in the section",
        "btf_datasec_check_meta",
        repair="variables are sorted",
    ),
    _record(
        "datasec.size",
        "a variable's size is 1 to the section's",
        "btf_datasec_check_meta",
        repair="a variable gets the size of its type",
    ),
    _record(
        "datasec.end",
        "a variable ends inside its section",
        "btf_datasec_check_meta",
        repair="the section gets larger",
    ),
    _record(
        "datasec.sum",
        "a section is as large as its variables",
        "btf_datasec_check_meta",
        repair="the section gets larger",
    ),
    _record(
        "tag.component",
        "a tag's component index is -1 or more",
        "btf_decl_tag_check_meta",
        repair="the tag goes",
    ),
    # Where references lead.
    _read("reference.exists", "a type id is one of the BTF's", "btf_validate_id", modules=False),
    _read(
        "func.prototype",
        "a FUNC refers to a FUNC_PROTO",
        "btf_validate_type",
        modules=False,
        repair="the FUNC becomes a TYPEDEF",
    ),
    _graph(
        "reference.target",
        "a reference leads where it may",
        "kind_ops[]->resolve",
        repair="a tag or a member goes; a variable without a size becomes one of 1 byte",
    ),
    _graph(
        "reference.function",
        "a pointer or modifier doesn't lead to a FUNC that comes later",
        "btf_ptr_resolve, btf_modifier_resolve",
        fix="let it lead to the function's FUNC_PROTO",
        repair="it leads to the function's FUNC_PROTO",
    ),
    _graph(
        "func.parameters",
        "a FUNC's parameters have names",
        "btf_func_check",
        repair="they are called arg0, arg1, ...",
    ),
    _graph(
        "param.varargs",
        "a last parameter of type void has no name",
        "btf_func_proto_check",
        repair="the name goes",
    ),
    _graph(
        "array.element",
        "an array's integers are regular ones",
        "btf_array_resolve",
        repair="the array becomes an anonymous STRUCT of its size",
    ),
    _graph("array.overflow", "an array's size fits 32 bits", "btf_array_resolve"),
    _graph(
        "member.integer",
        "a struct with kind_flag has regular integers",
        "btf_int_check_kflag_member",
        repair="the member goes",
    ),
    _graph(
        "member.bitfield",
        "a bit field is of an integer or enum and fits it",
        "check_kflag_member",
        repair="the member goes",
    ),
    _graph(
        "member.alignment",
        "a member that is no bit field starts at a whole unit",
        "check_member",
        repair="the member goes",
    ),
    _graph(
        "member.bits",
        "a bit field fits 128 bits from its first byte on",
        "btf_int_check_member",
        repair="the member goes",
    ),
    _graph(
        "member.end", "a member ends inside its struct", "check_member", repair="the member goes"
    ),
    _graph(
        "datasec.variable",
        "a variable's place is as large as its type",
        "btf_datasec_resolve",
        repair="it gets the size of its type, where there is room",
    ),
    _graph(
        "tag.target",
        "a tag's component is there",
        "btf_decl_tag_resolve",
        repair="the tag goes",
    ),
    _graph(
        "graph.loop",
        "only pointers lead back",
        "btf_resolve",
        error="EEXIST",
        repair="a member that leads back goes",
    ),
    _graph(
        "graph.depth",
        "at most 32 types have to be resolved at a time",
        "btf_resolve",
        error="E2BIG",
    ),
    _record(
        "tag.order",
        "type tags come before other modifiers",
        "btf_check_type_tags",
        repair="the modifier leads past the tags, which no longer apply there",
    ),
    _record("tag.chain", "a chain has at most 32 modifiers", "btf_check_type_tags", error="ELOOP"),
    # Structs with fields that the kernel manages.
    _field("bits", "a struct with managed fields has no bit fields", "btf_find_struct_field"),
    _field(
        "none", "a managed field is whole and aligned", "btf_parse_struct_metas", error="EFAULT"
    ),
    _field("order", "managed fields don't overlap", "btf_parse_fields", error="EEXIST"),
    _field(
        "count", "there are few managed fields in a struct", "btf_find_field_one", error="E2BIG"
    ),
    _field(
        "depth", "managed fields are less than 32 deep", "btf_find_nested_struct", error="E2BIG"
    ),
    _field("array", "locks, nodes and counts are in no array", "btf_repeat_fields"),
    _field("tag", "a tagged pointer beside managed fields is one too", "btf_find_kptr"),
    _field("contains", "a list head or tree root says what it holds", "btf_find_graph_root"),
    _field(
        "node",
        "what a list or tree holds has a node for it",
        "btf_parse_graph_root",
        error="ENOENT",
    ),
    _field("lock", "a list head or tree root stands beside a lock", "btf_parse_fields"),
    _field("refcount", "what is in a list and a tree is counted", "btf_parse_fields"),
    _field(
        "ownership",
        "what owns others does so over at most 8 structs",
        "btf_check_ownership_depth",
        error="ELOOP",
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _DECLARED})
"""All rules, by id, in the order in which they are checked."""

FRAME_RULES = frozenset(rule.id for rule in _DECLARED if rule.repair == ANEW)
