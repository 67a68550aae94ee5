"""What real kernels say to BTF that they refused, once it is sanitised for them."""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import suppress

import pytest
from broken_blobs import BROKEN
from edge_blobs import edge_blobs
from guest import btf_verdicts, debian_guest

from btfschema import dumps, loads
from btfschema.errors import BtfError
from btfschema.verification import sanitise

pytestmark = [pytest.mark.guest, pytest.mark.debian, pytest.mark.network]

COUNT = 6_000
SEED = 20261126


@pytest.mark.parametrize("version", ["6.1", "6.12"])
def test_a_kernel_takes_what_was_repaired_for_it(version: str) -> None:
    blobs = [broken.blob for broken in BROKEN.values() if not broken.base]
    blobs += [blob for _, blob in itertools.islice(edge_blobs(SEED), COUNT)]
    repaired: list[bytes] = []
    rules: Counter[str] = Counter()
    for blob in blobs:
        # What no container can be made of is not for a pass; what is left was named.
        with suppress(BtfError):
            found = sanitise(loads(blob), version)
            if found.changes and not found.left and found.btf.byteorder == "little":
                repaired.append(dumps(found.btf))
                rules.update({change.rule for change in found.changes})
    verdicts = btf_verdicts(debian_guest(version), repaired, 300)
    refused = [verdict.message for verdict in verdicts if verdict.errno]
    assert refused == []
    assert len(repaired) > 1000
    assert len(rules) > 25
