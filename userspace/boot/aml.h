/* SPDX-License-Identifier: GPL-2.0-only */
/* Encoding of ACPI Machine Language, as much as the DSDT needs. */
#ifndef VELLUM_BOOT_AML_H
#define VELLUM_BOOT_AML_H

#include "util/buf.h"

size_t aml_scope(struct buf *b, const char *name);
size_t aml_device(struct buf *b, const char *name);
size_t aml_package(struct buf *b, u8 elements);
void aml_close(struct buf *b, size_t mark);

void aml_name(struct buf *b, const char *name);
void aml_int(struct buf *b, u64 value);
void aml_eisa_id(struct buf *b, const char *id);
void aml_resources(struct buf *b, struct buf *resources);

/**
 * struct aml_range - an address range a bridge hands on or a device uses
 * @first: first address
 * @last: last address
 */
struct aml_range {
	u64 first;
	u64 last;
};

void res_io(struct buf *r, u16 port, u8 len);
void res_irq(struct buf *r, u8 irq);
void res_bus_window(struct buf *r, struct aml_range range);
void res_io_window(struct buf *r, struct aml_range range);
void res_mem32_window(struct buf *r, struct aml_range range);
void res_mem64_window(struct buf *r, struct aml_range range);

#endif
