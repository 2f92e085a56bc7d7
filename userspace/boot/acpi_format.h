/* SPDX-License-Identifier: GPL-2.0-only */
/* Layout of the ACPI tables in use: ACPI specification 6.4, "ACPI Software Programming Model". */
#ifndef VELLUM_BOOT_ACPI_FORMAT_H
#define VELLUM_BOOT_ACPI_FORMAT_H

#include "util/types.h"

struct acpi_rsdp {
	char signature[8];
	u8 checksum;
	char oem_id[6];
	u8 revision;
	u32 rsdt;
	u32 length;
	u64 xsdt;
	u8 extended_checksum;
	u8 reserved[3];
} __packed;

#define ACPI_RSDP_V1_LENGTH	20

struct acpi_header {
	char signature[4];
	u32 length;
	u8 revision;
	u8 checksum;
	char oem_id[6];
	char oem_table_id[8];
	u32 oem_revision;
	char creator_id[4];
	u32 creator_revision;
} __packed;

struct acpi_address {
	u8 space;
	u8 bit_width;
	u8 bit_offset;
	u8 access_size;
	u64 address;
} __packed;

#define ACPI_SPACE_IO		1
#define ACPI_ACCESS_BYTE	1
#define ACPI_ACCESS_WORD	2
#define ACPI_ACCESS_DWORD	3

struct acpi_xsdt {
	struct acpi_header header;
	u64 tables[2];
} __packed;

struct acpi_facs {
	char signature[4];
	u32 length;
	u32 hardware_signature;
	u32 waking_vector;
	u32 global_lock;
	u32 flags;
	u64 x_waking_vector;
	u8 version;
	u8 reserved[31];
} __packed;

struct acpi_fadt {
	struct acpi_header header;
	u32 facs;
	u32 dsdt;
	u8 reserved0;
	u8 pm_profile;
	u16 sci_int;
	u32 smi_cmd;
	u8 acpi_enable;
	u8 acpi_disable;
	u8 s4bios_req;
	u8 pstate_cnt;
	u32 pm1a_evt_blk;
	u32 pm1b_evt_blk;
	u32 pm1a_cnt_blk;
	u32 pm1b_cnt_blk;
	u32 pm2_cnt_blk;
	u32 pm_tmr_blk;
	u32 gpe0_blk;
	u32 gpe1_blk;
	u8 pm1_evt_len;
	u8 pm1_cnt_len;
	u8 pm2_cnt_len;
	u8 pm_tmr_len;
	u8 gpe0_blk_len;
	u8 gpe1_blk_len;
	u8 gpe1_base;
	u8 cst_cnt;
	u16 p_lvl2_lat;
	u16 p_lvl3_lat;
	u16 flush_size;
	u16 flush_stride;
	u8 duty_offset;
	u8 duty_width;
	u8 day_alarm;
	u8 month_alarm;
	u8 century;
	u16 iapc_boot_arch;
	u8 reserved1;
	u32 flags;
	struct acpi_address reset_reg;
	u8 reset_value;
	u16 arm_boot_arch;
	u8 minor_version;
	u64 x_facs;
	u64 x_dsdt;
	struct acpi_address x_pm1a_evt_blk;
	struct acpi_address x_pm1b_evt_blk;
	struct acpi_address x_pm1a_cnt_blk;
	struct acpi_address x_pm1b_cnt_blk;
	struct acpi_address x_pm2_cnt_blk;
	struct acpi_address x_pm_tmr_blk;
	struct acpi_address x_gpe0_blk;
	struct acpi_address x_gpe1_blk;
	struct acpi_address sleep_control;
	struct acpi_address sleep_status;
	u64 hypervisor_id;
} __packed;

#define FADT_REVISION			6
#define FADT_LENGTH			276
#define FADT_WBINVD			BIT(0)
#define FADT_PROC_C1			BIT(2)
#define FADT_PWR_BUTTON			BIT(4)	/* no fixed power button */
#define FADT_SLP_BUTTON			BIT(5)	/* no fixed sleep button */
#define FADT_FIX_RTC			BIT(6)	/* RTC cannot wake by a fixed event */
#define FADT_TMR_VAL_EXT		BIT(8)	/* 32-bit PM timer */
#define FADT_RESET_REG_SUP		BIT(10)
#define FADT_BOOT_LEGACY_DEVICES	BIT(0)
#define FADT_BOOT_VGA_ABSENT		BIT(2)
#define FADT_LATENCY_NO_C2		101
#define FADT_LATENCY_NO_C3		1001

struct acpi_madt {
	struct acpi_header header;
	u32 lapic_address;
	u32 flags;
} __packed;

#define MADT_REVISION		5
#define MADT_PCAT_COMPAT	BIT(0)
#define MADT_LAPIC		0
#define MADT_IOAPIC		1
#define MADT_OVERRIDE		2
#define MADT_LAPIC_NMI		4
#define MADT_LAPIC_ENABLED	BIT(0)
#define MADT_ALL_CPUS		0xff
#define MADT_ACTIVE_HIGH	0x1
#define MADT_LEVEL		0xc

struct acpi_madt_lapic {
	u8 type;
	u8 length;
	u8 cpu_uid;
	u8 apic_id;
	u32 flags;
} __packed;

struct acpi_madt_ioapic {
	u8 type;
	u8 length;
	u8 id;
	u8 reserved;
	u32 address;
	u32 gsi_base;
} __packed;

struct acpi_madt_override {
	u8 type;
	u8 length;
	u8 bus;
	u8 source;
	u32 gsi;
	u16 flags;
} __packed;

struct acpi_madt_lapic_nmi {
	u8 type;
	u8 length;
	u8 cpu_uid;
	u16 flags;
	u8 lint;
} __packed;

#endif
