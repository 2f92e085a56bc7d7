// SPDX-License-Identifier: GPL-2.0-only
/* The machine around the interrupt controllers: vCPUs, a clock, timers. */
#include "world.h"

#include "x86/cpuid.h"
#include "x86/pv_eoi.h"
#include "x86/regs.h"
#include "x86/tsc.h"

struct world world;
struct hv_caps hv_caps;
unsigned int tsc_khz = WORLD_TSC_KHZ;

static struct world_vcpu *wcpu(struct hv_vcpu *vcpu)
{
	return container_of(vcpu, struct world_vcpu, vcpu);
}

struct hv_vcpu *cpu(unsigned int i)
{
	return &world.cpu[i].vcpu;
}

/* clock and timers */

ktime_t ktime_get(void)
{
	return world.now;
}

u64 rdtsc(void)
{
	u64 now = world.now - world.tsc_late;

	world.tsc_late = 0;
	return now * (WORLD_TSC_KHZ / NSEC_PER_MSEC);
}

void hrtimer_start(struct hrtimer *timer, ktime_t expires, enum hrtimer_mode mode)
{
	struct hrtimer *t;

	(void)mode;
	timer->expires = expires;
	timer->active = true;
	for (t = world.timers; t; t = t->next)
		if (t == timer)
			return;
	timer->next = world.timers;
	world.timers = timer;
}

int hrtimer_cancel(struct hrtimer *timer)
{
	struct hrtimer **p;

	for (p = &world.timers; *p; p = &(*p)->next) {
		if (*p == timer) {
			*p = timer->next;
			break;
		}
	}
	timer->active = false;
	return 0;
}

u64 hrtimer_forward_now(struct hrtimer *timer, ktime_t interval)
{
	u64 n = 0;

	while (timer->expires <= ktime_get()) {
		timer->expires += interval;
		n++;
	}
	return n;
}

static struct hrtimer *earliest(u64 until)
{
	struct hrtimer *t, *first = NULL;

	for (t = world.timers; t; t = t->next)
		if (t->active && (u64)t->expires <= until &&
		    (!first || t->expires < first->expires))
			first = t;
	return first;
}

static void hit_deadlines(void)
{
	unsigned int i;

	for (i = 0; i < WORLD_VCPUS; i++)
		if (world.cpu[i].deadline <= rdtsc())
			hv_lapic_deadline_hit(cpu(i));
}

void world_pass(u64 ns)
{
	u64 until = world.now + ns;
	struct hrtimer *t;

	while ((t = earliest(until))) {
		world.now = max_t(u64, world.now, t->expires);
		t->active = false;
		if (t->function(t) == HRTIMER_RESTART)
			t->active = true;
	}
	world.now = until;
	hit_deadlines();
}

/* what the controllers ask of the rest */

void hv_vcpu_kick(struct hv_vcpu *vcpu)
{
	wcpu(vcpu)->kicks++;
}

void hv_vcpu_smi(struct hv_vcpu *vcpu)
{
}

void hv_vcpu_nmi(struct hv_vcpu *vcpu)
{
	wcpu(vcpu)->nmis++;
}

void hv_cpuid_refresh(struct hv_vcpu *vcpu)
{
	(void)vcpu;
}

void hv_vcpu_reset(struct hv_vcpu *vcpu, bool init)
{
	wcpu(vcpu)->resets++;
	hv_lapic_reset(vcpu, init);
}

u64 hv_tsc_guest(struct hv_vcpu *vcpu, u64 host)
{
	return host + vcpu->tsc.offset;
}

u64 hv_tsc_host(struct hv_vcpu *vcpu, u64 guest)
{
	u64 now = hv_tsc_guest(vcpu, rdtsc());

	return guest <= now ? rdtsc() : guest - vcpu->tsc.offset;
}

/* user space registers no zones here: core/iobus.c does not come this far */
int hv_coalesced_write(struct hv_vm *vm, enum hv_bus bus, u64 addr, unsigned int len,
		       const void *val)
{
	return -EOPNOTSUPP;
}

/* nor is there memory in which an offer could stand */
void hv_pv_eoi_take_back(struct hv_vcpu *vcpu)
{
	assert(0);
}

void hv_irqfd_resample(struct hv_vm *vm, u32 gsi)
{
	if (gsi >= KVM_IOAPIC_NUM_PINS)
		return;
	world.resampled[gsi]++;
	if (world.lower_on_ack & BIT(gsi))
		hv_gsi_set_level(vm, HV_IRQ_SOURCE_RESAMPLE, gsi, 0);
}

static int set_deadline(struct hv_vcpu *vcpu, u64 deadline)
{
	wcpu(vcpu)->deadline = deadline;
	return 0;
}

static void update(struct hv_vcpu *vcpu)
{
	(void)vcpu;
}

static void get_segment(struct hv_vcpu *vcpu, enum hv_seg seg, struct kvm_segment *s)
{
	assert(seg == HV_CS);
	*s = wcpu(vcpu)->cs;
}

static void set_segment(struct hv_vcpu *vcpu, enum hv_seg seg, const struct kvm_segment *s)
{
	assert(seg == HV_CS);
	wcpu(vcpu)->cs = *s;
}

static const struct hv_ops ops = {
	.name = "unit",
	.set_deadline = set_deadline,
	.update = update,
	.get_segment = get_segment,
	.set_segment = set_segment,
};

const struct hv_ops *hv_ops = &ops;

/* a machine */

static struct hv_cpuid *all_features(void)
{
	struct hv_cpuid *cpuid = calloc(1, sizeof(*cpuid));

	memset(cpuid->features, 0xff, sizeof(cpuid->features));
	return cpuid;
}

static void add_cpu(unsigned int i)
{
	struct hv_vcpu *vcpu = cpu(i);

	vcpu->vm = &world.vm;
	vcpu->run = &world.cpu[i].run;
	vcpu->index = i;
	vcpu->id = i;
	vcpu->external_vector = -1;
	vcpu->maxphyaddr = 40;
	vcpu->cpuid = all_features();
	vcpu->mp_state = i ? KVM_MP_STATE_UNINITIALIZED : KVM_MP_STATE_RUNNABLE;
	world.cpu[i].deadline = U64_MAX;
	assert(!hv_lapic_create(vcpu));
	world.vm.vcpus[i] = vcpu;
	world.vm.nr_vcpus = i + 1;
}

void world_start(enum world_chip chip, bool hw_deadline)
{
	unsigned int i;

	memset(&world, 0, sizeof(world));
	world.now = NSEC_PER_SEC;
	world.vm.apic_bus_cycle_ns = HV_APIC_BUS_CYCLE_NS;
	hv_caps.has_deadline = hw_deadline;
	assert(!(chip == WORLD_FULL ? hv_irqchip_create(&world.vm) :
				      hv_irqchip_create_split(&world.vm)));
	for (i = 0; i < WORLD_VCPUS; i++)
		add_cpu(i);
	world.vm.created_vcpus = true;
}

void world_stop(void)
{
	unsigned int i;

	hv_irqchip_destroy(&world.vm);
	for (i = 0; i < WORLD_VCPUS; i++) {
		hv_lapic_destroy(cpu(i));
		free(cpu(i)->cpuid);
	}
	hv_iobus_destroy(&world.vm);
	hv_routing_destroy(&world.vm);
	assert(!world.timers);
}

void world_prepare(struct hv_vcpu *vcpu)
{
	if (hv_request_take(vcpu, HV_REQ_APIC_EVENT))
		hv_lapic_events(vcpu);
	if (hv_request_take(vcpu, HV_REQ_EVENT))
		hv_lapic_timer_sync(vcpu);
}

int world_take(struct hv_vcpu *vcpu)
{
	world_prepare(vcpu);
	return hv_irq_pending(vcpu) ? hv_irq_ack(vcpu) : -1;
}

/* a guest's accesses */

void out8(u16 port, u8 value)
{
	assert(!hv_iobus_write(cpu(0), HV_PIO_BUS, port, 1, &value));
}

u8 in8(u16 port)
{
	u8 value = 0;

	assert(!hv_iobus_read(cpu(0), HV_PIO_BUS, port, 1, &value));
	return value;
}

void apic_write(struct hv_vcpu *vcpu, u32 reg, u32 value)
{
	assert(!hv_lapic_mmio_write(vcpu, APIC_DEFAULT_PHYS_BASE + reg, 4, &value));
}

u32 apic_read(struct hv_vcpu *vcpu, u32 reg)
{
	u32 value = 0;

	assert(!hv_lapic_mmio_read(vcpu, APIC_DEFAULT_PHYS_BASE + reg, 4, &value));
	return value;
}

void apic_enable(struct hv_vcpu *vcpu)
{
	apic_write(vcpu, APIC_SPIV, 0xff | APIC_SPIV_APIC_ENABLED);
}

void x2apic_enable(struct hv_vcpu *vcpu)
{
	assert(!hv_lapic_base_write(vcpu, vcpu->msr.apic_base | X2APIC_ENABLE, false));
	assert(!x2apic_write(vcpu, APIC_SPIV, 0xff | APIC_SPIV_APIC_ENABLED));
}

int x2apic_write(struct hv_vcpu *vcpu, u32 reg, u64 value)
{
	return hv_lapic_x2apic_write(vcpu, APIC_BASE_MSR + reg / 16, value);
}

u64 x2apic_read(struct hv_vcpu *vcpu, u32 reg)
{
	u64 value = 0;

	assert(!hv_lapic_x2apic_read(vcpu, APIC_BASE_MSR + reg / 16, &value));
	return value;
}

static void ioapic_access(u32 offset, u32 *value, bool write)
{
	u64 addr = IO_APIC_DEFAULT_PHYS_BASE + offset;

	assert(!(write ? hv_iobus_write(cpu(0), HV_MMIO_BUS, addr, 4, value) :
			 hv_iobus_read(cpu(0), HV_MMIO_BUS, addr, 4, value)));
}

void ioapic_write(u8 reg, u32 value)
{
	u32 select = reg;

	ioapic_access(0, &select, true);
	ioapic_access(0x10, &value, true);
}

u32 ioapic_read(u8 reg)
{
	u32 select = reg, value = 0;

	ioapic_access(0, &select, true);
	ioapic_access(0x10, &value, false);
	return value;
}

void ioapic_redir(unsigned int pin, u64 entry)
{
	ioapic_write(0x11 + 2 * pin, entry >> 32);
	ioapic_write(0x10 + 2 * pin, entry);
}

u64 ioapic_entry(unsigned int pin)
{
	return (u64)ioapic_read(0x11 + 2 * pin) << 32 | ioapic_read(0x10 + 2 * pin);
}
