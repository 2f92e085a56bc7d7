/* SPDX-License-Identifier: GPL-2.0-only */
/* Input files of the boot loader, checked before they are used. */
#ifndef VELLUM_BOOT_FILE_H
#define VELLUM_BOOT_FILE_H

#include "util/error.h"
#include "util/types.h"

/**
 * struct boot_file - an open regular file
 * @option: command-line option it came from, for messages
 * @path: its name, for messages
 * @fd: descriptor
 * @size: bytes
 */
struct boot_file {
	const char *option;
	const char *path;
	int fd;
	u64 size;
};

int boot_file_open(struct boot_file *f, const char *option, const char *path, struct error *err);
int boot_file_read(const struct boot_file *f, u64 offset, void *to, u64 len, struct error *err);
void boot_file_close(struct boot_file *f);

#endif
