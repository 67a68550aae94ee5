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


# Fields such as bpf_spin_lock that a kernel keeps a record of.
FIELDS_SINCE = "6.2"


def _field(id_: str, text: str, function: str, **more: Any) -> Rule:
    more.setdefault("repair", "drops the members of the struct, which keeps its size")
    source = f"{_KERNEL}: {function}"
    return _since(FIELDS_SINCE, f"field.{id_}", text, source, modules=False, **more)


def _graph(id_: str, text: str, function: str, **more: Any) -> Rule:
    return Rule(id_, text, f"{_KERNEL}: {function}", modules=False, **more)


# What writing the header and the sections again mends.
ANEW = "rewrites the header and the sections"

_DECLARED = (
    # The blob: header, sections, strings.
    _record("blob.size", "BTF is at most 16 MiB long", "btf_parse", error="E2BIG", modules=False),
    _read("header.truncated", "the header is complete", "btf_parse_hdr"),
    _read("header.magic", "BTF starts with the magic number", "btf_parse_hdr"),
    _read(
        "header.length",
        "hdr_len is at least the header's size and at most the BTF's",
        "btf_parse_hdr",
    ),
    _record(
        "header.excess",
        "header bytes that the kernel doesn't know are 0",
        "btf_parse_hdr",
        error="E2BIG",
        fix="write the BTF without a layout section for this kernel",
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
    _read("section.bounds", "each section lies inside the BTF", "btf_parse_hdr"),
    _read("section.overlap", "sections don't overlap", "btf_parse_hdr"),
    _record(
        "section.gap",
        "there are no bytes between the sections or after them",
        "btf_check_sec_info",
        repair=ANEW,
    ),
    _record(
        "section.order",
        "the string section comes last",
        "btf_parse_str_sec",
        repair=ANEW,
    ),
    _read("layout.size", "the layout section consists of whole entries", "btf_parse_layout_sec"),
    _read(
        "layout.entry",
        "a kind's sizes are multiples of 4, and those of the schema if it declares the kind",
        "btf_parse_layout_sec",
    ),
    _read(
        "strings.empty",
        "BTF without a base has a string section",
        "btf_parse_str_sec",
        repair=ANEW,
    ),
    _read(
        "strings.start",
        "the string section of BTF without a base starts with NUL",
        "btf_parse_str_sec",
    ),
    _read("strings.end", "the string section ends with NUL", "btf_parse_str_sec"),
    _record(
        "types.empty",
        "BTF without a base has at least one type",
        "btf_parse_type_sec",
        repair="adds an INT of 1 byte",
    ),
    _record(
        "types.count",
        "a type id is less than 0xfffff",
        "btf_add_type",
        error="none",
        fix="kernels silently drop the type",
    ),
    _read("base.order", "split BTF and its base have the same byte order", "btf_parse_hdr"),
    # Records, each for itself.
    _read("record.size", "a record lies inside the type section", "btf_parse_type_sec"),
    _read(
        "record.kind",
        "the record's kind is known",
        "btf_type_size",
        repair="as `record.kernel_kind`",
    ),
    _record(
        "record.kernel_kind",
        "the kernel knows the record's kind",
        "btf_check_meta",
        repair="replaces the type: an ENUM64 by an ENUM, or else by a UNION; a FLOAT by an "
        "anonymous STRUCT; a VAR by an INT; a DATASEC by a STRUCT; a FUNC by a TYPEDEF. Drops tags "
        "and inline locations",
    ),
    _record(
        "record.info",
        "the info word's reserved bits are 0",
        "btf_check_meta",
        repair="turns bit fields into integers of their width",
    ),
    _record(
        "record.vlen",
        "the kind allows this vlen",
        CHECK_META,
        repair="makes an extern FUNC global, or static if the kernel knows no linkage",
    ),
    _record(
        "record.kind_flag",
        "the kind allows this kind_flag",
        CHECK_META,
        repair="clears the flag; drops a tag that is an attribute",
    ),
    _record(
        "record.name",
        "the kind allows this name",
        CHECK_META,
        repair="replaces a wrong character by `_`; drops a name where none is allowed",
    ),
    _record(
        "record.size_word",
        "the kind allows this size",
        CHECK_META,
        repair="gives an enum without a size 4 bytes; drops an empty DATASEC, and gives any other "
        "the size of its variables",
    ),
    _record(
        "record.unused",
        "an unused third word is 0",
        CHECK_META,
        repair="sets it to 0",
    ),
    _record(
        "record.value",
        "the word has one of its allowed values",
        CHECK_META,
        repair="makes an extern VAR global",
    ),
    _record(
        "element.name",
        "the kind allows this name for an element",
        CHECK_META,
        repair="as `record.name`; makes up a missing name",
    ),
    _read("name.offset", "a name's offset lies inside the string section", "btf_validate_str"),
    _record(
        "int.reserved",
        "an INT's four highest bits are 0",
        "btf_int_check_meta",
        repair="sets them to 0",
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
        repair="cuts the bits to the size; turns an integer of more than 16 bytes into an "
        "anonymous STRUCT",
    ),
    _record(
        "int.encoding",
        "an INT is at most one of signed, char and bool",
        "btf_int_check_meta",
        error="ENOTSUPP",
        repair="makes it a plain signed or unsigned integer",
    ),
    _record(
        "union.offset",
        "a union's members start at offset 0",
        "btf_struct_check_meta",
        repair="turns it into a STRUCT with its members sorted by offset",
    ),
    _record(
        "member.order",
        "members are sorted by offset",
        "btf_struct_check_meta",
        repair="sorts them, and adjusts the tags of members",
    ),
    _record(
        "member.start",
        "a member starts inside its struct",
        "btf_struct_check_meta",
        repair="drops the member",
    ),
    _record(
        "datasec.offset",
        "variables are sorted, don't overlap, and start inside the section",
        "btf_datasec_check_meta",
        repair="sorts the variables",
    ),
    _record(
        "datasec.size",
        "a variable's size is between 1 and the section's size",
        "btf_datasec_check_meta",
        repair="gives the variable the size of its type",
    ),
    _record(
        "datasec.end",
        "a variable ends inside its section",
        "btf_datasec_check_meta",
        repair="enlarges the section",
    ),
    _record(
        "datasec.sum",
        "a section is at least as large as its variables together",
        "btf_datasec_check_meta",
        repair="enlarges the section",
    ),
    _record(
        "tag.component",
        "a tag's component index is at least -1",
        "btf_decl_tag_check_meta",
        repair="drops the tag",
    ),
    # What references refer to.
    _read(
        "reference.exists",
        "a type id refers to a type that exists",
        "btf_validate_id",
        modules=False,
    ),
    _read(
        "func.prototype",
        "a FUNC refers to a FUNC_PROTO",
        "btf_validate_type",
        modules=False,
        repair="turns the FUNC into a TYPEDEF",
    ),
    _graph(
        "reference.target",
        "a reference is to a type that its kind allows",
        "kind_ops[]->resolve",
        repair="drops a tag or a member; turns a variable without a size into one of 1 byte",
    ),
    _graph(
        "reference.function",
        "a pointer or modifier doesn't refer to a FUNC with a higher id",
        "btf_ptr_resolve, btf_modifier_resolve",
        fix="make it refer to the function's FUNC_PROTO",
        repair="makes it refer to the function's FUNC_PROTO",
    ),
    _graph(
        "func.parameters",
        "a FUNC's parameters have names",
        "btf_func_check",
        repair="names them arg0, arg1, ...",
    ),
    _graph(
        "param.varargs",
        "a last parameter of type void has no name",
        "btf_func_proto_check",
        repair="drops the name",
    ),
    _graph(
        "array.element",
        "an integer in an array fills 1, 2, 4, 8 or 16 bytes",
        "btf_array_resolve",
        repair="turns the array into an anonymous STRUCT of the same size",
    ),
    _graph("array.overflow", "an array's size fits in 32 bits", "btf_array_resolve"),
    _graph(
        "member.integer",
        "an integer in a struct with kind_flag fills 1, 2, 4, 8 or 16 bytes",
        "btf_int_check_kflag_member",
        repair="drops the member",
    ),
    _graph(
        "member.bitfield",
        "a bit field has an integer or enum type and fits in it",
        "check_kflag_member",
        repair="drops the member",
    ),
    _graph(
        "member.alignment",
        "a member that is not a bit field starts at a byte, a FLOAT at a multiple of its size",
        "check_member",
        repair="drops the member",
    ),
    _graph(
        "member.bits",
        "a bit field fits in 128 bits, counted from its first byte",
        "btf_int_check_member",
        repair="drops the member",
    ),
    _graph(
        "member.end", "a member ends inside its struct", "check_member", repair="drops the member"
    ),
    _graph(
        "datasec.variable",
        "a variable's size in its section is the size of its type",
        "btf_datasec_resolve",
        repair="gives it the size of its type, if there is room",
    ),
    _graph(
        "tag.target",
        "a tag's component exists",
        "btf_decl_tag_resolve",
        repair="drops the tag",
    ),
    _graph(
        "graph.loop",
        "every loop of types passes through a pointer",
        "btf_resolve",
        error="EEXIST",
        repair="drops the member that closes the loop",
    ),
    _graph(
        "graph.depth",
        "types nest at most 32 deep",
        "btf_resolve",
        error="E2BIG",
    ),
    _record(
        "tag.order",
        "type tags come before other modifiers",
        "btf_check_type_tags",
        repair="makes the modifier skip the tags, which no longer apply there",
    ),
    _record(
        "tag.chain", "at most 32 modifiers follow each other", "btf_check_type_tags", error="ELOOP"
    ),
    # Structs with fields that the kernel manages.
    _field("bits", "a struct with managed fields has no bit fields", "btf_find_struct_field"),
    _field(
        "none",
        "a managed field has its full size and alignment",
        "btf_parse_struct_metas",
        error="EFAULT",
    ),
    _field("order", "managed fields don't overlap", "btf_parse_fields", error="EEXIST"),
    _field(
        "count",
        f"a struct has at most {MAX_SPECIAL_FIELDS} managed fields, with one lock and one count",
        "btf_find_field_one",
        error="E2BIG",
    ),
    _field(
        "depth",
        "managed fields are nested less than 32 deep",
        "btf_find_nested_struct",
        error="E2BIG",
    ),
    _field("array", "arrays don't contain locks, nodes or reference counts", "btf_repeat_fields"),
    _field("tag", "a tagged pointer beside managed fields is a kptr", "btf_find_kptr"),
    _field(
        "contains",
        "a list head or tree root has a tag that names what it holds",
        "btf_find_graph_root",
    ),
    _field(
        "node",
        "the struct that a list or tree holds has a node for it",
        "btf_parse_graph_root",
        error="ENOENT",
    ),
    _field("lock", "a struct with a list head or tree root also has a lock", "btf_parse_fields"),
    _field(
        "refcount",
        "a struct with a list node and a tree node has a reference count",
        "btf_parse_fields",
    ),
    _field(
        "ownership",
        "a chain of structs that own each other has at most 8",
        "btf_check_ownership_depth",
        error="ELOOP",
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _DECLARED})
"""All rules, by id, in the order in which they are checked."""

FRAME_RULES = frozenset(rule.id for rule in _DECLARED if rule.repair == ANEW)
