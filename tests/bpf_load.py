"""bpf(BPF_BTF_LOAD) by ctypes."""

from __future__ import annotations

import ctypes
import errno
import os
import platform

# __NR_bpf; the others share the generic number.
SYSCALLS = {"x86_64": 321, "i686": 357, "armv7l": 386, "ppc64le": 361, "s390x": 351}
GENERIC_SYSCALL = 280
BPF_BTF_LOAD = 18
LOG_SIZE = 1 << 20


class BtfLoadAttr(ctypes.Structure):
    """``union bpf_attr``, the part of BPF_BTF_LOAD."""

    _fields_ = (
        ("btf", ctypes.c_uint64),
        ("btf_log_buf", ctypes.c_uint64),
        ("btf_size", ctypes.c_uint32),
        ("btf_log_size", ctypes.c_uint32),
        ("btf_log_level", ctypes.c_uint32),
    )


def load_btf(data: bytes) -> str | None:
    """Load BTF into the running kernel; None when it is accepted, else the error and the log."""
    libc = ctypes.CDLL(None, use_errno=True)
    blob = ctypes.create_string_buffer(data, len(data))
    log = ctypes.create_string_buffer(LOG_SIZE)
    attr = BtfLoadAttr(ctypes.addressof(blob), ctypes.addressof(log), len(data), LOG_SIZE, 1)
    number = SYSCALLS.get(platform.machine(), GENERIC_SYSCALL)
    fd = libc.syscall(number, BPF_BTF_LOAD, ctypes.byref(attr), ctypes.sizeof(attr))
    # A log that does not fit is an error, although the BTF is good; the log of a refusal is short.
    if fd < 0 and ctypes.get_errno() == errno.ENOSPC:
        attr = BtfLoadAttr(ctypes.addressof(blob), 0, len(data), 0, 0)
        fd = libc.syscall(number, BPF_BTF_LOAD, ctypes.byref(attr), ctypes.sizeof(attr))
    if fd >= 0:
        os.close(fd)
        return None
    return f"{os.strerror(ctypes.get_errno())}\n{log.value.decode(errors='replace')}"
