"""Hypothesis strategies for BTF, for the tests of this library and of its users.

Needs the extra ``btfschema[testing]``; ``import btfschema`` does not import this package.

==================  ============================================================
:func:`btfs`        containers of every kind, stand-alone or over a given base
:func:`split_btfs`  containers over one or more generated bases
:func:`blobs`       bytes in every legal arrangement: gaps, odd orders, long
                    headers, trailing data, layout sections, unknown kinds
:func:`mutations`   damaged copies of a blob
==================  ============================================================

and :func:`assert_pass_contract`, what every pass must keep to.

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

from btfschema.testing.containers import btfs, split_btfs
from btfschema.testing.contract import assert_pass_contract
from btfschema.testing.frames import blobs, mutations

__all__ = ["assert_pass_contract", "blobs", "btfs", "mutations", "split_btfs"]
