"""Flavours of names: ``task_struct___old`` means ``task_struct``."""

from __future__ import annotations

import re

__all__ = ["essential_name", "same_essence"]

# The last three underscores that stand alone between other characters (bpf_core_is_flavor_sep).
SEPARATOR = re.compile(r"(?<=[^_])___(?=[^_])")


def essential_name(name: str) -> str:
    """The name without its flavour: what stands before its last triple underscore.

    A triple underscore counts only between two characters that are not underscores, as in libbpf's
    ``bpf_core_essential_name_len``.
    """
    if "___" not in name:
        return name
    end = len(name)
    for found in SEPARATOR.finditer(name):
        end = found.start()
    return name[:end]


def same_essence(local: str, target: str) -> bool:
    """Whether two names mean the same; nameless types and members are alike (``names_match``)."""
    return essential_name(local) == essential_name(target)
