// SPDX-License-Identifier: GPL-2.0-only
/*
 * The 8254 on its ports, its interrupt, and KVM_{GET,SET}_PIT2.
 *
 * Channel 0's output is an hrtimer that raises the interrupt from its callback.
 * In reinject mode a tick is sent only when the one before was acknowledged;
 * the others wait, so a guest that counts ticks loses none while it is off the
 * CPU. A tick that no controller takes is dropped with all that wait.
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "compat/compat.h"
#include "irqchip/chip.h"
#include "irqchip/pit.h"

#define HV_PIT_PORT		0x40
#define HV_PIT_PORTS		4
#define HV_PIT_COMMAND		3	/* port offset */
#define HV_SPEAKER_PORT		0x61
#define HV_SPEAKER_GATE		BIT(0)
#define HV_SPEAKER_DATA		BIT(1)
#define HV_SPEAKER_REFRESH	BIT(4)
#define HV_SPEAKER_OUT		BIT(5)
#define HV_REFRESH_NS		15085	/* half the DRAM refresh clock that port 0x61 shows */

#define HV_PIT_MIN_PERIOD_NS	(200 * NSEC_PER_USEC)	/* a guest must not flood the host */
#define HV_PIT_MAX_BACKLOG	BIT(20)
#define HV_PIT_FLAGS		(KVM_PIT_FLAGS_HPET_LEGACY | KVM_PIT_FLAGS_SPEAKER_DATA_ON)
#define HV_PIT_MAX_COUNT	0x10000

/* Send one waiting tick, unless one is on its way. Any context. */
static void send_tick(struct hv_pit *pit)
{
	if (!atomic_read(&pit->backlog) || atomic_cmpxchg(&pit->idle, 1, 0) != 1)
		return;
	if (hv_gsi_pulse(pit->vm, HV_IRQ_SOURCE_PIT, HV_PIT_GSI) >= 0)
		return;
	atomic_set(&pit->backlog, 0);
	atomic_set(&pit->idle, 1);
}

static void add_ticks(struct hv_pit *pit, u64 ticks)
{
	int backlog = atomic_read(&pit->backlog);

	if (!READ_ONCE(pit->reinject)) {
		hv_gsi_pulse(pit->vm, HV_IRQ_SOURCE_PIT, HV_PIT_GSI);
		return;
	}
	if (backlog < HV_PIT_MAX_BACKLOG)
		atomic_add(min_t(u64, ticks, HV_PIT_MAX_BACKLOG - backlog), &pit->backlog);
	send_tick(pit);
}

void hv_pit_acked(struct hv_pit *pit)
{
	if (!READ_ONCE(pit->reinject) || atomic_cmpxchg(&pit->idle, 0, 1) != 0)
		return;
	atomic_dec_if_positive(&pit->backlog);
	send_tick(pit);
}

static void forget_ticks(struct hv_pit *pit)
{
	atomic_set(&pit->backlog, 0);
	atomic_set(&pit->idle, 1);
}

/* A tick sent to a pin that was then masked may never be acknowledged. */
void hv_pit_unmasked(struct hv_pit *pit)
{
	forget_ticks(pit);
}

static enum hrtimer_restart pit_fired(struct hrtimer *hrtimer)
{
	struct hv_pit *pit = container_of(hrtimer, struct hv_pit, hrtimer);
	u64 ticks = 1;

	if (pit->period)
		ticks = hrtimer_forward_now(hrtimer, ns_to_ktime(pit->period));
	add_ticks(pit, ticks);
	return pit->period ? HRTIMER_RESTART : HRTIMER_NORESTART;
}

/* Under lock. The callback takes none, so it can be waited for. */
static void stop_timer(struct hv_pit *pit)
{
	hrtimer_cancel(&pit->hrtimer);
	forget_ticks(pit);
}

/* Channel 0 has a new count. Its gate is tied high: modes 1 and 5 are never triggered. */
static void start_timer(struct hv_pit *pit)
{
	struct kvm_pit_channel_state *c = &pit->channel[0];
	u64 ns = hv_pit_ticks_to_ns(c->count);

	stop_timer(pit);
	if (pit->hpet_legacy)
		return;
	switch (c->mode) {
	case 2:
	case 3:
		ns = max_t(u64, ns, HV_PIT_MIN_PERIOD_NS);
		pit->period = ns;
		break;
	case 0:
	case 4:
		pit->period = 0;
		break;
	default:
		return;
	}
	hrtimer_start(&pit->hrtimer, ns_to_ktime(c->count_load_time + ns), HRTIMER_MODE_ABS_HARD);
}

static int pit_read(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 port,
		    unsigned int len, void *val)
{
	struct hv_pit *pit = container_of(dev, struct hv_pit, dev);
	unsigned int channel = (port - HV_PIT_PORT) & 3;

	memset(val, 0, len);
	if (channel == HV_PIT_COMMAND)
		return 0;
	spin_lock(&pit->lock);
	*(u8 *)val = hv_pit_read_count(&pit->channel[channel], ktime_get_ns());
	spin_unlock(&pit->lock);
	return 0;
}

static void pit_write_locked(struct hv_pit *pit, unsigned int offset, u8 value)
{
	u64 now = ktime_get_ns();

	lockdep_assert_held(&pit->lock);
	if (offset == HV_PIT_COMMAND) {
		if (hv_pit_command(pit->channel, value, now))
			stop_timer(pit);
	} else if (hv_pit_write_count(&pit->channel[offset], value, now) && !offset) {
		start_timer(pit);
	}
}

static int pit_write(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 port,
		     unsigned int len, const void *val)
{
	struct hv_pit *pit = container_of(dev, struct hv_pit, dev);

	spin_lock(&pit->lock);
	pit_write_locked(pit, (port - HV_PIT_PORT) & 3, *(const u8 *)val);
	spin_unlock(&pit->lock);
	return 0;
}

static int speaker_read(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 port,
			unsigned int len, void *val)
{
	struct hv_pit *pit = container_of(dev, struct hv_pit, speaker_dev);
	u64 now = ktime_get_ns();
	u8 result = 0;

	spin_lock(&pit->lock);
	if (pit->channel[2].gate)
		result |= HV_SPEAKER_GATE;
	if (pit->speaker_data)
		result |= HV_SPEAKER_DATA;
	if (hv_pit_output(&pit->channel[2], now))
		result |= HV_SPEAKER_OUT;
	spin_unlock(&pit->lock);
	if (now / HV_REFRESH_NS % 2)
		result |= HV_SPEAKER_REFRESH;
	memset(val, 0, len);
	*(u8 *)val = result;
	return 0;
}

static int speaker_write(struct hv_vcpu *vcpu, struct hv_iodev *dev, u64 port,
			 unsigned int len, const void *val)
{
	struct hv_pit *pit = container_of(dev, struct hv_pit, speaker_dev);
	u8 value = *(const u8 *)val;

	spin_lock(&pit->lock);
	pit->speaker_data = value & HV_SPEAKER_DATA;
	hv_pit_set_gate(&pit->channel[2], value & HV_SPEAKER_GATE, ktime_get_ns());
	spin_unlock(&pit->lock);
	return 0;
}

static const struct hv_iodev_ops pit_ops = {
	.read = pit_read,
	.write = pit_write,
};

static const struct hv_iodev_ops speaker_ops = {
	.read = speaker_read,
	.write = speaker_write,
};

static struct hv_pit *pit_alloc(struct hv_vm *vm, bool speaker)
{
	struct hv_pit *pit = kzalloc(sizeof(*pit), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!pit)
		return NULL;
	pit->vm = vm;
	pit->dev.ops = &pit_ops;
	pit->speaker_dev.ops = &speaker_ops;
	pit->speaker = speaker;
	pit->reinject = true;
	spin_lock_init(&pit->lock);
	hv_hrtimer_setup(&pit->hrtimer, pit_fired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_HARD);
	for (i = 0; i < HV_PIT_CHANNELS; i++)
		hv_pit_channel_reset(&pit->channel[i], i, ktime_get_ns());
	forget_ticks(pit);
	return pit;
}

void hv_pit_destroy(struct hv_pit *pit)
{
	if (!pit)
		return;
	hv_iobus_remove(pit->vm, HV_PIO_BUS, &pit->dev);
	if (pit->speaker)
		hv_iobus_remove(pit->vm, HV_PIO_BUS, &pit->speaker_dev);
	hrtimer_cancel(&pit->hrtimer);
	kfree(pit);
}

static int pit_register(struct hv_pit *pit)
{
	int ret = hv_iobus_add(pit->vm, HV_PIO_BUS, HV_PIT_PORT, HV_PIT_PORTS, &pit->dev);

	if (!ret && pit->speaker)
		ret = hv_iobus_add(pit->vm, HV_PIO_BUS, HV_SPEAKER_PORT, 1, &pit->speaker_dev);
	return ret;
}

static int pit_create_locked(struct hv_vm *vm, bool speaker)
{
	struct hv_irqchip *chip = vm->irqchip;
	struct hv_pit *pit;
	int ret;

	lockdep_assert_held(&vm->slots_lock);
	if (!chip)
		return -ENOENT;
	if (chip->pit)
		return -EEXIST;
	pit = pit_alloc(vm, speaker);
	if (!pit)
		return -ENOMEM;
	ret = pit_register(pit);
	if (ret)
		hv_pit_destroy(pit);
	else
		/* whoever sees it sees it complete */
		smp_store_release(&chip->pit, pit);
	return ret;
}

/**
 * hv_pit_create() - KVM_CREATE_PIT2
 * @vm: the VM, with a full in-kernel irqchip
 * @config: flags: KVM_PIT_SPEAKER_DUMMY
 *
 * Return: 0; -EINVAL for unknown flags; -ENOENT without the irqchip; -EEXIST if
 * there is one; -ENOMEM.
 */
int hv_pit_create(struct hv_vm *vm, const struct kvm_pit_config *config)
{
	int ret;

	if (config->flags & ~KVM_PIT_SPEAKER_DUMMY)
		return -EINVAL;
	mutex_lock(&vm->lock);
	mutex_lock(&vm->slots_lock);
	ret = pit_create_locked(vm, config->flags & KVM_PIT_SPEAKER_DUMMY);
	mutex_unlock(&vm->slots_lock);
	mutex_unlock(&vm->lock);
	return ret;
}

static struct hv_pit *vm_pit(struct hv_vm *vm)
{
	struct hv_irqchip *chip = hv_vm_chip(vm);

	return chip ? hv_chip_pit(chip) : NULL;
}

int hv_pit_get2(struct hv_vm *vm, struct kvm_pit_state2 *state)
{
	struct hv_pit *pit = vm_pit(vm);

	if (!pit)
		return -ENXIO;
	memset(state, 0, sizeof(*state));
	spin_lock(&pit->lock);
	memcpy(state->channels, pit->channel, sizeof(state->channels));
	if (pit->hpet_legacy)
		state->flags |= KVM_PIT_FLAGS_HPET_LEGACY;
	if (pit->speaker_data)
		state->flags |= KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	spin_unlock(&pit->lock);
	return 0;
}

static bool channel_valid(const struct kvm_pit_channel_state *c)
{
	return c->count <= HV_PIT_MAX_COUNT && c->mode <= 5 && c->bcd <= 1 && c->gate <= 1 &&
	       c->rw_mode <= 3 && c->read_state <= 4 && c->write_state <= 4 &&
	       c->count_latched <= 4 && c->status_latched <= 1;
}

static bool state_valid(const struct kvm_pit_state2 *state)
{
	unsigned int i;

	if (state->flags & ~HV_PIT_FLAGS)
		return false;
	for (i = 0; i < HV_PIT_CHANNELS; i++)
		if (!channel_valid(&state->channels[i]))
			return false;
	return true;
}

/* Counts start anew: the times they were loaded are those of another machine. */
int hv_pit_set2(struct hv_vm *vm, const struct kvm_pit_state2 *state)
{
	struct hv_pit *pit = vm_pit(vm);
	u64 now = ktime_get_ns();
	unsigned int i;

	if (!pit)
		return -ENXIO;
	if (!state_valid(state))
		return -EINVAL;
	spin_lock(&pit->lock);
	memcpy(pit->channel, state->channels, sizeof(pit->channel));
	for (i = 0; i < HV_PIT_CHANNELS; i++) {
		pit->channel[i].count_load_time = now;
		if (!pit->channel[i].count)
			pit->channel[i].count = HV_PIT_MAX_COUNT;
	}
	pit->hpet_legacy = state->flags & KVM_PIT_FLAGS_HPET_LEGACY;
	pit->speaker_data = state->flags & KVM_PIT_FLAGS_SPEAKER_DATA_ON;
	start_timer(pit);
	spin_unlock(&pit->lock);
	return 0;
}

int hv_pit_reinject(struct hv_vm *vm, bool on)
{
	struct hv_pit *pit = vm_pit(vm);

	if (!pit)
		return -ENXIO;
	WRITE_ONCE(pit->reinject, on);
	forget_ticks(pit);
	return 0;
}
