/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine around the interrupt controllers, as a test sees it. */
#ifndef UNIT_IRQCHIP_WORLD_H
#define UNIT_IRQCHIP_WORLD_H

#include "kernel.h"

#include "core/eventfd.h"
#include "core/iobus.h"
#include "core/ops.h"
#include "core/request.h"
#include "core/vcpu.h"
#include "core/vm.h"
#include "irqchip/irqchip.h"
#include "irqchip/lapic.h"

#include <asm/apicdef.h>

#define WORLD_VCPUS	4
#define WORLD_TSC_KHZ	2000000

struct world_vcpu {
	struct hv_vcpu vcpu;
	struct kvm_run run;
	unsigned int nmis;
	unsigned int kicks;
	unsigned int resets;
	u64 deadline;		/* of the back end */
	struct kvm_segment cs;
};

struct world {
	struct hv_vm vm;
	struct world_vcpu cpu[WORLD_VCPUS];
	u64 now;		/* ns */
	u64 tsc_late;		/* ns by which the next read of the TSC, alone, is behind */
	u32 resampled[KVM_IOAPIC_NUM_PINS];	/* acknowledgments told to irqfds, by GSI */
	u32 lower_on_ack;	/* bits of GSIs that a resampling device lowers when told */
	struct hrtimer *timers;
};

extern struct world world;

/* A VM with WORLD_VCPUS vCPUs. */
enum world_chip { WORLD_FULL, WORLD_SPLIT };
void world_start(enum world_chip chip, bool hw_deadline);
void world_stop(void);

struct hv_vcpu *cpu(unsigned int i);
/* Let time pass: timers fire, deadlines of running vCPUs hit. */
void world_pass(u64 ns);
/* What a vCPU does before it enters: the timer, INIT and SIPI. */
void world_prepare(struct hv_vcpu *vcpu);
/* Prepare, then take the next interrupt: its vector, or -1. */
int world_take(struct hv_vcpu *vcpu);

void out8(u16 port, u8 value);
u8 in8(u16 port);
void apic_write(struct hv_vcpu *vcpu, u32 reg, u32 value);
u32 apic_read(struct hv_vcpu *vcpu, u32 reg);
void apic_enable(struct hv_vcpu *vcpu);
void x2apic_enable(struct hv_vcpu *vcpu);
int x2apic_write(struct hv_vcpu *vcpu, u32 reg, u64 value);	/* 1: #GP */
u64 x2apic_read(struct hv_vcpu *vcpu, u32 reg);
#define eoi(vcpu) apic_write(vcpu, APIC_EOI, 0)
void ioapic_write(u8 reg, u32 value);
u32 ioapic_read(u8 reg);
void ioapic_redir(unsigned int pin, u64 entry);
u64 ioapic_entry(unsigned int pin);

#endif /* UNIT_IRQCHIP_WORLD_H */
