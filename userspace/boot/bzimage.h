/* SPDX-License-Identifier: GPL-2.0-only */
/* The bzImage container of a Linux kernel. */
#ifndef VELLUM_BOOT_BZIMAGE_H
#define VELLUM_BOOT_BZIMAGE_H

#include "boot/file.h"

#include <asm/bootparam.h>

/**
 * struct bzimage - a kernel file whose header was checked
 * @file: the open file
 * @hdr: setup header as the file has it
 * @code_offset: where the protected-mode kernel begins in the file
 * @code_size: its bytes
 * @load: physical address it is to be loaded at
 */
struct bzimage {
	struct boot_file file;
	struct setup_header hdr;
	u64 code_offset;
	u64 code_size;
	u64 load;
};

int bzimage_open(struct bzimage *image, const char *path, struct error *err);
u64 bzimage_entry(const struct bzimage *image);
u64 bzimage_end(const struct bzimage *image);

#endif
