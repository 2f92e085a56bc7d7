// SPDX-License-Identifier: GPL-2.0-only
/* Resource descriptors: ACPI specification, "Resource Data Types for ACPI". */
#include "boot/aml.h"

#define RES_IO			0x47
#define RES_IRQ_NOFLAGS		0x22
#define RES_DWORD_SPACE		0x87
#define RES_WORD_SPACE		0x88
#define RES_QWORD_SPACE		0x8a
#define RES_IO_DECODE_16	1

#define SPACE_MEMORY		0
#define SPACE_IO		1
#define SPACE_BUS		2

#define SPACE_FIXED		0x0c	/* fixed minimum and maximum, producer */
#define MEMORY_READ_WRITE	0x01
#define IO_ENTIRE_RANGE		0x03

void res_io(struct buf *r, u16 port, u8 len)
{
	buf_u8(r, RES_IO);
	buf_u8(r, RES_IO_DECODE_16);
	buf_le(r, port, 2);
	buf_le(r, port, 2);
	buf_u8(r, 1);
	buf_u8(r, len);
}

void res_irq(struct buf *r, u8 irq)
{
	buf_u8(r, RES_IRQ_NOFLAGS);
	buf_le(r, 1U << irq, 2);
}

/* An address space descriptor: five fields of @width bytes each after a six-byte head. */
static void add_space(struct buf *r, u8 tag, u8 type, u8 specific, struct aml_range range)
{
	size_t width = tag == RES_WORD_SPACE ? 2 : tag == RES_DWORD_SPACE ? 4 : 8;

	buf_u8(r, tag);
	buf_le(r, 3 + 5 * width, 2);
	buf_u8(r, type);
	buf_u8(r, SPACE_FIXED);
	buf_u8(r, specific);
	buf_le(r, 0, width);				/* granularity */
	buf_le(r, range.first, width);
	buf_le(r, range.last, width);
	buf_le(r, 0, width);				/* translation */
	buf_le(r, range.last - range.first + 1, width);
}

void res_bus_window(struct buf *r, struct aml_range range)
{
	add_space(r, RES_WORD_SPACE, SPACE_BUS, 0, range);
}

void res_io_window(struct buf *r, struct aml_range range)
{
	add_space(r, RES_WORD_SPACE, SPACE_IO, IO_ENTIRE_RANGE, range);
}

void res_mem32_window(struct buf *r, struct aml_range range)
{
	add_space(r, RES_DWORD_SPACE, SPACE_MEMORY, MEMORY_READ_WRITE, range);
}

void res_mem64_window(struct buf *r, struct aml_range range)
{
	add_space(r, RES_QWORD_SPACE, SPACE_MEMORY, MEMORY_READ_WRITE, range);
}
