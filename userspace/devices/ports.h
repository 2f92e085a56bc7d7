/* SPDX-License-Identifier: GPL-2.0-only */
/* Port and interrupt numbers, shared by the devices and the ACPI tables that describe them. */
#ifndef VELLUM_DEVICES_PORTS_H
#define VELLUM_DEVICES_PORTS_H

#define PORT_I8042		0x64	/* command and status; there is no keyboard at 0x60 */
#define PORT_RTC		0x70
#define PORT_RTC_LEN		2
#define PORT_EXIT_STATUS	0xf4
#define PORT_COM1		0x3f8
#define PORT_COM1_LEN		8
#define PORT_PM1_EVT		0x600
#define PORT_PM1_EVT_LEN	4
#define PORT_PM1_CNT		0x604
#define PORT_PM1_CNT_LEN	2
#define PORT_PM_TIMER		0x608
#define PORT_PM_TIMER_LEN	4
#define PORT_PCI_CONFIG		0xcf8
#define PORT_PCI_CONFIG_LEN	8
#define PORT_RESET		0xcf9

#define GSI_COM1		4
#define GSI_RTC			8
#define GSI_SCI			9
#define GSI_PCI_FIRST		16
#define GSI_PCI_COUNT		8

/* Value of SLP_TYP that means S5, as \_S5 says. */
#define PM_SLP_TYP_S5		5

/* Byte that PORT_RESET takes for a full reset. */
#define RESET_FULL		0x06

#endif
