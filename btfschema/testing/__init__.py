"""Hypothesis strategies for BTF, for the tests of this library and of its users.

The strategies need the extra ``btfschema[testing]``; ``import btfschema`` does not import this
package.

==================  ============================================================
:func:`btfs`        containers of every kind, stand-alone or over a given base
:func:`split_btfs`  containers over one or more generated bases
:func:`blobs`       bytes in every legal arrangement: gaps, odd orders, long
                    headers, trailing data, layout sections, unknown kinds
:func:`mutations`   damaged copies of a blob
==================  ============================================================

and :func:`assert_pass_contract`, what every pass must keep to, which needs no hypothesis.

A round-trip test of a tool that reads BTF and writes it back::

    from contextlib import suppress

    from hypothesis import given

    from btfschema import Btf, dumps, loads
    from btfschema.testing import blobs, btfs, mutations

    @given(btfs(valid=True))
    def test_my_tool_keeps_every_type(btf: Btf) -> None:
        assert loads(my_tool(dumps(btf))).equivalent(btf)

    @given(blobs().flatmap(mutations))
    def test_my_tool_survives_damage(data: bytes) -> None:
        with suppress(MyToolError):
            my_tool(data)
"""

from typing import TYPE_CHECKING

from btfschema._doors import door

if TYPE_CHECKING:
    from btfschema.testing.containers import btfs, split_btfs
    from btfschema.testing.contract import assert_pass_contract
    from btfschema.testing.frames import blobs, mutations

__all__ = ["assert_pass_contract", "blobs", "btfs", "mutations", "split_btfs"]

_HOMES = {
    "btfs": "btfschema.testing.containers",
    "split_btfs": "btfschema.testing.containers",
    "assert_pass_contract": "btfschema.testing.contract",
    "blobs": "btfschema.testing.frames",
    "mutations": "btfschema.testing.frames",
}

__getattr__, __dir__ = door(globals(), _HOMES)
