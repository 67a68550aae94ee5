"""The headers of boot images, declared.

Sources: ``system/tools/mkbootimg/include/bootimg/bootimg.h`` (Android), ``include/image.h`` and
``doc/usage/fit/source_file_format.rst`` (U-Boot), and the Devicetree Specification, chapter 5.
"""

from __future__ import annotations

from typing import Any

from construct import Array, Bytes, Struct

from btfschema.schema.roles import U8, U32, UInt

__all__ = [
    "ANDROID_V0",
    "ANDROID_V1",
    "ANDROID_V2",
    "ANDROID_V3",
    "ANDROID_V4",
    "FDT_HEADER",
    "FDT_PROP",
    "UIMAGE",
]

U64 = UInt(8)


# boot_img_hdr_v0 to boot_img_hdr_v2: little-endian, each field after those of the version before.
_V0 = (
    "magic" / Bytes(8),
    "kernel_size" / U32,
    "kernel_addr" / U32,
    "ramdisk_size" / U32,
    "ramdisk_addr" / U32,
    "second_size" / U32,
    "second_addr" / U32,
    "tags_addr" / U32,
    "page_size" / U32,
    "header_version" / U32,
    "os_version" / U32,
    "name" / Bytes(16),
    "cmdline" / Bytes(512),
    "id" / Bytes(32),
    "extra_cmdline" / Bytes(1024),
)
_V1 = (*_V0, "recovery_dtbo_size" / U32, "recovery_dtbo_offset" / U64, "header_size" / U32)
_V2 = (*_V1, "dtb_size" / U32, "dtb_addr" / U64)
# boot_img_hdr_v3 and v4, which share nothing with these but the places of magic, kernel_size and
# header_version. Their pages have 4,096 bytes.
_V3 = (
    "magic" / Bytes(8),
    "kernel_size" / U32,
    "ramdisk_size" / U32,
    "os_version" / U32,
    "header_size" / U32,
    "reserved" / Array(4, U32),
    "header_version" / U32,
    "cmdline" / Bytes(1536),
)
_V4 = (*_V3, "signature_size" / U32)
ANDROID_V0: Any = Struct(*_V0)
ANDROID_V1: Any = Struct(*_V1)
ANDROID_V2: Any = Struct(*_V2)
ANDROID_V3: Any = Struct(*_V3)
ANDROID_V4: Any = Struct(*_V4)

# struct legacy_img_hdr, big-endian.
UIMAGE: Any = Struct(
    "ih_magic" / Bytes(4),
    "ih_hcrc" / U32,
    "ih_time" / U32,
    "ih_size" / U32,
    "ih_load" / U32,
    "ih_ep" / U32,
    "ih_dcrc" / U32,
    "ih_os" / U8,
    "ih_arch" / U8,
    "ih_type" / U8,
    "ih_comp" / U8,
    "ih_name" / Bytes(32),
)

# struct fdt_header and struct fdt_property, big-endian.
FDT_HEADER: Any = Struct(
    "magic" / Bytes(4),
    "totalsize" / U32,
    "off_dt_struct" / U32,
    "off_dt_strings" / U32,
    "off_mem_rsvmap" / U32,
    "version" / U32,
    "last_comp_version" / U32,
    "boot_cpuid_phys" / U32,
    "size_dt_strings" / U32,
    "size_dt_struct" / U32,
)
FDT_PROP: Any = Struct("len" / U32, "nameoff" / U32)
