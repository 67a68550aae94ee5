"""``.BTF.ext``: what a program says about its instructions, in terms of its BTF."""

from __future__ import annotations

from attrs import frozen

__all__ = ["BtfExt"]


@frozen
class BtfExt:
    """The parsed section."""
