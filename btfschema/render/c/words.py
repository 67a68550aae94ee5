"""What C takes for a name, and what is made of other names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import ascii_letters, digits

from btfschema.escapes import on_terminal
from btfschema.schema.constraints import C_KEYWORDS

__all__ = [
    "BUILT_IN",
    "KEYWORDS",
    "REAL_NAME",
    "are_identifiers",
    "c_string",
    "comment",
    "identifier",
    "plain_name",
]

# Of C23, of GNU C, and what gcc and clang take for types of their own.
EXTENSIONS = """
_BitInt _Decimal128 _Decimal32 _Decimal64 alignas alignof constexpr nullptr static_assert
thread_local typeof_unqual __alignof __alignof__ __asm __asm__ __attribute __attribute__
__auto_type __complex __complex__ __const __const__ __extension__ __imag __imag__ __inline
__inline__ __int128 __label__ __null __real __real__ __restrict __restrict__ __signed __signed__
__thread __typeof __typeof__ __volatile __volatile__ _Float16 _Float32 _Float32x _Float64
_Float64x _Float128 __float128 __float80 __bf16 __fp16 __ibm128 _Accum _Fract _Sat __func__
__FUNCTION__ __PRETTY_FUNCTION__ __has_attribute __has_builtin __has_include linux unix i386
__linux __unix __i386 __amd64 __x86_64 __k8 __weak __ksym __bpf_fastcall __VMLINUX_H__
BPF_NO_PRESERVE_ACCESS_INDEX BPF_NO_KFUNC_PROTOTYPES __int128_t __uint128_t __NSConstantString
__builtin_ms_va_list
"""
KEYWORDS = C_KEYWORDS | frozenset(EXTENSIONS.split())
# Macros that compilers define, such as __x86_64__ and __INT_MAX__, and their built-in functions.
RESERVED = re.compile(
    r"\0__(?:[A-Z0-9]\w*__|[a-z0-9]+(?:_[a-z0-9]+)*__|builtin_\w*)(?=\0)", re.ASCII
)
IN_NAMES = f"\0_{ascii_letters}{digits}".encode()
NO_START = re.compile(r"\0(?=[0-9\0])")
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_]")
BUILT_IN = "__builtin_va_list"
REAL_NAME = " /* "


def are_identifiers(names: Iterable[str], keep: Iterable[str] = ()) -> bool:
    """Whether C takes each of these for a name of the program's own.

    Args:
        names: the names.
        keep: those that are not asked about.
    """
    found = {*names}
    found.difference_update(keep)
    text = "\0".join(["", *found, ""])
    if not text.isascii() or text.encode().translate(None, IN_NAMES) or NO_START.search(text):
        return False
    return KEYWORDS.isdisjoint(found) and not RESERVED.search(text)


def identifier(name: str, otherwise: str) -> str:
    """The name if C takes it, else one like it.

    Args:
        name: any text.
        otherwise: the name of what has none.
    """
    if not name:
        return otherwise
    if are_identifiers([name]):
        return name
    found = NOT_IN_NAMES.sub("_", name)
    if found[0].isdigit():
        found = f"_{found}"
    # An underscore more makes a word of a keyword's.
    return found if are_identifiers([found]) else f"{found}_"


def comment(text: str) -> str:
    """A comment on one line, whatever the text holds."""
    shown = on_terminal(text).replace("\n", "\\n").replace("\t", "\\t")
    return f"/* {shown.replace('*/', '* /').replace('/*', '/ *')} */"


def c_string(text: str) -> str:
    """What stands between the quotes of a C string."""
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in data)


def plain_name(name: str) -> str:
    """A name without the comment that follows it."""
    return name.partition(REAL_NAME)[0]
