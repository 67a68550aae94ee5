"""New BTF from views: base or split, in either byte order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from btfschema.arguments import require_choice
from btfschema.codec.engines import Image, schema_layout
from btfschema.codec.header import ByteOrder, canonical_header
from btfschema.errors import EncodeError
from btfschema.model.container import Btf, require_btf
from btfschema.model.integrity import check_new_references
from btfschema.model.views import TypeView
from btfschema.schema.kinds import CLASSIC_INFO, KINDS, Kinds
from btfschema.schema.plan import INFO_BITS, NAME_OFF, U32_MAX, Field, KindPlan, plan_of
from btfschema.schema.roles import Role
from btfschema.tables.strings import StringTableBuilder
from btfschema.tables.types import TypeTable

if TYPE_CHECKING:
    from btfschema.model.copying import Copier

__all__ = ["Builder", "Profile"]

Profile = Literal["classic", "wide"]


# What a view says of its info word; the rest is reserved.
INFO_NAMES = ("vlen", "kind", "kind_flag")


class Builder:
    """Collects views and builds a container from them.

    Ids are given in the order of :meth:`add` and never change; a view may refer to an id that will
    be added later. Equal strings are stored once, and split BTF reuses its base's.

    Args:
        base: build split BTF over this; None for stand-alone BTF.
        byteorder: of the result; the base's by default, else ``"little"``.
        layout: write a 32-byte header with a layout section, which kernels before 7.1 refuse.
        profile: ``"classic"`` holds vlen to 16 and kinds to 5 bits, as every kernel reads them;
            ``"wide"`` allows the 24 and 7 bits of 2026. Which kinds a kernel knows is its own
            matter: ``verify`` tells.
        kinds: the schema.
        like: a container whose base, byte order, layout section, address size and schema are taken
            where nothing else is given, and the profile ``"wide"``; its types are not.

    Raises:
        ValueError: the byte order or the profile is not known.
        EncodeError: the byte order is not that of the base.

    Example:
        >>> from btfschema import Builder, views
        >>> b = Builder()
        >>> u64 = b.add(views.Int("u64", 8))
        >>> node = b.next_id
        >>> ptr = b.add(views.Ptr(node + 1))
        >>> b.add(views.Struct("node", 16, [
        ...     views.Member("value", u64), views.Member("next", ptr, bit_offset=64)]))
        3
        >>> b.build()
        <Btf 3 types (ids 1..3), little-endian>
    """

    def __init__(
        self,
        base: Btf | None = None,
        *,
        byteorder: ByteOrder | None = None,
        layout: bool | None = None,
        profile: Profile | None = None,
        kinds: Kinds | None = None,
        like: Btf | None = None,
    ) -> None:
        require_btf("like", like, optional=True)
        require_btf("the base", base, optional=True)
        if like is not None:
            base = like.base if base is None else base
            byteorder = byteorder or like.byteorder
            kinds = like.kinds if kinds is None else kinds
            profile = profile or "wide"
        if byteorder is not None:
            require_choice("byteorder", byteorder, ByteOrder)
        if base is not None and byteorder not in (None, base.byteorder):
            raise EncodeError(
                f"split BTF has its base's byte order, {base.byteorder}-endian",
                got=byteorder,
                expected=base.byteorder,
            )
        self.base = base
        self._byteorder: ByteOrder = byteorder or (base.byteorder if base else "little")
        kept = like.image.layout if like is not None and layout is None else None
        self._like_layout, self._layout = kept, bool(layout)
        self._address_size = like.address_size if like is not None else None
        profile = profile or "classic"
        require_choice("profile", profile, Profile)
        self._info = CLASSIC_INFO if profile == "classic" else INFO_BITS
        self._profile: Profile = profile
        default = base.kinds if base is not None else KINDS
        self._plan = plan_of(kinds if kinds is not None else default)
        self._strings = StringTableBuilder(base.strings if base is not None else None)
        self._words: list[int] = []
        self._starts: list[int] = []
        self._first_id = base.end_id if base is not None else 1
        self._copiers: dict[int, Copier] = {}

    def __len__(self) -> int:
        return len(self._starts)

    def __repr__(self) -> str:
        over = f" over {self._first_id - 1}" if self.base is not None else ""
        return f"<Builder of {len(self)} types{over}, {self._byteorder}-endian>"

    @property
    def next_id(self) -> int:
        """The id that the next view will have."""
        return self._first_id + len(self._starts)

    def add(self, view: TypeView) -> int:
        """Add a type and return its id.

        The view's type ids are ids of the container that is being built (or of its base),
        wherever the view comes from.

        Raises:
            EncodeError: a value does not fit its field; nothing is added then.
        """
        words = self.words_of(view)
        type_id = self.next_id
        self._starts.append(len(self._words))
        self._words += words
        return type_id

    def copy(
        self,
        types: TypeView | int | str | Iterable[TypeView | int | str],
        source: Btf | None = None,
    ) -> dict[int, int]:
        """Copy types of another container with all that they need, each once.

        What was copied before is not copied again, and what the base has by identity stays there.

        Args:
            types: views, ids or names, or one of these.
            source: the container that ids and names are of; views know theirs.

        Returns:
            The id here of every type that was copied or needed, by its id there.

        Raises:
            EncodeError: ids or names are given without ``source``, or views of several containers
                or of none; or a type does not fit this builder's schema or profile.
            LookupError: there is no such id or name.
        """
        from btfschema.model.copying import Copier, wanted

        ids, source = wanted(types, source)
        if source is None:
            return {}
        # By identity: containers that are equal may stand in different chains.
        copier = self._copiers.get(id(source))
        if copier is None:
            copier = self._copiers[id(source)] = Copier(self, source)
        return copier.copy(ids)

    @property
    def kinds(self) -> Kinds:
        """The schema."""
        return self._plan.schema

    def add_string(self, text: str) -> int:
        """The offset that ``text`` has, or will have, in the strings.

        Raises:
            EncodeError: it holds a NUL, or the strings would grow too long.
        """
        return self._strings.add(text)

    def info_word(self, fields: dict[str, int], where: str) -> int:
        """The info word of a record; ``where`` names it in messages.

        Raises:
            EncodeError: a field does not fit the profile.
        """
        return self._join(self._info, {name: fields[name] for name in INFO_NAMES}, where)

    def add_records(self, records: Iterable[list[int]]) -> None:
        """Add records as words, whose ids and strings are this builder's.

        Raises:
            EncodeError: as one of them; nothing is added then.
        """
        mark = len(self._strings)
        try:
            found = list(records)
        except EncodeError:
            self._strings.truncate(mark)
            raise
        for words in found:
            self._starts.append(len(self._words))
            self._words += words

    def words_of(self, view: TypeView) -> list[int]:
        """The words of a view's record, which is not added; its strings are.

        Raises:
            EncodeError: a value does not fit its field; no string is added then.
        """
        if not isinstance(view, TypeView):
            raise EncodeError(f"{view!r} is not a view of a type", got=view, expected="a TypeView")
        plan = self._plan.kinds.get(view.kind)
        if plan is None or plan.spec is None:
            raise EncodeError(
                f"kind {view.kind} is not in the schema, so it can't be built",
                got=view.kind,
                expected=f"one of 1..{max(self._plan.schema)}",
            )
        mark = len(self._strings)
        words: list[int] = []
        try:
            words = self._record(plan, view)
        finally:
            if not words:
                self._strings.truncate(mark)
        return words

    @property
    def strings_data(self) -> bytes:
        """The strings so far, without the base's."""
        return self._strings.build().data

    def _record(self, plan: KindPlan, view: TypeView) -> list[int]:
        """The words of a view's record; its strings are added on the way."""
        raw = view._to_raw(plan)
        where = f"type {self.next_id} ({plan.name} {raw.name!r})"
        vlen = len(raw.columns[0]) if plan.stride else raw.vlen
        self._require_number(raw.vlen_name, vlen, where)
        info = {"vlen": vlen, "kind": plan.number, "kind_flag": int(raw.kind_flag)}
        words = [self._string(NAME_OFF, raw.name, where), self._join(self._info, info, where), 0]
        words[plan.third.word] = self._word(plan.third, raw.third, where)
        words += [
            self._word(field, value, where)
            for field, value in zip(plan.fixed, raw.fixed, strict=True)
        ]
        words += self._element_words(plan, raw.columns, where)
        return words

    def _element_words(
        self, plan: KindPlan, columns: tuple[list[Any], ...], where: str
    ) -> list[int]:
        words = []
        singular = plan.spec.element_name if plan.spec is not None else ""
        for number, values in enumerate(zip(*columns, strict=True)):
            at = f"{where} {singular} {number}"
            words += [
                self._word(field, value, at)
                for field, value in zip(plan.element, values, strict=True)
            ]
        return words

    def _word(self, field: Field, value: Any, where: str) -> int:
        """One value as an unsigned word."""
        if field.role is Role.STRING_OFFSET:
            return self._string(field, value, where)
        if field.bits is not None:
            return self._join(field.bits, value, where)
        self._require_number(field.name, value, where)
        low, high = (-(1 << 31), (1 << 31) - 1) if field.signed else (0, U32_MAX)
        if not low <= value <= high:
            raise EncodeError(
                f"{where}: {field.name} {value} does not fit 32 bits ({low}..{high})",
                type_id=self.next_id,
                got=value,
                expected=f"{low}..{high}",
            )
        return int(value) & U32_MAX

    def _string(self, field: Field, text: Any, where: str) -> int:
        if not isinstance(text, str):
            raise EncodeError(
                f"{where}: {field.attribute} {text!r} is not a string",
                type_id=self.next_id,
                got=text,
                expected="a string, empty for none",
            )
        try:
            return self._strings.add(text)
        except EncodeError as error:
            raise EncodeError(
                f"{where}: {field.name}: {error}",
                type_id=self.next_id,
                got=error.got,
                expected=error.expected,
            ) from None

    def _require_number(self, name: str, value: Any, where: str) -> None:
        if isinstance(value, int | np.integer):
            return
        hint = ""
        if isinstance(value, TypeView):
            hint = ": give the id that add() returned for it, not the view"
        raise EncodeError(
            f"{where}: {name} {value!r} is not a whole number{hint}",
            type_id=self.next_id,
            got=value,
            expected="a whole number",
        )

    def _join(self, bits: Any, values: dict[str, int], where: str) -> int:
        for name, value in values.items():
            self._require_number(name, value, where)
        try:
            word: int = bits.join(values)
        except OverflowError as error:
            hint = ""
            if bits is CLASSIC_INFO:
                hint = ' in the profile "classic"; kernels from 2026 on read profile "wide"'
            raise EncodeError(f"{where}: {error}{hint}", type_id=self.next_id, got=values) from None
        return word

    def build(self) -> Btf:
        """The container of all types so far.

        Raises:
            EncodeError: a type id that was used does not exist.
        """
        words = np.array(self._words, np.uint32)
        starts = np.array(self._starts, np.int64)
        table = TypeTable(words, starts, self._plan, self._first_id)

        def described(type_id: int) -> str:
            kind = int(table.kinds[table.row(type_id)])
            return f"type {type_id} ({self._plan.kinds[kind].name})"

        check_new_references(table, table.end_id, described, error=EncodeError)
        strings = self._strings.build()
        layout = schema_layout(self._plan.schema) if self._layout else self._like_layout
        header = canonical_header(
            self._byteorder, 4 * len(words), len(strings.data), len(layout or ())
        )
        image = Image(header, table, strings, layout)
        return Btf(image, self.base, address_size=self._address_size)
