"""The headers of packages and archives that the standard library does not read, declared.

Sources: ``ar.h`` and deb(5); the RPM package file format (V4); cpio(5), "New ASCII Format".
"""

from __future__ import annotations

from typing import Any

from construct import Bytes, Struct

from btfschema.schema.roles import U8, U32

__all__ = ["AR_HEADER", "CPIO_FIELDS", "CPIO_HEADER", "RPM_HEADER", "RPM_LEAD"]

AR_HEADER: Any = Struct(
    "ar_name" / Bytes(16),
    "ar_date" / Bytes(12),
    "ar_uid" / Bytes(6),
    "ar_gid" / Bytes(6),
    "ar_mode" / Bytes(8),
    "ar_size" / Bytes(10),
    "ar_fmag" / Bytes(2),
)

# What precedes the signature, obsolete but for its magic and its length.
RPM_LEAD: Any = Struct("magic" / Bytes(4), "rest" / Bytes(92))
# Of the signature and of the header proper; an index of 16 bytes an entry follows, then the store.
RPM_HEADER: Any = Struct(
    "magic" / Bytes(3),
    "version" / U8,
    "reserved" / Bytes(4),
    "nindex" / U32,
    "hsize" / U32,
)

# Eight hexadecimal digits each.
CPIO_FIELDS = (
    *("c_ino", "c_mode", "c_uid", "c_gid", "c_nlink", "c_mtime", "c_filesize", "c_devmajor"),
    *("c_devminor", "c_rdevmajor", "c_rdevminor", "c_namesize", "c_check"),
)
CPIO_HEADER: Any = Struct("c_magic" / Bytes(6), *(name / Bytes(8) for name in CPIO_FIELDS))
