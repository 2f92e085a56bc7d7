// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards system management mode: an SMI by ioctl, IPI and vcpu_events runs the handler at
 * SMBASE with the documented registers, RSM brings back the interrupted ones (also what the
 * handler changed in the save area), a HLT goes on unless the handler says otherwise, NMIs wait,
 * the state can be saved and restored inside the handler, what the hypervisor itself tells the
 * guest waits for RSM, and RSM outside of the handler, a bad save area and missing SMRAM harm
 * nobody but the guest.
 */
#include <linux/kvm_para.h>
#include <signal.h>
#include <unistd.h>
#include <asm/kvm_para.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define SMBASE		0x200000UL
#define SAVE_HALT	0xc9
#define SAVE_REVISION	0xfc
#define HALT_VECTOR	0x61
#define MSI_BASE	0xfee00000
#define SAVE_SMBASE	0x100
#define SAVE_CR0	0x158
#define SAVE_RIP	0x178
#define SAVE_RBX	(0x1f8 - 3 * 8)
#define MSR_IA32_SMBASE	0x9e
#define MSR_SMI_COUNT	0x34
#define SMM_PORT	0x7f
#define AS_SMM		1
#define STEAL_GPA	(SMBASE + 0x1000)	/* SMRAM hides them */
#define CLOCK_GPA	(SMBASE + 0x2000)
#define APF_GPA		(SMBASE + 0x3000)
#define APF_ON		(KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT)

/* mov $0xfe, %al; out %al, $SMM_PORT; rsm */
static const uint8_t handler[] = { 0xb0, 0xfe, 0xe6, SMM_PORT, 0x0f, 0xaa };

/* lidt %cs:0x8010 (an empty table); ud2 */
static const uint8_t fatal_handler[] = { 0x2e, 0x0f, 0x01, 0x1e, 0x10, 0x80, 0x0f, 0x0b };

static volatile uint64_t rbx_seen;
static volatile unsigned int ud_faults, nmis;

static void skip_rsm(struct g_frame *frame)
{
	ud_faults++;
	frame->rip += 2;
}

static void count_nmi(struct g_frame *frame)
{
	nmis++;
}

static void no_breakpoint(struct g_frame *frame)
{
}

/*
 * Bochs 2.7 goes on masking a guest's NMIs, over VM entries that say otherwise and in the next VM
 * too, from an RSM (which is the hypervisor's there) to the next IRET: here it is.
 */
static void iret_once(void)
{
	g_handlers[BP_VECTOR] = no_breakpoint;
	asm volatile("int3");
}

static void guest_loop(void)
{
	uint64_t rbx = 0x1122334455667788;

	iret_once();
	g_handlers[UD_VECTOR] = skip_rsm;
	g_handlers[2] = count_nmi;
	for (;;) {
		asm volatile("outl %%eax, %w1" : "+b"(rbx) : "d"(G_PORT_SYNC), "a"(1));
		rbx_seen = rbx;
	}
}

static void guest_rsm(void)
{
	g_handlers[UD_VECTOR] = skip_rsm;
	asm volatile(".byte 0x0f, 0xaa");
	g_sync(1);
}

static void guest_ipi(void)
{
	g_apic_enable();
	g_apic_write(APIC_ICR, 0x40000 | 0x4000 | 0x200);	/* self, assert, SMI */
	g_sync(1);
}

static void end_halt(struct g_frame *frame)
{
	g_apic_eoi();
}

static void guest_halts(void)
{
	iret_once();
	g_apic_enable();
	g_handlers[HALT_VECTOR] = end_halt;
	g_sync(1);
	g_sti_hlt();
	g_sync(2);
}

FIXTURE(smm) {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *smram;
};

FIXTURE_SETUP(smm)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_loop);
	self->smram = tvm_mem(0x10000);
	memcpy(self->smram + 0x8000, handler, sizeof(handler));
	ASSERT_EQ(0, tvm_slot(&self->vm, AS_SMM << 16, 0, SMBASE, 0x10000, self->smram));
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_SMBASE, SMBASE));
}

FIXTURE_TEARDOWN(smm)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static void ignore_signal(int sig)
{
}

static void expect_in_smm(struct tvcpu *cpu)
{
	tvm_expect_exit(cpu, KVM_EXIT_IO);
	if (cpu->run->io.port == SMM_PORT && (cpu->run->flags & KVM_RUN_X86_SMM))
		return;
	tvm_dump(cpu);
	tvm_die("flags %#x: not the SMI handler", cpu->run->flags);
}

static uint64_t saved(uint8_t *smram, unsigned int off)
{
	return *(uint64_t *)(smram + 0xfe00 + off);
}

TEST_F(smm, enter_and_leave)
{
	struct kvm_vcpu_events ev;
	struct kvm_sregs sregs;
	struct kvm_regs before, regs;

	EXPECT_EQ(1, tvm_cap(&self->vm, KVM_CAP_X86_SMM));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvcpu_get_regs(&self->cpu, &before);
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	expect_in_smm(&self->cpu);
	tvcpu_get_sregs(&self->cpu, &sregs);
	EXPECT_EQ(SMBASE, sregs.cs.base);
	EXPECT_EQ((SMBASE >> 4) & 0xffff, sregs.cs.selector);
	EXPECT_EQ(0xffffffff, sregs.ds.limit);
	EXPECT_EQ(0, sregs.cr0 & (X86_CR0_PE | X86_CR0_PG));
	EXPECT_EQ(0, sregs.cr4);
	EXPECT_EQ(0, sregs.efer);
	tvcpu_get_regs(&self->cpu, &regs);
	EXPECT_EQ(0x8004, regs.rip);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	EXPECT_TRUE(ev.flags & KVM_VCPUEVENT_VALID_SMM);
	EXPECT_EQ(1, ev.smi.smm);
	EXPECT_EQ(0, ev.smi.pending);
	EXPECT_EQ(1, ev.nmi.masked);
	EXPECT_EQ(before.rip, saved(self->smram, SAVE_RIP));
	EXPECT_EQ(before.rbx, saved(self->smram, SAVE_RBX));
	EXPECT_EQ(0x20064, (uint32_t)saved(self->smram, SAVE_REVISION));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, self->cpu.run->flags & KVM_RUN_X86_SMM);
	EXPECT_EQ(0x1122334455667788, rbx_seen);
	EXPECT_EQ(1, tvcpu_get_msr(&self->cpu, MSR_SMI_COUNT));
	tvcpu_get_sregs(&self->cpu, &sregs);
	EXPECT_TRUE(sregs.efer & EFER_LMA);
}

/* The handler's changes of the save area are what the guest goes on with, SMBASE among them. */
static void send_smi(struct tvcpu *cpu)
{
	struct kvm_mp_state mp;

	TVM_MUST(cpu->fd, KVM_GET_MP_STATE, &mp);
	if (mp.mp_state != KVM_MP_STATE_HALTED)
		tvm_die("mp_state %u: it does not halt", mp.mp_state);
	TVM_MUST(cpu->fd, KVM_SMI, 0);
}

static void halt(struct tvcpu *cpu)
{
	struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	struct sigaction action = { .sa_handler = ignore_signal };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	if (tvm_run(cpu) != -EINTR)
		tvm_die("no HLT");
}

static void send_vector(struct tvm *vm)
{
	struct kvm_msi msi = { .address_lo = MSI_BASE, .data = HALT_VECTOR };

	TVM_MUST(vm->fd, KVM_SIGNAL_MSI, &msi);
}

/* Without the restart the guest would come out of HLT, and reach its next g_sync(), by the SMI. */
TEST_F(smm, halt_goes_on)
{
	if (tvm_is_kvm())
		SKIP(return, "stock KVM does not restart HLT");
	tvcpu_long_mode(&self->cpu, guest_halts);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	halt(&self->cpu);
	send_smi(&self->cpu);
	expect_in_smm(&self->cpu);
	EXPECT_EQ(1, self->smram[0xfe00 + SAVE_HALT]);
	halt(&self->cpu);
	send_vector(&self->vm);
	EXPECT_EQ(2, tvm_sync(&self->cpu));
}

TEST_F(smm, handler_ends_halt)
{
	tvcpu_long_mode(&self->cpu, guest_halts);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	halt(&self->cpu);
	send_smi(&self->cpu);
	expect_in_smm(&self->cpu);
	self->smram[0xfe00 + SAVE_HALT] = 0;
	EXPECT_EQ(2, tvm_sync(&self->cpu));
}

TEST_F(smm, changed_save_area)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	expect_in_smm(&self->cpu);
	*(uint64_t *)(self->smram + 0xfe00 + SAVE_RBX) = 42;
	*(uint32_t *)(self->smram + 0xfe00 + SAVE_SMBASE) = SMBASE + 0x1000;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(42, rbx_seen);
	EXPECT_EQ(SMBASE + 0x1000, tvcpu_get_msr(&self->cpu, MSR_IA32_SMBASE));
}

TEST_F(smm, ipi_to_self)
{
	tvcpu_long_mode(&self->cpu, guest_ipi);
	expect_in_smm(&self->cpu);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_F(smm, nmi_waits)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	expect_in_smm(&self->cpu);
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_NMI, 0));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, nmis);
}

/* What the hypervisor tells the guest meanwhile goes to the guest's memory, and not to SMRAM. */
TEST_F(smm, areas_are_no_smram)
{
	volatile struct kvm_steal_time *steal = (void *)(self->vm.ram + STEAL_GPA);
	volatile uint32_t *clock_version = (void *)(self->vm.ram + CLOCK_GPA);
	static const uint8_t untouched[TVM_PAGE];

	if (tvm_is_kvm())
		SKIP(return, "stock KVM writes to SMRAM");
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	expect_in_smm(&self->cpu);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_STEAL_TIME, STEAL_GPA | KVM_MSR_ENABLED));
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_SYSTEM_TIME_NEW, CLOCK_GPA | KVM_MSR_ENABLED));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, memcmp(untouched, self->smram + STEAL_GPA - SMBASE, TVM_PAGE));
	EXPECT_EQ(0, memcmp(untouched, self->smram + CLOCK_GPA - SMBASE, TVM_PAGE));
	EXPECT_NE(0, steal->version);
	EXPECT_NE(0, *clock_version);
}

static volatile unsigned int pages_ready;

static void on_page_ready(struct g_frame *frame)
{
	pages_ready++;
	g_apic_eoi();
}

static void guest_awaits_pages(void)
{
	iret_once();
	g_apic_enable();
	g_handlers[HALT_VECTOR] = on_page_ready;
	for (;;) {
		g_irq_window();
		g_sync(1 + pages_ready);
	}
}

/* News of a page that come in the handler are told after it. */
TEST_F(smm, page_ready_waits)
{
	struct tvcpu *cpu = &self->cpu;

	if (tvm_is_kvm())
		SKIP(return, "stock KVM writes to SMRAM");
	tvcpu_long_mode(cpu, guest_awaits_pages);
	EXPECT_EQ(1, tvm_sync(cpu));
	ASSERT_EQ(0, tvm_ioctl(cpu->fd, KVM_SMI, 0));
	expect_in_smm(cpu);
	ASSERT_EQ(1, tvcpu_msr(cpu, MSR_KVM_ASYNC_PF_INT, HALT_VECTOR));
	/* switched on by user space: "look at all pages" */
	ASSERT_EQ(1, tvcpu_msr(cpu, MSR_KVM_ASYNC_PF_EN, APF_GPA | APF_ON));
	tvm_sync(cpu);
	EXPECT_EQ(2, tvm_sync(cpu));
}

/* A second SMI in the handler is latched and comes right after RSM. */
TEST_F(smm, smi_in_smm)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	expect_in_smm(&self->cpu);
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	expect_in_smm(&self->cpu);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, tvcpu_get_msr(&self->cpu, MSR_SMI_COUNT));
}

/* Saved in the handler, restored into another vCPU of the VM: it leaves SMM there. */
TEST_F(smm, save_and_restore)
{
	struct kvm_vcpu_events ev;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct tvcpu other;

	EXPECT_EQ(1, tvm_sync(&self->cpu));
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.smi.pending = 1;
	ASSERT_EQ(0, tvm_ioctl_p(self->cpu.fd, KVM_SET_VCPU_EVENTS, &ev));
	expect_in_smm(&self->cpu);
	tvcpu_get_sregs(&self->cpu, &sregs);
	tvcpu_get_regs(&self->cpu, &regs);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	tvcpu_create(&other, &self->vm, 1);
	sregs.apic_base &= ~APICBASE_BSP;
	tvcpu_set_sregs(&other, &sregs);
	ASSERT_EQ(1, tvcpu_msr(&other, MSR_IA32_SMBASE, SMBASE));
	TVM_MUST(other.fd, KVM_SET_VCPU_EVENTS, &ev);
	TVM_MUST(other.fd, KVM_SET_MP_STATE, &(struct kvm_mp_state){ KVM_MP_STATE_RUNNABLE });
	tvcpu_set_regs(&other, &regs);
	EXPECT_EQ(1, tvm_sync(&other));
	EXPECT_EQ(0x1122334455667788, rbx_seen);
	tvcpu_destroy(&other);
}

TEST_F(smm, rsm_outside)
{
	tvcpu_long_mode(&self->cpu, guest_rsm);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, ud_faults);
}

/* A state no CPU can be in: a shutdown, as on hardware. */
TEST_F(smm, bad_save_area)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	expect_in_smm(&self->cpu);
	memset(self->smram + 0xfe00, 0xff, 0x200);
	tvm_expect_exit(&self->cpu, KVM_EXIT_SHUTDOWN);
}

TEST_F(smm, no_smram)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_slot(&self->vm, AS_SMM << 16, 0, SMBASE, 0, NULL));
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	/* whatever it does, KVM_RUN comes back */
	EXPECT_GE(tvm_run(&self->cpu), 0);
}

TEST_F(smm, bad_smbase)
{
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, MSR_IA32_SMBASE, BIT64(32)));
	EXPECT_EQ(SMBASE, tvcpu_get_msr(&self->cpu, MSR_IA32_SMBASE));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

static void guest_halts_for_good(void)
{
	g_sync(1);
	for (;;)
		g_sti_hlt();
}

/* What the CPU halts in by itself. */
TEST_F(smm, halt_without_exit)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_DISABLE_EXITS, .args = { KVM_X86_DISABLE_EXITS_HLT },
	};

	if (tvm_is_kvm())
		SKIP(return, "stock KVM heeds it in later vCPUs only");
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_ENABLE_CAP, &cap));
	tvcpu_long_mode(&self->cpu, guest_halts_for_good);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	halt(&self->cpu);
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	expect_in_smm(&self->cpu);
}

/* After it AMD's CPUs are as after INIT; on Intel's user space ends the mode with its reset. */
TEST_F(smm, shutdown_in_the_handler)
{
	struct kvm_vcpu_events ev;

	memcpy(self->smram + 0x8000, fatal_handler, sizeof(fatal_handler));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, tvm_ioctl(self->cpu.fd, KVM_SMI, 0));
	tvm_expect_exit(&self->cpu, KVM_EXIT_SHUTDOWN);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	if (!tvm_host_is_intel())
		EXPECT_EQ(0, ev.smi.smm);
	ev.flags |= KVM_VCPUEVENT_VALID_SMM;
	ev.smi.smm = 0;
	TVM_MUST(self->cpu.fd, KVM_SET_VCPU_EVENTS, &ev);
	tvcpu_long_mode(&self->cpu, guest_loop);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_HARNESS_MAIN
