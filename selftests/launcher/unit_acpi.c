// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the ACPI tables: every pointer leads to a table whose checksum is right, the MADT lists as
 * many CPUs as there are, the most CPUs and slots still fit. With a directory as argument it only
 * writes the tables there, for iasl to judge (acpi.sh).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "boot/acpi.h"
#include "boot/acpi_format.h"
#include "boot/layout.h"
#include "util/parse.h"

#define RAM_SIZE	(4 * MIB)

FIXTURE(acpi)
{
	struct guest_ram ram;
};

FIXTURE_SETUP(acpi)
{
	struct error err;

	ASSERT_EQ(0, ram_create(&self->ram, RAM_SIZE, NULL, &err));
}

FIXTURE_TEARDOWN(acpi)
{
	ram_destroy(&self->ram);
}

static struct acpi_config config_for(u32 cpus)
{
	return (struct acpi_config){
		.cpus = cpus,
		.pci64_first = 8 * GIB,
		.pci64_last = 12 * GIB - 1,
		.pci_slots = 32,
	};
}

static u8 sum(const void *data, size_t len)
{
	const u8 *p = data;
	u8 total = 0;

	while (len--)
		total += *p++;
	return total;
}

static const struct acpi_header *table(const struct guest_ram *ram, u64 gpa, const char *name)
{
	const struct acpi_header *h = ram_ptr(ram, gpa, sizeof(*h));

	if (!h || memcmp(h->signature, name, 4) || !ram_ptr(ram, gpa, h->length) ||
	    sum(h, h->length))
		return NULL;
	return h;
}

static u32 count_cpus(const struct acpi_header *madt)
{
	const u8 *p = (const u8 *)madt + sizeof(struct acpi_madt);
	const u8 *end = (const u8 *)madt + madt->length;
	u32 cpus = 0;

	while (p < end && p[1]) {
		if (p[0] == MADT_LAPIC)
			cpus++;
		p += p[1];
	}
	return p == end ? cpus : 0;
}

TEST_F(acpi, tables_are_linked)
{
	static const u32 counts[] = { 1, 2, 64, 255 };
	const struct acpi_xsdt *xsdt;
	const struct acpi_fadt *fadt;
	const struct acpi_rsdp *rsdp;
	struct error err;
	size_t i;
	u64 at;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		struct acpi_config config = config_for(counts[i]);

		ASSERT_EQ(0, acpi_build(&self->ram, &config, &at, &err));
		rsdp = ram_ptr(&self->ram, at, sizeof(*rsdp));
		EXPECT_EQ(0, sum(rsdp, ACPI_RSDP_V1_LENGTH));
		EXPECT_EQ(0, sum(rsdp, sizeof(*rsdp)));
		xsdt = (const void *)table(&self->ram, rsdp->xsdt, "XSDT");
		ASSERT_NE(NULL, xsdt);
		fadt = (const void *)table(&self->ram, xsdt->tables[0], "FACP");
		ASSERT_NE(NULL, fadt);
		EXPECT_NE(NULL, table(&self->ram, fadt->x_dsdt, "DSDT"));
		EXPECT_EQ(0, memcmp(ram_ptr(&self->ram, fadt->facs, 4), "FACS", 4));
		EXPECT_EQ(0, fadt->facs % 64);
		EXPECT_EQ(counts[i], count_cpus(table(&self->ram, xsdt->tables[1], "APIC")));
	}
}

TEST(sizes)
{
	static const struct { const char *text; u64 bytes; } good[] = {
		{ "256M", 256 * MIB }, { "256m", 256 * MIB }, { "256", 256 * MIB },
		{ "1G", GIB }, { "4096k", 4 * MIB }, { "1T", 1024 * GIB }, { "0", 0 },
	};
	static const char * const bad[] = {
		"", "M", "-1", "+1", " 1", "1 ", "1X", "1MM", "0x10", "1.5G",
		"99999999999999999999", "18446744073709551615G",
	};
	u64 bytes;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_EQ(0, parse_size(good[i].text, &bytes));
		EXPECT_EQ(good[i].bytes, bytes);
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-1, parse_size(bad[i], &bytes)) {
			TH_LOG("%s", bad[i]);
		}
}

static int write_table(const char *dir, const char *name, const struct guest_ram *ram, u64 gpa)
{
	const struct acpi_header *h = table(ram, gpa, name);
	char path[4096];
	int fd, r;

	if (!h)
		return 1;
	snprintf(path, sizeof(path), "%s/%s.dat", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	r = fd < 0 || write(fd, h, h->length) != (ssize_t)h->length;
	if (fd >= 0)
		close(fd);
	return r;
}

static int write_tables(const char *dir)
{
	struct acpi_config config = config_for(2);
	const struct acpi_xsdt *xsdt;
	const struct acpi_fadt *fadt;
	const struct acpi_rsdp *rsdp;
	struct guest_ram ram;
	struct error err;
	u64 at;

	if (ram_create(&ram, RAM_SIZE, NULL, &err) || acpi_build(&ram, &config, &at, &err))
		return 1;
	rsdp = ram_ptr(&ram, at, sizeof(*rsdp));
	xsdt = ram_ptr(&ram, rsdp->xsdt, sizeof(*xsdt));
	fadt = ram_ptr(&ram, xsdt->tables[0], sizeof(*fadt));
	return write_table(dir, "FACP", &ram, xsdt->tables[0]) ||
	       write_table(dir, "APIC", &ram, xsdt->tables[1]) ||
	       write_table(dir, "DSDT", &ram, fadt->x_dsdt);
}

int main(int argc, char **argv)
{
	if (argc == 2 && argv[1][0] == '/')
		return write_tables(argv[1]);
	return test_harness_run(argc, argv);
}
