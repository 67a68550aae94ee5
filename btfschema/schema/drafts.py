"""Forms that kinds had before they were merged, under the numbers that they have now.

Where a layout section shows such a form, the file was made by a draft of the tools, and reading it
as what was merged would give nonsense.
"""

from __future__ import annotations

from btfschema.schema.kinds import Kind

__all__ = ["BTF_LOC_PARAM_FBREG", "DRAFTS"]

_RFC = "the draft of October 2025, which is not supported"

# By kind and, in bytes as a layout section has them, what follows the common words and an element.
DRAFTS: dict[tuple[int, int, int], str] = {
    (Kind.LOC_PARAM, 8, 0): _RFC,
    (Kind.LOCSEC, 0, 16): _RFC,
}

# The register of a LOC_PARAM that stands for the frame base (BTF_LOC_PARAM_FBREG).
BTF_LOC_PARAM_FBREG = 0xFFFFFFFF
