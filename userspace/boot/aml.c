// SPDX-License-Identifier: GPL-2.0-only
/* AML terms: ACPI specification, "ACPI Machine Language (AML) Specification". */
#include "boot/aml.h"

#include <string.h>

#define AML_NAME_OP		0x08
#define AML_BYTE_PREFIX		0x0a
#define AML_WORD_PREFIX		0x0b
#define AML_DWORD_PREFIX	0x0c
#define AML_QWORD_PREFIX	0x0e
#define AML_SCOPE_OP		0x10
#define AML_BUFFER_OP		0x11
#define AML_PACKAGE_OP		0x12
#define AML_EXT_PREFIX		0x5b
#define AML_DEVICE_OP		0x82

/* PkgLength in its three-byte form: 4 bits, then two whole bytes. */
#define PKG_LENGTH_BYTES	3
#define PKG_LENGTH_LEAD		0x80
#define RES_END_TAG		0x79

/* Room for the length is kept and filled in by aml_close(). */
static size_t open_package(struct buf *b)
{
	size_t mark = b->len;

	buf_le(b, 0, PKG_LENGTH_BYTES);
	return mark;
}

void aml_close(struct buf *b, size_t mark)
{
	size_t len = b->len - mark;

	if (b->overflow)
		return;
	b->data[mark] = PKG_LENGTH_LEAD | (len & 0xf);
	b->data[mark + 1] = (u8)(len >> 4);
	b->data[mark + 2] = (u8)(len >> 12);
}

/* A name is a NameString of one four-letter segment, with "\" in front for the root. */
static void add_name(struct buf *b, const char *name)
{
	buf_add(b, name, strlen(name));
}

size_t aml_scope(struct buf *b, const char *name)
{
	size_t mark;

	buf_u8(b, AML_SCOPE_OP);
	mark = open_package(b);
	add_name(b, name);
	return mark;
}

size_t aml_device(struct buf *b, const char *name)
{
	size_t mark;

	buf_u8(b, AML_EXT_PREFIX);
	buf_u8(b, AML_DEVICE_OP);
	mark = open_package(b);
	add_name(b, name);
	return mark;
}

size_t aml_package(struct buf *b, u8 elements)
{
	size_t mark;

	buf_u8(b, AML_PACKAGE_OP);
	mark = open_package(b);
	buf_u8(b, elements);
	return mark;
}

/* Name (@name, ...): the object follows. */
void aml_name(struct buf *b, const char *name)
{
	buf_u8(b, AML_NAME_OP);
	add_name(b, name);
}

void aml_int(struct buf *b, u64 value)
{
	size_t bytes = value <= 0xff ? 1 : value <= 0xffff ? 2 : value <= 0xffffffff ? 4 : 8;
	static const u8 prefix[] = {
		[1] = AML_BYTE_PREFIX, [2] = AML_WORD_PREFIX, [4] = AML_DWORD_PREFIX,
		[8] = AML_QWORD_PREFIX,
	};

	buf_u8(b, prefix[bytes]);
	buf_le(b, value, bytes);
}

static u8 hex_value(char c)
{
	return c <= '9' ? (u8)(c - '0') : (u8)(c - 'A' + 10);
}

/* "PNP0A03": three letters in five bits each, four hexadecimal digits, big endian. */
void aml_eisa_id(struct buf *b, const char *id)
{
	u32 vendor = (id[0] & 0x1f) << 10 | (id[1] & 0x1f) << 5 | (id[2] & 0x1f);

	buf_u8(b, AML_DWORD_PREFIX);
	buf_u8(b, (u8)(vendor >> 8));
	buf_u8(b, (u8)vendor);
	buf_u8(b, (u8)(hex_value(id[3]) << 4 | hex_value(id[4])));
	buf_u8(b, (u8)(hex_value(id[5]) << 4 | hex_value(id[6])));
}

/* Buffer holding a resource template; @resources is ended by this call. */
void aml_resources(struct buf *b, struct buf *resources)
{
	size_t mark;

	/* A checksum of zero counts as correct. */
	buf_u8(resources, RES_END_TAG);
	buf_u8(resources, 0);
	buf_u8(b, AML_BUFFER_OP);
	mark = open_package(b);
	aml_int(b, resources->len);
	buf_add(b, resources->data, resources->len);
	aml_close(b, mark);
	b->overflow |= resources->overflow;
}
