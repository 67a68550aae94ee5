"""The headers of boot images, declared.

Sources: ``Documentation/arch/x86/boot.rst`` and ``include/linux/pe.h`` (Linux),
``system/tools/mkbootimg/include/bootimg/bootimg.h`` (Android), ``include/image.h`` and
``doc/usage/fit/source_file_format.rst`` (U-Boot), and the Devicetree Specification, chapter 5.
"""

from __future__ import annotations

from typing import Any

from construct import Array, Bytes, Struct

from btfschema.schema.roles import U8, U16, U32, UInt

__all__ = [
    "ANDROID_V0",
    "ANDROID_V1",
    "ANDROID_V2",
    "ANDROID_V3",
    "ANDROID_V4",
    "FDT_HEADER",
    "FDT_PROP",
    "SECTOR",
    "SETUP_HEADER",
    "SETUP_HEADER_AT",
    "UIMAGE",
    "ZBOOT_HEADER",
    "setup_header",
]

U64 = UInt(8)

# struct setup_header of x86's boot protocol 2.08, little-endian; later versions go on behind it.
# The code that reads it is counted in sectors.
SETUP_HEADER_AT, SECTOR = 0x1F1, 512
SETUP_HEADER: Any = Struct(
    "setup_sects" / U8,
    "root_flags" / U16,
    "syssize" / U32,
    "ram_size" / U16,
    "vid_mode" / U16,
    "root_dev" / U16,
    "boot_flag" / U16,
    "jump" / U16,
    "header" / Bytes(4),
    "version" / U16,
    "realmode_swtch" / U32,
    "start_sys_seg" / U16,
    "kernel_version" / U16,
    "type_of_loader" / U8,
    "loadflags" / U8,
    "setup_move_size" / U16,
    "code32_start" / U32,
    "ramdisk_image" / U32,
    "ramdisk_size" / U32,
    "bootsect_kludge" / U32,
    "heap_end_ptr" / U16,
    "ext_loader_ver" / U8,
    "ext_loader_type" / U8,
    "cmd_line_ptr" / U32,
    "initrd_addr_max" / U32,
    "kernel_alignment" / U32,
    "relocatable_kernel" / U8,
    "min_alignment" / U8,
    "xloadflags" / U16,
    "cmdline_size" / U32,
    "hardware_subarch" / U32,
    "hardware_subarch_data" / U64,
    "payload_offset" / U32,
    "payload_length" / U32,
)

# struct linux_efi_zboot_header, little-endian; what follows is for boot loaders.
ZBOOT_HEADER: Any = Struct(
    "mz_magic" / Bytes(4),
    "image_type" / Bytes(4),
    "payload_offset" / U32,
    "payload_size" / U32,
)


def setup_header(head: bytes) -> Any:
    """The setup header of an x86 boot image, by its first bytes; None when these end inside it."""
    if len(head) < SETUP_HEADER_AT + SETUP_HEADER.sizeof():
        return None
    return SETUP_HEADER.parse(head[SETUP_HEADER_AT:], byteorder="little")


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
