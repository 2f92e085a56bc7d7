/* SPDX-License-Identifier: GPL-2.0-only */
/* The 8254 interval timer and port 0x61 (Intel 8254 data sheet). */
#ifndef VELLUM_IRQCHIP_PIT_H
#define VELLUM_IRQCHIP_PIT_H

#include <linux/atomic.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/spinlock.h>

#include "core/iobus.h"
#include "core/vm.h"

#define HV_PIT_CHANNELS	3
#define HV_PIT_GSI	0

/**
 * struct hv_pit - the timer, its channels in the form KVM saves them
 * @lock: protects the ports' state and the programming of @hrtimer; process context
 * @hrtimer: channel 0's output
 * @period: of @hrtimer, ns; 0: one-shot
 * @reinject: ticks that find the last one unacknowledged wait in @backlog
 * @idle: no tick is on its way to the guest: the next may go
 */
struct hv_pit {
	struct hv_iodev dev;
	struct hv_iodev speaker_dev;
	struct hv_vm *vm;
	spinlock_t lock;	/* everything down to @period */
	struct kvm_pit_channel_state channel[HV_PIT_CHANNELS];
	bool speaker;		/* there is a port 0x61 */
	bool speaker_data;
	bool hpet_legacy;	/* channel 0 does not interrupt */
	struct hrtimer hrtimer;
	u64 period;
	bool reinject;
	atomic_t backlog;
	atomic_t idle;
};

/* pit_count.c: one channel, under the lock of its timer. @now: CLOCK_MONOTONIC, ns */
void hv_pit_channel_reset(struct kvm_pit_channel_state *c, unsigned int channel, u64 now);
void hv_pit_set_gate(struct kvm_pit_channel_state *c, bool gate, u64 now);
bool hv_pit_output(const struct kvm_pit_channel_state *c, u64 now);
u8 hv_pit_read_count(struct kvm_pit_channel_state *c, u64 now);
/* true: a count was completed and loaded */
bool hv_pit_write_count(struct kvm_pit_channel_state *c, u8 value, u64 now);
/* true: channel 0 was stopped until its next count */
bool hv_pit_command(struct kvm_pit_channel_state *channels, u8 command, u64 now);
u64 hv_pit_ticks_to_ns(u32 count);

/* pit.c; the controller's pin of HV_PIT_GSI. Any context */
void hv_pit_acked(struct hv_pit *pit);
void hv_pit_unmasked(struct hv_pit *pit);
void hv_pit_destroy(struct hv_pit *pit);	/* under vm->slots_lock; NULL-safe */

#endif /* VELLUM_IRQCHIP_PIT_H */
