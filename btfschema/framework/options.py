"""A pass's options: its attrs fields, from text and to text.

What a field may hold is read from its annotation: ``str``, ``int``, ``bool``, a ``Literal`` of
those, an ``Enum``, ``tuple[X, ...]`` of them, and each of these ``| None``.
"""

from __future__ import annotations

import enum
import sys
import types
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from attrs import NOTHING, Attribute, Factory, fields, frozen

from btfschema.errors import RegistryError, SpecError
from btfschema.framework.grammar import OptionText, StageText, Word, close_match, point_at, quoted

if TYPE_CHECKING:
    from btfschema.framework.passes import Pass

__all__ = ["Option", "build_pass", "format_pass", "options_of"]

# A module that was made of a file holds what the user calls it; its own name is nothing to show.
LOADED_AS = "__btfschema_loaded_as__"

FLAGS = {"true": True, "false": False}
NONE = "none"


# To the type checkers attrs.Factory is a function.
_FACTORY: Any = Factory


@frozen
class Option:
    """One option of a pass.

    Attributes:
        name: what the text and the constructor call it.
        attribute: what the instance calls it.
        type: the annotation, without ``| None``.
        is_list: whether it takes several values.
        optional: whether it may be None.
        default: its default, or ``attrs.NOTHING`` when it must be given.
    """

    name: str
    attribute: str
    type: Any
    is_list: bool
    optional: bool
    default: Any

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is NOTHING

    @property
    def choices(self) -> tuple[str, ...]:
        """What its text may be, where that is one of a few."""
        return tuple(FLAGS if self.type is bool else _choices(self.type))

    def __str__(self) -> str:
        """The option as a table of passes shows it, such as ``policy=strict|kernel``."""
        kinds = {bool: "true|false", str: "TEXT", int: "NUMBER"}
        shown = kinds.get(self.type) or "|".join(_choices(self.type)) or str(self.type)
        default = "" if self.required else f" [{self.written(self.default)}]"
        return f"{self.name}={shown}{',...' if self.is_list else ''}{default}"

    def written(self, value: Any) -> str:
        """A value as the text of a pipeline has it."""
        if value is None:
            return NONE
        items = value if self.is_list and isinstance(value, tuple | list) else [value]
        texts = [_text(item) for item in items]
        # Only quotes tell the text "none" from no value.
        if self.optional and texts == [NONE]:
            return f'"{NONE}"'
        return ",".join(map(quoted, texts))


def _text(value: Any) -> str:
    """A single value in words."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, str) else value.name
    return str(value)


def _choices(kind: Any) -> dict[str, Any]:
    """The values of a ``Literal`` or an ``Enum`` by their text; empty for other types."""
    if get_origin(kind) is Literal:
        return {_text(value): value for value in get_args(kind)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {_text(member): member for member in kind}
    return {}


@lru_cache(maxsize=256)
def options_of(cls: type[Pass]) -> tuple[Option, ...]:
    """The options of a pass class, in order of its fields.

    Raises:
        RegistryError: the class has no attrs fields of its own, or an annotation can't be resolved.
    """
    if "__attrs_attrs__" not in vars(cls):
        raise RegistryError(
            f"{_described(cls)} is not decorated with attrs.frozen",
            got=cls.__qualname__,
            expected="an attrs class",
        )
    declared: tuple[Attribute[Any], ...] = fields(cls)
    try:
        hints = get_type_hints(cls)
    except NameError as error:
        raise RegistryError(
            f"the options of {_described(cls)} can't be read: "
            f"{error}; import what annotations name outside of TYPE_CHECKING",
            got=str(error),
        ) from error
    return tuple(_option(a, hints.get(a.name, a.type)) for a in declared if a.init)


def _described(cls: type) -> str:
    """A class and where it is from."""
    file = getattr(sys.modules.get(cls.__module__), LOADED_AS, None)
    if file is None:
        return f"pass class {cls.__module__}.{cls.__qualname__}"
    return f"pass class {cls.__qualname__} of {file}"


def _option(attribute: Attribute[Any], kind: Any) -> Option:
    optional = False
    if get_origin(kind) in (Union, types.UnionType):
        rest = [part for part in get_args(kind) if part is not type(None)]
        optional = len(rest) < len(get_args(kind))
        kind = rest[0] if len(rest) == 1 else kind
    is_list = get_origin(kind) is tuple and get_args(kind)[1:] == (Ellipsis,)
    if is_list:
        kind = get_args(kind)[0]
    default: Any = attribute.default
    if isinstance(default, _FACTORY) and not default.takes_self:
        default = default.factory()
    name = attribute.alias or attribute.name
    return Option(name, attribute.name, kind, is_list, optional, default)


def format_pass(pass_: Pass) -> str:
    """A pass as text, without the options that have their default.

    Reading the text gives an equal pass, if all its options are of types that text can hold.
    """
    parts = []
    for option in options_of(type(pass_)):
        value = getattr(pass_, option.attribute)
        if not option.required and value == option.default:
            continue
        is_flag = value is True and not option.is_list
        parts.append(option.name if is_flag else f"{option.name}={option.written(value)}")
    return f"{pass_.name}{{{' '.join(parts)}}}" if parts else pass_.name


def build_pass(cls: type[Pass], stage: StageText, text: str) -> Pass:
    """The pass that a stage of ``text`` describes.

    Raises:
        SpecError: an option is unknown, given twice, missing, or has a wrong value.
    """
    known = {option.name: option for option in options_of(cls)}
    values: dict[str, Any] = {}
    for given in stage.options:
        option = known.get(given.key.text)
        if option is None:
            takes = close_match(given.key.text, known) if known else "; it has none"
            message = f'unknown option "{given.key.text}" of pass "{cls.name}"{takes}'
            raise _error(text, given.key, message, given.key.text, f"one of {sorted(known)}")
        if option.name in values:
            message = f'option "{option.name}" of pass "{cls.name}" is given twice'
            raise _error(text, given.key, message, option.name)
        values[option.name] = _value(option, given, text)
    missing = [o.name for o in known.values() if o.required and o.name not in values]
    if missing:
        message = f'pass "{cls.name}" must be given {", ".join(missing)}'
        raise _error(text, stage.name, message, None, missing[0])
    try:
        return cls(**values)
    except (TypeError, ValueError) as error:
        # A validator of the pass refused; attrs puts more than the sentence into its arguments.
        reason = error.args[0] if error.args else type(error).__name__
        message = f'pass "{cls.name}" refuses its options: {reason}'
        raise _error(text, stage.name, message) from error


def _value(option: Option, given: OptionText, text: str) -> Any:
    if given.values is None:
        if option.type is bool and not option.is_list:
            return True
        message = f'option "{option.name}" needs a value: {option}'
        raise _error(text, given.key, message, None, str(option))
    if option.optional and [text[word.start : word.end] for word in given.values] == [NONE]:
        return None
    if option.is_list:
        return tuple(_single(option, word, text) for word in given.values)
    if len(given.values) != 1:
        message = f'option "{option.name}" takes one value, got {len(given.values)}'
        hint = "" if given.values or option.type is not str else '; the empty text is ""'
        raise _error(text, given.key, message + hint, len(given.values), "one value")
    (word,) = given.values
    return _single(option, word, text)


def _single(option: Option, word: Word, text: str) -> Any:
    """One value, converted as the annotation says."""
    kind = option.type
    if kind is str:
        return word.text
    if kind is int:
        try:
            return int(word.text, 0)
        except ValueError:
            message = f'option "{option.name}" is a whole number, got "{word.text}"'
            raise _error(text, word, message, word.text, "a whole number") from None
    choices = FLAGS if kind is bool else _choices(kind)
    if not choices:
        message = f'option "{option.name}" can\'t be given as text: it is a {kind}'
        raise _error(text, word, message, word.text)
    if word.text not in choices:
        listed = ", ".join(choices)
        message = f'option "{option.name}" is one of {listed}, got "{word.text}"'
        raise _error(text, word, message, word.text, f"one of {listed}")
    return choices[word.text]


def _error(
    text: str, word: Word, message: str, got: object = None, expected: str | None = None
) -> SpecError:
    pointed = point_at(text, word.start, word.end, message)
    error = SpecError(pointed, offset=word.start, got=got, expected=expected)
    error.pipeline = text
    return error
