// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards machine checks from user space: KVM_X86_SETUP_MCE takes what it says it supports and
 * nothing else, KVM_X86_SET_MCE records corrected errors silently and raises #MC for uncorrected
 * ones, and, where there is CMCI, one that needs no action comes by the LAPIC's interrupt if bank
 * and LVT allow it. Where the VMM did not ask for CMCI, neither its LVT entry nor its MSRs exist.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define MCG_CTL_P	BIT64(8)
#define MCG_CMCI_P	BIT64(10)
#define MCG_SER_P	BIT64(24)
#define MCI_VAL		BIT64(63)
#define MCI_UC		BIT64(61)
#define MCI_EN		BIT64(60)
#define MCI_ADDRV	BIT64(58)
#define MCI_S		BIT64(56)
#define MCI_AR		BIT64(55)
#define ERROR		(MCI_VAL | MCI_EN | MCI_ADDRV | 0x90)
#define CMCI_EN		BIT64(30)
#define CTL2(bank)	(0x280 + (bank))
#define STATUS(bank)	(0x401 + (bank) * 4)
#define ADDR(bank)	(0x402 + (bank) * 4)
#define BANKS		10
#define BANK		4
#define MC_VECTOR	18
#define VECTOR		0x50
#define APIC_LVTCMCI	0x2f0
#define CR4_MCE		BIT64(6)

static volatile unsigned int checks, interrupts;
static volatile uint64_t seen_addr, lvt, bank_control;

static void on_check(struct g_frame *frame)
{
	checks++;
	seen_addr = g_rdmsr(ADDR(BANK));
}

static void on_cmci(struct g_frame *frame)
{
	interrupts++;
	seen_addr = g_rdmsr(ADDR(BANK));
	g_apic_eoi();
}

static void guest_plain(void)
{
	for (;;)
		g_sync(1);
}

static void guest_checks(void)
{
	uint64_t cr4;

	g_handlers[MC_VECTOR] = on_check;
	asm volatile("movq %%cr4, %0" : "=r"(cr4));
	asm volatile("movq %0, %%cr4" : : "r"(cr4 | CR4_MCE));
	guest_plain();
}

static void guest_cmci(void)
{
	g_handlers[VECTOR] = on_cmci;
	g_apic_enable();
	g_apic_write(APIC_LVTCMCI, lvt);
	g_wrmsr(CTL2(BANK), bank_control);
	for (;;) {
		g_sync(g_apic_read(APIC_LVTCMCI));
		g_irq_window();
	}
}

static void guest_without_cmci(void)
{
	g_apic_enable();
	g_apic_write(APIC_LVTCMCI, VECTOR);
	g_sync(g_apic_read(APIC_LVTCMCI));
	g_sync(g_apic_read(APIC_VERSION) >> 16 & 0xff);
}

/* The host keeps its own CR4.MCE set meanwhile: that is not the guest's to see. */
static void guest_cr4(void)
{
	uint64_t cr4;
	int i;

	for (i = 0; i < 4; i++) {
		asm volatile("movq %%cr4, %0" : "=r"(cr4));
		G_ASSERT(!(cr4 & CR4_MCE) == !(i & 1));
		asm volatile("movq %0, %%cr4" : : "r"(cr4 ^ CR4_MCE));
	}
	g_sync(i);
}

FIXTURE(mce) {
	struct tvm vm;
	struct tvcpu cpu;
	uint64_t supported;
};

FIXTURE_SETUP(mce)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_plain);
	TVM_MUST(self->vm.dev, KVM_X86_GET_MCE_CAP_SUPPORTED, &self->supported);
}

FIXTURE_TEARDOWN(mce)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long setup(struct tvcpu *cpu, uint64_t cap)
{
	return tvm_ioctl_p(cpu->fd, KVM_X86_SETUP_MCE, &cap);
}

static long set_mce(struct tvcpu *cpu, unsigned int bank, uint64_t status, uint64_t addr)
{
	struct kvm_x86_mce mce = { .status = status, .addr = addr, .bank = bank };

	return tvm_ioctl_p(cpu->fd, KVM_X86_SET_MCE, &mce);
}

TEST_F(mce, capabilities)
{
	EXPECT_EQ(MCG_CTL_P, self->supported & MCG_CTL_P);
	EXPECT_EQ(0, self->supported & 0xff);
	EXPECT_EQ(0, setup(&self->cpu, self->supported | BANKS));
	EXPECT_EQ(self->supported | BANKS, tvcpu_get_msr(&self->cpu, 0x179));
	EXPECT_EQ(-EINVAL, setup(&self->cpu, MCG_CTL_P));
	EXPECT_EQ(-EINVAL, setup(&self->cpu, MCG_CTL_P | 33));
	EXPECT_EQ(-EINVAL, setup(&self->cpu, MCG_CTL_P | BANKS | BIT64(63)));
	if (!(self->supported & MCG_CMCI_P))
		EXPECT_EQ(-EINVAL, setup(&self->cpu, MCG_CMCI_P | BANKS));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->cpu.fd, KVM_X86_SETUP_MCE, 0x10));
	/* as it was */
	EXPECT_EQ(self->supported | BANKS, tvcpu_get_msr(&self->cpu, 0x179));
}

TEST_F(mce, enabled_as_the_guest_says)
{
	tvcpu_long_mode(&self->cpu, guest_cr4);
	EXPECT_EQ(4, tvm_sync(&self->cpu));
}

TEST_F(mce, bad_injection)
{
	ASSERT_EQ(0, setup(&self->cpu, MCG_CTL_P | BANKS));
	EXPECT_EQ(-EINVAL, set_mce(&self->cpu, BANKS, ERROR, 0));
	EXPECT_EQ(-EINVAL, set_mce(&self->cpu, 255, ERROR, 0));
	EXPECT_EQ(-EINVAL, set_mce(&self->cpu, BANK, ERROR & ~MCI_VAL, 0));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->cpu.fd, KVM_X86_SET_MCE, 0x10));
	EXPECT_EQ(0, tvcpu_get_msr(&self->cpu, STATUS(BANK)));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_F(mce, corrected)
{
	ASSERT_EQ(0, setup(&self->cpu, MCG_CTL_P | BANKS));
	tvcpu_long_mode(&self->cpu, guest_checks);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, set_mce(&self->cpu, BANK, ERROR, 0x1234000));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, checks);
	EXPECT_EQ(ERROR, tvcpu_get_msr(&self->cpu, STATUS(BANK)));
	EXPECT_EQ(0x1234000, tvcpu_get_msr(&self->cpu, ADDR(BANK)));
}

TEST_F(mce, uncorrected)
{
	ASSERT_EQ(0, setup(&self->cpu, self->supported | BANKS));
	tvcpu_long_mode(&self->cpu, guest_checks);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, set_mce(&self->cpu, BANK, ERROR | MCI_UC | MCI_S | MCI_AR, 0x5678000));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, checks);
	EXPECT_EQ(0x5678000, seen_addr);
}

/* A guest that does not take machine checks stops. */
TEST_F(mce, uncorrected_unexpected)
{
	ASSERT_EQ(0, setup(&self->cpu, self->supported | BANKS));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, set_mce(&self->cpu, BANK, ERROR | MCI_UC | MCI_S | MCI_AR, 0));
	tvm_expect_exit(&self->cpu, KVM_EXIT_SHUTDOWN);
}

static void start_cmci(struct tvm *vm, struct tvcpu *cpu, uint64_t control, uint32_t entry)
{
	bank_control = control;
	lvt = entry;
	tvcpu_long_mode(cpu, guest_cmci);
	if (setup(cpu, MCG_CTL_P | MCG_SER_P | MCG_CMCI_P | BANKS) || tvm_sync(cpu) != entry)
		tvm_die("no CMCI");
}

TEST_F(mce, cmci)
{
	if (!(self->supported & MCG_CMCI_P))
		SKIP(return, "this vendor has no CMCI");
	start_cmci(&self->vm, &self->cpu, CMCI_EN | 1, VECTOR);
	EXPECT_EQ(CMCI_EN | 1, tvcpu_get_msr(&self->cpu, CTL2(BANK)));
	ASSERT_EQ(0, set_mce(&self->cpu, BANK, ERROR | MCI_UC, 0xabc000));
	EXPECT_EQ(VECTOR, tvm_sync(&self->cpu));
	EXPECT_EQ(1, interrupts);
	EXPECT_EQ(0xabc000, seen_addr);
	EXPECT_EQ(0, checks);
}

TEST_F(mce, cmci_switched_off)
{
	if (!(self->supported & MCG_CMCI_P))
		SKIP(return, "this vendor has no CMCI");
	start_cmci(&self->vm, &self->cpu, 1, VECTOR);
	ASSERT_EQ(0, set_mce(&self->cpu, BANK, ERROR | MCI_UC, 0xabc000));
	EXPECT_EQ(VECTOR, tvm_sync(&self->cpu));
	EXPECT_EQ(0, interrupts);
	EXPECT_EQ(0xabc000, tvcpu_get_msr(&self->cpu, ADDR(BANK)));
	/* the bank allows it now, another one does not matter, reserved bits are refused */
	EXPECT_EQ(1, tvcpu_msr(&self->cpu, CTL2(BANK), CMCI_EN));
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, CTL2(BANK), CMCI_EN | BIT64(29)));
	ASSERT_EQ(0, set_mce(&self->cpu, BANK - 1, ERROR | MCI_UC, 0));
	EXPECT_EQ(VECTOR, tvm_sync(&self->cpu));
	EXPECT_EQ(0, interrupts);
	ASSERT_EQ(0, set_mce(&self->cpu, BANK, ERROR | MCI_UC, 0));
	EXPECT_EQ(VECTOR, tvm_sync(&self->cpu));
	EXPECT_EQ(1, interrupts);
}

TEST_F(mce, cmci_masked)
{
	if (!(self->supported & MCG_CMCI_P))
		SKIP(return, "this vendor has no CMCI");
	start_cmci(&self->vm, &self->cpu, CMCI_EN, VECTOR | APIC_LVT_MASKED);
	ASSERT_EQ(0, set_mce(&self->cpu, BANK, ERROR | MCI_UC, 0));
	EXPECT_EQ(VECTOR | APIC_LVT_MASKED, tvm_sync(&self->cpu));
	EXPECT_EQ(0, interrupts);
}

TEST_F(mce, without_cmci)
{
	ASSERT_EQ(0, setup(&self->cpu, MCG_CTL_P | BANKS));
	tvcpu_long_mode(&self->cpu, guest_without_cmci);
	EXPECT_EQ(0, tvm_sync(&self->cpu));
	EXPECT_EQ(5, tvm_sync(&self->cpu));
	EXPECT_EQ(0, tvcpu_msr(&self->cpu, CTL2(BANK), CMCI_EN));
}

TEST_HARNESS_MAIN
