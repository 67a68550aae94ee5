"""Resolving CO-RE relocations as libbpf does when it loads a program.

A :class:`Resolver` stands for one object on one kernel: libbpf drops candidates that did not match
an earlier relocation of the same type, so that the order of the relocations counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field, frozen

from btfschema.arguments import require_type
from btfschema.co_re.compat import types_compatible, types_match
from btfschema.co_re.kernel import Candidate, Kernel
from btfschema.co_re.spec import About, Spec, about, match, parse
from btfschema.co_re.types import Types
from btfschema.co_re.values import Patch, patch_of
from btfschema.errors import BtfError, CoreError, RequirementError
from btfschema.model.container import Btf
from btfschema.model.views.ext import CoreRelo, CoreReloKind

__all__ = ["KIND_NAMES", "Resolution", "Resolver", "kind_name"]

# libbpf's names (core_relo_kind_str), which its log and bpftool's messages have.
KIND_NAMES = {
    CoreReloKind.FIELD_BYTE_OFFSET: "byte_off",
    CoreReloKind.FIELD_BYTE_SIZE: "byte_sz",
    CoreReloKind.FIELD_EXISTS: "field_exists",
    CoreReloKind.FIELD_SIGNED: "signed",
    CoreReloKind.FIELD_LSHIFT_U64: "lshift_u64",
    CoreReloKind.FIELD_RSHIFT_U64: "rshift_u64",
    CoreReloKind.TYPE_ID_LOCAL: "local_type_id",
    CoreReloKind.TYPE_ID_TARGET: "target_type_id",
    CoreReloKind.TYPE_EXISTS: "type_exists",
    CoreReloKind.TYPE_MATCHES: "type_matches",
    CoreReloKind.TYPE_SIZE: "type_size",
    CoreReloKind.ENUMVAL_EXISTS: "enumval_exists",
    CoreReloKind.ENUMVAL_VALUE: "enumval_value",
}


def kind_name(kind: int) -> str:
    """A relocation kind as libbpf spells it, such as ``"byte_off"``."""
    known = kind in CoreReloKind._value2member_map_
    return KIND_NAMES[CoreReloKind(kind)] if known else "unknown"


@frozen(eq=False)
class Resolution:
    """What a relocation comes to on a kernel.

    Attributes:
        relo: the relocation.
        local: its access, worked out in the program's types; None when it does not fit them.
        candidates: the types of the kernel that were looked at.
        candidate: the first that matches, or None.
        target: the access in that type, or None.
        patch: what the instruction has to hold; None with ``error``.
        error: why libbpf would refuse the whole object here, or None.
    """

    relo: CoreRelo
    local: Spec | None
    candidates: tuple[Candidate, ...] = ()
    candidate: Candidate | None = None
    target: Spec | None = None
    patch: Patch | None = None
    error: CoreError | None = None

    @property
    def value(self) -> int | None:
        """The value on the kernel, as 64 bits without a sign; None with poison or an error."""
        return None if self.patch is None or self.patch.poison else self.patch.value

    @property
    def poison(self) -> bool:
        """Whether the instruction becomes invalid because its field or value is not there."""
        return self.patch is not None and self.patch.poison


@define
class Resolver:
    """Resolves the relocations of one object on one kernel, in their order.

    Attributes:
        local: the program's types.
        kernel: where it is to run.
    """

    local: Types
    kernel: Kernel
    _left: dict[int, Sequence[Candidate]] = field(factory=dict)

    @classmethod
    def of(cls, program: Btf, kernel: Kernel) -> Resolver:
        """For the BTF of an object.

        Raises:
            RequirementError: it is for a machine of the other byte order.
        """
        require_type("the kernel", kernel, Kernel, "a Kernel: Kernel(btf)")
        if program.byteorder != kernel.vmlinux.byteorder:
            raise RequirementError(
                f"the program is {program.byteorder}-endian and the kernel "
                f"{kernel.vmlinux.byteorder}-endian",
                got=program.byteorder,
                expected=kernel.vmlinux.byteorder,
            )
        return cls(Types.of(program), kernel)

    def resolve(self, relo: CoreRelo) -> Resolution:
        """What libbpf makes of the next relocation."""
        local, candidates = None, tuple[Candidate, ...]()
        try:
            local = parse(self.local, relo.kind, relo.type_id, relo.access_str)
            if relo.kind == CoreReloKind.TYPE_ID_LOCAL:
                own = Patch(local.root_id, local.root_id, validate=False)
                return Resolution(relo, local, patch=own)
            candidates = tuple(self.candidates(relo.type_id))
            return self._decided(relo, local, candidates)
        except CoreError as error:
            return Resolution(relo, local, candidates, error=error)
        except BtfError as error:
            # Types that were read without a check refer to what does not exist.
            return Resolution(relo, local, candidates, error=CoreError(str(error)))

    def candidates(self, type_id: int) -> Sequence[Candidate]:
        """The types that one of the program's may still mean."""
        if type_id not in self._left:
            view = self.local[type_id]
            name = getattr(view, "name", "")
            if not name or not type_id:
                what = self.local.btf.describe(type_id)
                raise CoreError(f"{what} has no name to search the kernel for", type_id=type_id)
            self._left[type_id] = self.kernel.candidates(view, name)
        return self._left[type_id]

    def _decided(self, relo: CoreRelo, local: Spec, candidates: Sequence[Candidate]) -> Resolution:
        """The one answer that all matching candidates give."""
        byteorder = self.kernel.vmlinux.byteorder
        matching: list[tuple[Candidate, Spec, Patch]] = []
        for candidate in candidates:
            target = self._match(relo, local, candidate)
            if target is None:
                continue
            patch = patch_of(relo.kind, local, target, byteorder)
            if matching:
                _refuse_ambiguity(matching[0], (candidate, target, patch))
            matching.append((candidate, target, patch))
        if not matching:
            patch = patch_of(relo.kind, local, None, byteorder)
            return Resolution(relo, local, tuple(candidates), patch=patch)
        self._left[relo.type_id] = [candidate for candidate, _, _ in matching]
        candidate, target, patch = matching[0]
        return Resolution(relo, local, tuple(candidates), candidate, target, patch)

    def _match(self, relo: CoreRelo, local: Spec, candidate: Candidate) -> Spec | None:
        """The access in one candidate, or None."""
        types, type_id = candidate.types, candidate.type_id
        if about(relo.kind) is not About.TYPE:
            return match(local, relo.kind, types, type_id)
        alike = types_match if relo.kind == CoreReloKind.TYPE_MATCHES else types_compatible
        return Spec(types, type_id) if alike(self.local, local.root_id, types, type_id) else None


Matching = tuple[Candidate, Spec, Patch]


def _refuse_ambiguity(first: Matching, other: Matching) -> None:
    """All candidates must lead to the same place and the same value.

    Raises:
        CoreError: these two don't.
    """
    (one, target, patch), (another, its_target, its_patch) = first, other
    pair = f"{_named(one)} and {_named(another)}"
    if target.bit_offset != its_target.bit_offset:
        offsets = target.bit_offset, its_target.bit_offset
        raise CoreError(
            f"ambiguous: the field is at bit {offsets[0]} and at bit {offsets[1]} in {pair}",
            got=offsets,
            expected="the same place in all types of the name",
        )
    if (patch.poison, patch.value) != (its_patch.poison, its_patch.value):
        values = patch.value, its_patch.value
        raise CoreError(
            f"ambiguous: {values[0]} and {values[1]} in {pair}",
            got=values,
            expected="the same value in all types of the name",
        )


def _named(candidate: Candidate) -> str:
    return f"{candidate.types.btf.describe(candidate.type_id)} of {candidate.module}"
