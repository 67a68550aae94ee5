"""What a relocation comes to, once its field, type or enum value is found: libbpf's calculation."""

from __future__ import annotations

from attrs import frozen

from btfschema.co_re.spec import About, Spec, about
from btfschema.codec.header import ByteOrder
from btfschema.errors import CoreError
from btfschema.model.views import Enum, Int, Member, Ptr, TypeView
from btfschema.model.views.data import EnumBase, IntEncoding
from btfschema.model.views.ext import CoreReloKind

__all__ = ["MASK32", "MASK64", "Calculated", "Patch", "calculate", "load_of", "patch_of"]

Kind = CoreReloKind
MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1
# The widest load that can hold a bit field, in bytes.
MAX_LOAD = 8


@frozen
class Calculated:
    """One side of a relocation: what it is in the program, or in the kernel.

    Attributes:
        value: as libbpf writes it into the instruction: 64 bits without a sign. None asks to make
            the instruction invalid, since there is no such field or enum value.
        size: bytes of the field, where a load or a store may have to change its width; else 0.
        type_id: the field's type then; else 0.
        validate: whether the instruction must hold this value before it is patched.
    """

    value: int | None
    size: int = 0
    type_id: int = 0
    validate: bool = True


@frozen
class Patch:
    """What an instruction holds, and what it must hold on a kernel (``struct bpf_core_relo_res``).

    Attributes:
        original: the value in the program, from its own types.
        value: the value on the kernel; 0 with ``poison``.
        poison: the instruction becomes an invalid one.
        validate: whether the instruction must hold ``original``.
        original_size: bytes of the field that a load or store of the program accesses; 0 where
            that does not matter.
        size: bytes of the field in the kernel.
        bad_size: the sizes differ, and a load or store of another width would read another value:
            the relocation is fine for an offset that is added, and poison in a load or store.
    """

    original: int
    value: int
    poison: bool = False
    validate: bool = True
    original_size: int = 0
    size: int = 0
    bad_size: bool = False


def patch_of(kind: int, local: Spec, target: Spec | None, byteorder: ByteOrder) -> Patch:
    """Work out both sides of a relocation (``bpf_core_calc_relo``).

    Args:
        kind: what is asked.
        local: the access in the program.
        target: the access in the kernel; None when it is not there.
        byteorder: of the machine.

    Raises:
        CoreError: the question does not fit what was found.
    """
    one = calculate(kind, local, byteorder)
    other = calculate(kind, target, byteorder)
    original = one.value or 0
    if other.value is None:
        return Patch(original, 0, True, one.validate, one.size)
    bad_size = False
    if one.size != other.size and target is not None:
        before, after = local.types[one.type_id], target.types[other.type_id]
        bad_size = not (
            (isinstance(before, Ptr) and isinstance(after, Ptr))
            or (_zero_extends(before) and _zero_extends(after))
        )
    return Patch(original, other.value, False, one.validate, one.size, other.size, bad_size)


def _zero_extends(view: TypeView) -> bool:
    """Whether a narrower or wider load reads the same number."""
    return isinstance(view, Int) and view.encoding != IntEncoding.SIGNED


def calculate(kind: int, spec: Spec | None, byteorder: ByteOrder) -> Calculated:
    """One side of a relocation; ``spec`` is None when the kernel does not have it."""
    what = about(kind)
    if what is About.FIELD:
        return _field(kind, spec, byteorder)
    return _type(kind, spec) if what is About.TYPE else _enum_value(kind, spec)


def _type(kind: int, spec: Spec | None) -> Calculated:
    if spec is None:
        return Calculated(0)
    if kind == Kind.TYPE_ID_TARGET:
        return Calculated(spec.root_id, validate=False)
    return Calculated(spec.types.size(spec.root_id) if kind == Kind.TYPE_SIZE else 1)


def _enum_value(kind: int, spec: Spec | None) -> Calculated:
    if kind == Kind.ENUMVAL_EXISTS:
        return Calculated(int(spec is not None))
    if spec is None:
        return Calculated(None)
    enum = spec.types[spec.last.type_id]
    if not isinstance(enum, EnumBase):
        raise CoreError(f"{spec.types.btf.describe(enum.id)} is not an enum", type_id=enum.id)
    value = enum.values[spec.last.index].value
    # libbpf takes the 32 bits of an ENUM's value as signed, whatever the enum's sign is.
    if isinstance(enum, Enum) and value >> 31 == 1:
        value -= 1 << 32
    return Calculated(value & MASK64)


def _field(kind: int, spec: Spec | None, byteorder: ByteOrder) -> Calculated:
    if kind == Kind.FIELD_EXISTS:
        return Calculated(int(spec is not None))
    if spec is None:
        return Calculated(None)
    member = spec.member()
    if member is None:
        return _element(kind, spec)
    view = spec.types.behind(member.type_id)
    start = spec.bit_offset
    if member.bitfield_size:
        at, size = _load(member, view, start, spec)
        bits = member.bitfield_size
    else:
        size, at = spec.types.size(view.id), start // 8
        bits = size * 8
    plain = not member.bitfield_size
    if kind == Kind.FIELD_BYTE_OFFSET:
        return Calculated(at, size, view.id) if plain else Calculated(at, validate=False)
    if kind == Kind.FIELD_BYTE_SIZE:
        return Calculated(size, validate=plain)
    if kind == Kind.FIELD_SIGNED:
        signed = isinstance(view, EnumBase | Int) and view.signed
        return Calculated(int(signed))
    if kind == Kind.FIELD_LSHIFT_U64:
        if byteorder == "little":
            shift = 64 - (start + bits - at * 8)
        else:
            shift = (8 - size) * 8 + (start - at * 8)
        return Calculated(shift & MASK64, validate=plain)
    return Calculated(64 - bits & MASK64)


def _element(kind: int, spec: Spec) -> Calculated:
    """An element of an array has an offset and a size, and nothing else is asked of it."""
    size = spec.types.size(spec.last.type_id)
    if kind == Kind.FIELD_BYTE_OFFSET:
        return Calculated(spec.bit_offset // 8, size, spec.last.type_id)
    if kind == Kind.FIELD_BYTE_SIZE:
        return Calculated(size)
    raise CoreError(f"{Kind(kind).name} can't be asked of an array's element", got=kind)


def _load(member: Member, view: TypeView, start: int, spec: Spec) -> tuple[int, int]:
    """Byte and size of the smallest aligned load that holds a bit field.

    Raises:
        CoreError: there is none.
    """
    found = load_of(start, member.bitfield_size, getattr(view, "size", 0))
    if found is None:
        raise CoreError(
            f"bit field {member.name!r} of {member.bitfield_size} bits at bit {start} of "
            f"{spec.types.btf.describe(spec.root_id)} can't be read with a load of {MAX_LOAD} "
            "bytes",
            type_id=spec.root_id,
        )
    return found


def load_of(start: int, bits: int, size: int) -> tuple[int, int] | None:
    """Byte and size of the smallest aligned load that holds a bit field, or None.

    Args:
        start: the bit field's first bit.
        bits: how many it has.
        size: bytes of its type, the least that is loaded.
    """
    while 0 < size <= MAX_LOAD:
        at = start // 8 // size * size
        if start + bits <= (at + size) * 8:
            return at, size
        size *= 2
    return None
