"""Verdicts of real kernels on BTF at the edges of every rule, against ``verify``'s.

A kernel of another byte order, or one that looks up types of its own, can't be asked here: see
:data:`EXPLAINED`.
"""

from __future__ import annotations

import errno
import itertools
from collections import Counter

import pytest
from broken_blobs import BROKEN, Broken
from edge_blobs import FAMILIES, edge_blobs
from guest import Verdict, btf_verdicts, debian_guest

from btfschema import verify
from btfschema.verification import RULES, Rule

pytestmark = [pytest.mark.guest, pytest.mark.debian, pytest.mark.network]

SEED = 20260424
COUNT = 24_000
# The kernel's own error number for what it does not support; it has no name outside of it.
ENOTSUPP = 524

EXPLAINED = {
    "byte order": "a kernel takes its own byte order alone; verify takes either, as though a "
    "kernel of that byte order were asked",
    "short headers": "a kernel takes 21 to 23 for hdr_len and reads the bytes that are missing as "
    "0; nothing writes that, and readers refuse it",
    "too many types": "a kernel drops types from id 0xfffff on without a word; verify says so",
    "types of the kernel": "a counted pointer to a struct that the kernel has itself is refused "
    "when the kernel has no destructor for it, which BTF does not say",
    "pointers of 4 bytes": "BTF whose C long has 4 bytes is verified as a 32-bit kernel would",
}
"""Where a verdict may differ, and why. None of these is generated."""


@pytest.fixture(scope="module", params=["6.1", "6.12"])
def version(request: pytest.FixtureRequest) -> str:
    version: str = request.param
    return version


def test_kernels_refuse_the_smallest_broken_blobs_for_the_same_reason(version: str) -> None:
    asked: dict[str, Broken] = {
        # A kernel is not asked about split BTF.
        rule: broken
        for rule, broken in BROKEN.items()
        if not broken.base
    }
    answers = dict(zip(asked, verdicts(version, [b.blob for b in asked.values()]), strict=True))
    for rule, verdict in answers.items():
        found = verify(asked[rule].blob, kernel=version)
        # Mostly one; a kernel stops at the first of what breaks several rules.
        errors = {error_number(violation.rule) for violation in found} or {0}
        assert verdict.errno in errors, (rule, verdict)


def error_number(rule: Rule) -> int:
    return {"ENOTSUPP": ENOTSUPP, "none": 0}.get(rule.error) or int(getattr(errno, rule.error, 0))


def test_verdicts_agree_on_edges_of_every_rule(version: str) -> None:
    cases = list(itertools.islice(edge_blobs(SEED), COUNT))
    answers = verdicts(version, [blob for _, blob in cases])
    wrong: Counter[tuple[str, str, str]] = Counter()
    taken: Counter[str] = Counter()
    met: set[str] = set()
    for (family, blob), verdict in zip(cases, answers, strict=True):
        found = verify(blob, kernel=version)
        met |= {violation.rule.id for violation in found}
        taken[family] += not verdict.errno
        if bool(found) != bool(verdict.errno):
            ours = found[0].rule.id if found else "sound"
            wrong[family, ours, verdict.message or f"errno {verdict.errno}"] += 1
    assert wrong == {}
    # The question was a fair one: both answers were given often, in every family.
    assert COUNT * 0.2 < taken.total() < COUNT * 0.8
    assert all(taken[family] for family in FAMILIES)
    assert len(met) > 0.85 * len(RULES) - (13 if version == "6.1" else 0)


def verdicts(version: str, blobs: list[bytes]) -> list[Verdict]:
    return btf_verdicts(debian_guest(version), blobs, 300)
