"""Whether BTF can be read, and whether a kernel would take it; and where not, all of why.

The rules are facts of ``kernel/bpf/btf.c`` and libbpf's ``btf.c``. Those that are asked of many
kinds stand beside the kinds, in :data:`btfschema.schema.KINDS`; :data:`RULES` lists them all.
"""

from typing import TYPE_CHECKING

from btfschema._doors import door

if TYPE_CHECKING:
    from btfschema.verification.kernels import KERNELS, LATEST, Kernel, kernel_of
    from btfschema.verification.program import EXT_RULES, verify_ext
    from btfschema.verification.readers import READERS
    from btfschema.verification.repairs import OBJECT_RULES, Change, Sanitised, as_loaded, sanitise
    from btfschema.verification.rules import RULES
    from btfschema.verification.suspect import Oddity, oddities, oddities_many
    from btfschema.verification.verifier import verify, verify_many
    from btfschema.verification.violations import Level, Rule, Violation

__all__ = [
    "EXT_RULES",
    "KERNELS",
    "LATEST",
    "OBJECT_RULES",
    "READERS",
    "RULES",
    "Change",
    "Kernel",
    "Level",
    "Oddity",
    "Rule",
    "Sanitised",
    "Violation",
    "as_loaded",
    "kernel_of",
    "oddities",
    "oddities_many",
    "sanitise",
    "verify",
    "verify_ext",
    "verify_many",
]

_HOMES = {
    "KERNELS": "btfschema.verification.kernels",
    "LATEST": "btfschema.verification.kernels",
    "Kernel": "btfschema.verification.kernels",
    "kernel_of": "btfschema.verification.kernels",
    "EXT_RULES": "btfschema.verification.program",
    "verify_ext": "btfschema.verification.program",
    "READERS": "btfschema.verification.readers",
    "OBJECT_RULES": "btfschema.verification.repairs",
    "Change": "btfschema.verification.repairs",
    "Sanitised": "btfschema.verification.repairs",
    "as_loaded": "btfschema.verification.repairs",
    "sanitise": "btfschema.verification.repairs",
    "RULES": "btfschema.verification.rules",
    "Oddity": "btfschema.verification.suspect",
    "oddities": "btfschema.verification.suspect",
    "oddities_many": "btfschema.verification.suspect",
    "verify": "btfschema.verification.verifier",
    "verify_many": "btfschema.verification.verifier",
    "Level": "btfschema.verification.violations",
    "Rule": "btfschema.verification.violations",
    "Violation": "btfschema.verification.violations",
}

__getattr__, __dir__ = door(globals(), _HOMES)
