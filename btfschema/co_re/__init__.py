"""CO-RE offline: what a BPF object's relocations come to on a kernel that is not the running one.

``check_object(read_object("prog.o"), Kernel(load("vmlinux")))`` resolves every relocation as libbpf
does when it loads the object, and says of each what the instruction will hold, or why not.
:mod:`btfschema.co_re.cutting` makes the smallest BTF that gives the same answers.
"""

from typing import TYPE_CHECKING

from btfschema._doors import door

if TYPE_CHECKING:
    from btfschema.co_re.cutting import Minimal, minimal
    from btfschema.co_re.keep import Members, mark_named
    from btfschema.co_re.kernel import Candidate, Kernel
    from btfschema.co_re.lookups import Lookup
    from btfschema.co_re.needs import Marks, mark_resolution
    from btfschema.co_re.program import BpfObject, Relocation, read_object
    from btfschema.co_re.reasons import Reason
    from btfschema.co_re.report import Finding, Report, check_object, mark_object
    from btfschema.co_re.resolve import Resolution, Resolver

__all__ = [
    "BpfObject",
    "Candidate",
    "Finding",
    "Kernel",
    "Lookup",
    "Marks",
    "Members",
    "Minimal",
    "Reason",
    "Relocation",
    "Report",
    "Resolution",
    "Resolver",
    "check_object",
    "mark_named",
    "mark_object",
    "mark_resolution",
    "minimal",
    "read_object",
]

_HOMES = {
    "BpfObject": "btfschema.co_re.program",
    "Candidate": "btfschema.co_re.kernel",
    "Finding": "btfschema.co_re.report",
    "Kernel": "btfschema.co_re.kernel",
    "Lookup": "btfschema.co_re.lookups",
    "Marks": "btfschema.co_re.needs",
    "Members": "btfschema.co_re.keep",
    "Minimal": "btfschema.co_re.cutting",
    "Reason": "btfschema.co_re.reasons",
    "Relocation": "btfschema.co_re.program",
    "Report": "btfschema.co_re.report",
    "Resolution": "btfschema.co_re.resolve",
    "Resolver": "btfschema.co_re.resolve",
    "check_object": "btfschema.co_re.report",
    "mark_named": "btfschema.co_re.keep",
    "mark_object": "btfschema.co_re.report",
    "mark_resolution": "btfschema.co_re.needs",
    "minimal": "btfschema.co_re.cutting",
    "read_object": "btfschema.co_re.program",
}

__getattr__, __dir__ = door(globals(), _HOMES)
