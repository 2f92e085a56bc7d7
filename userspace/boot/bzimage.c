// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading and checking a bzImage: "The Linux/x86 Boot Protocol", sections "The Real-Mode Kernel
 * Header" and "64-bit Boot Protocol". The real-mode part of the file is not run.
 */
#include "boot/bzimage.h"

#include <string.h>

#include "boot/layout.h"

#define SECTOR			512
#define SETUP_SECTS_DEFAULT	4
#define HDR_OFFSET		0x1f1
#define HDR_JUMP_OFFSET		0x200	/* of the jump whose target ends the header */
#define HDR_MAGIC		0x53726448	/* "HdrS" */
#define BOOT_FLAG		0xaa55
#define PROTOCOL_64BIT		0x020c
#define SYSSIZE_UNIT		16
#define ENTRY64_OFFSET		0x200

static int not_bzimage(const struct bzimage *image, const char *what, struct error *err)
{
	return error_set(err, STATUS_DATA, "--kernel %s: %s (name an x86-64 bzImage)",
			 image->file.path, what);
}

static int cut_short(const struct bzimage *image, u64 want, struct error *err)
{
	return error_set(err, STATUS_DATA,
			 "--kernel %s: cut off: %llu bytes of at least %llu (copy it again)",
			 image->file.path, image->file.size, want);
}

/* The short jump over the header tells its true length, which may be less than ours. */
static void trim_header(struct bzimage *image)
{
	size_t end = HDR_JUMP_OFFSET + 2 + (image->hdr.jump >> 8) - HDR_OFFSET;

	if (end < sizeof(image->hdr))
		memset((u8 *)&image->hdr + end, 0, sizeof(image->hdr) - end);
}

static int check_header(struct bzimage *image, struct error *err)
{
	const struct setup_header *hdr = &image->hdr;

	if (hdr->boot_flag != BOOT_FLAG || hdr->header != HDR_MAGIC)
		return not_bzimage(image, "not a Linux kernel", err);
	if (hdr->version < PROTOCOL_64BIT || !(hdr->loadflags & LOADED_HIGH) ||
	    !(hdr->xloadflags & XLF_KERNEL_64))
		return not_bzimage(image, "a kernel without a 64-bit entry point", err);
	trim_header(image);
	return 0;
}

static int locate_code(struct bzimage *image, struct error *err)
{
	const struct setup_header *hdr = &image->hdr;
	u64 sects = hdr->setup_sects ? hdr->setup_sects : SETUP_SECTS_DEFAULT;
	u64 declared = (u64)hdr->syssize * SYSSIZE_UNIT;

	image->code_offset = (sects + 1) * SECTOR;
	/* syssize counts whole paragraphs: the last one may be incomplete */
	if (image->code_offset + declared >= image->file.size + SYSSIZE_UNIT)
		return cut_short(image, image->code_offset + declared, err);
	image->code_size = image->file.size - image->code_offset;
	if (image->code_size <= ENTRY64_OFFSET)
		return not_bzimage(image, "no code after the header", err);
	/* Bytes after the image, such as a signature, are loaded too but need not be paid for. */
	if (image->code_size > hdr->init_size)
		return not_bzimage(image, "larger than its own init_size", err);
	image->load = hdr->pref_address;
	if (image->load < LAYOUT_HIGH_RAM || image->load >= LAYOUT_LOW_MAX)
		return not_bzimage(image, "asks for an impossible load address", err);
	return 0;
}

/**
 * bzimage_open() - open a kernel and check its header
 * @image: filled in; close @image->file after use
 * @path: kernel file
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int bzimage_open(struct bzimage *image, const char *path, struct error *err)
{
	memset(image, 0, sizeof(*image));
	if (boot_file_open(&image->file, "--kernel", path, err))
		return -1;
	if (image->file.size < HDR_OFFSET + sizeof(image->hdr)) {
		not_bzimage(image, "too short to be a kernel", err);
		goto fail;
	}
	if (boot_file_read(&image->file, HDR_OFFSET, &image->hdr, sizeof(image->hdr), err) ||
	    check_header(image, err) || locate_code(image, err))
		goto fail;
	return 0;
fail:
	boot_file_close(&image->file);
	return -1;
}

u64 bzimage_entry(const struct bzimage *image)
{
	return image->load + ENTRY64_OFFSET;
}

/* End of the memory the kernel needs before it can read the memory map. */
u64 bzimage_end(const struct bzimage *image)
{
	return image->load + image->hdr.init_size;
}
