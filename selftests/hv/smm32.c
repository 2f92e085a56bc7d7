// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards SMM of a guest without long mode: its registers are where Intel's 32-bit save map has
 * them, with that map's revision; RSM brings all of them back, with what the handler changed,
 * SMBASE and the end of a HLT among it; and a save area that no CPU can have left is a shutdown.
 */
#include <signal.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "real.h"
#include "tvm.h"

#define AS_SMM		1
#define SMBASE		0x200000UL
#define SMRAM_SIZE	0x20000UL	/* room to move SMBASE by half of it */
#define MSR_IA32_SMBASE	0x9e
#define SMM_PORT	0x7f
#define PDPT_GPA	TVM_FREE_GPA
#define NR_PDS		4
#define CPUID_80000001_EDX_LM	BIT64(29)

/* SDM volume 3, table "SMRAM State Save Map": from SMBASE + 8000H */
enum {
	SAVE_RESERVED = 0x7e00, SAVE_SMBASE = 0x7ef8, SAVE_REVISION = 0x7efc,
	SAVE_IO_RESTART = 0x7f00, SAVE_HALT = 0x7f02, SAVE_RESERVED_2 = 0x7f04,
	SAVE_IO_ADDRESS = 0x7fa0, SAVE_IO_STATE = 0x7fa4,
	SAVE_ES = 0x7fa8, SAVE_CS = 0x7fac, SAVE_SS = 0x7fb0, SAVE_DS = 0x7fb4,
	SAVE_FS = 0x7fb8, SAVE_GS = 0x7fbc, SAVE_LDTR = 0x7fc0, SAVE_TR = 0x7fc4,
	SAVE_DR7 = 0x7fc8, SAVE_DR6 = 0x7fcc,
	SAVE_EAX = 0x7fd0, SAVE_ECX = 0x7fd4, SAVE_EDX = 0x7fd8, SAVE_EBX = 0x7fdc,
	SAVE_ESP = 0x7fe0, SAVE_EBP = 0x7fe4, SAVE_ESI = 0x7fe8, SAVE_EDI = 0x7fec,
	SAVE_EIP = 0x7ff0, SAVE_EFLAGS = 0x7ff4, SAVE_CR3 = 0x7ff8, SAVE_CR0 = 0x7ffc,
	SAVE_END = 0x8000,
};

/* mov $0xfe, %al; out %al, $SMM_PORT; rsm */
static const uint8_t handler[] = { 0xb0, 0xfe, 0xe6, SMM_PORT, 0x0f, 0xaa };

FIXTURE(smm32) {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *smram;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
};

static void no_long_mode(struct tvcpu *cpu)
{
	struct tvm_cpuid cpuid;
	struct kvm_cpuid_entry2 *leaf;

	tvm_supported_cpuid(cpu->vm, &cpuid);
	leaf = tvm_cpuid_find(&cpuid, 0x80000001, 0);
	if (!leaf)
		tvm_die("no CPUID leaf 0x80000001");
	leaf->edx &= ~CPUID_80000001_EDX_LM;
	TVM_MUST(cpu->fd, KVM_SET_CPUID2, &cpuid);
}

/* PAE paging, one to one, with all that has a value of its own to be lost. */
static void special_sregs(struct tvcpu *cpu)
{
	uint64_t *pdpt = (uint64_t *)(cpu->vm->ram + PDPT_GPA);
	struct kvm_sregs sregs;
	unsigned int i;

	for (i = 0; i < NR_PDS; i++)
		pdpt[i] = (TVM_PGT_GPA + (2 + i) * TVM_PAGE) | PTE_P;
	tvcpu_get_sregs(cpu, &sregs);
	sregs.cr0 |= X86_CR0_PG | X86_CR0_WP;
	sregs.cr3 = PDPT_GPA;
	sregs.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR;
	sregs.efer = EFER_NX;
	sregs.es.base = 0x1000;
	sregs.fs.base = 0x89abc000;
	sregs.fs.limit = 0xfff;
	sregs.fs.g = 0;
	sregs.gs.selector = 0x2b;
	sregs.gs.dpl = 3;
	sregs.ldt = (struct kvm_segment) {
		.base = 0x5000, .limit = 0x27, .selector = 0x30, .type = 2, .present = 1,
	};
	sregs.gdt.limit = 0x37;
	sregs.idt.base = 0xfffff000;
	sregs.idt.limit = 0x7ff;
	tvcpu_set_sregs(cpu, &sregs);
}

static void special_regs(struct tvcpu *cpu, const void *entry)
{
	struct kvm_debugregs debug = { .dr6 = 0xffff0ff2, .dr7 = 0x700 };
	struct kvm_regs regs = {
		.rax = 0x80000001, .rbx = 0xb0b0b0b0, .rcx = 0xc0c0c0c0, .rdx = G_PORT_SYNC,
		.rsi = 0x51515151, .rdi = 0xd1d1d1d1, .rsp = 0x59595959, .rbp = 0xb9b9b9b9,
		.rip = (uintptr_t)entry, .rflags = X86_RFLAGS_FIXED | 0x8d5,
	};

	TVM_MUST(cpu->fd, KVM_SET_DEBUGREGS, &debug);
	tvcpu_set_regs(cpu, &regs);
}

FIXTURE_SETUP(smm32)
{
	if (tvm_is_kvm() && !tvm_host_is_intel())
		SKIP(return, "stock KVM on AMD-V shuts a guest down that RSM takes to PAE paging");
	tvm_create(&self->vm, TVM_IRQCHIP);
	tvcpu_create(&self->cpu, &self->vm, 0);
	no_long_mode(&self->cpu);
	tvcpu_prot_mode(&self->cpu, g_prot_report);
	special_sregs(&self->cpu);
	special_regs(&self->cpu, g_prot_report);
	self->smram = tvm_mem(SMRAM_SIZE);
	memcpy(self->smram + 0x8000, handler, sizeof(handler));
	/* RSM may want the page tables before it leaves SMRAM behind */
	ASSERT_EQ(0, tvm_slot(&self->vm, AS_SMM << 16 | 1, 0, 0, SMBASE, self->vm.ram));
	ASSERT_EQ(0, tvm_slot(&self->vm, AS_SMM << 16, 0, SMBASE, SMRAM_SIZE, self->smram));
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_IA32_SMBASE, SMBASE));
}

FIXTURE_TEARDOWN(smm32)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static uint32_t *save_map(uint8_t *smram, unsigned int off)
{
	return (uint32_t *)(smram + 0x8000 + off);
}

/* To the guest's next report, which is over when this returns. */
static uint32_t report(struct tvcpu *cpu)
{
	uint32_t value = tvm_sync(cpu);

	cpu->run->immediate_exit = 1;
	if (tvm_run(cpu) != -EINTR)
		tvm_die("KVM_RUN with immediate_exit did not return EINTR");
	cpu->run->immediate_exit = 0;
	return value;
}

static void expect_in_smm(struct tvcpu *cpu)
{
	tvm_expect_exit(cpu, KVM_EXIT_IO);
	if (cpu->run->io.port == SMM_PORT && (cpu->run->flags & KVM_RUN_X86_SMM))
		return;
	tvm_dump(cpu);
	tvm_die("flags %#x: not the SMI handler", cpu->run->flags);
}

static void smi(struct tvcpu *cpu)
{
	TVM_MUST(cpu->fd, KVM_SMI, 0);
	expect_in_smm(cpu);
}

/* One report, so that the vCPU has run, then the handler; what was before is kept. */
static void enter_smm(FIXTURE_DATA(smm32) *self)
{
	if (report(&self->cpu) != 0x80000001)
		tvm_die("the guest does not report what it was given");
	tvcpu_get_regs(&self->cpu, &self->regs);
	tvcpu_get_sregs(&self->cpu, &self->sregs);
	smi(&self->cpu);
}

TEST_F(smm32, save_map)
{
	struct kvm_regs *r = &self->regs;
	struct kvm_sregs *s = &self->sregs;
	static const struct {
		unsigned int off;
		uint32_t value;
	} want[] = {
		{ SAVE_CR3, PDPT_GPA }, { SAVE_DR6, 0xffff0ff2 },
		{ SAVE_DR7, 0x700 }, { SAVE_EAX, 0x80000001 }, { SAVE_EBX, 0xb0b0b0b0 },
		{ SAVE_ECX, 0xc0c0c0c0 }, { SAVE_EDX, G_PORT_SYNC }, { SAVE_ESI, 0x51515151 },
		{ SAVE_EDI, 0xd1d1d1d1 }, { SAVE_ESP, 0x59595959 }, { SAVE_EBP, 0xb9b9b9b9 },
		{ SAVE_SMBASE, SMBASE }, { SAVE_REVISION, 0x20000 },
		{ SAVE_IO_RESTART, 0 },		/* and SAVE_HALT */
		{ SAVE_IO_STATE, 0 },
	};
	unsigned int i;

	enter_smm(self);
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		EXPECT_EQ(want[i].value, *save_map(self->smram, want[i].off))
			TH_LOG("offset %#x", want[i].off);
	}
	EXPECT_EQ(s->cr0, *save_map(self->smram, SAVE_CR0));
	EXPECT_EQ(r->rip, *save_map(self->smram, SAVE_EIP));
	EXPECT_EQ(r->rflags, *save_map(self->smram, SAVE_EFLAGS));
	EXPECT_EQ(s->es.selector, *save_map(self->smram, SAVE_ES));
	EXPECT_EQ(s->cs.selector, *save_map(self->smram, SAVE_CS));
	EXPECT_EQ(s->ss.selector, *save_map(self->smram, SAVE_SS));
	EXPECT_EQ(s->ds.selector, *save_map(self->smram, SAVE_DS));
	EXPECT_EQ(s->fs.selector, *save_map(self->smram, SAVE_FS));
	EXPECT_EQ(0x2b, *save_map(self->smram, SAVE_GS));
	EXPECT_EQ(0x30, *save_map(self->smram, SAVE_LDTR));
	EXPECT_EQ(s->tr.selector, *save_map(self->smram, SAVE_TR));
}

TEST_F(smm32, all_comes_back)
{
	struct kvm_debugregs debug;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	enter_smm(self);
	EXPECT_EQ(0x80000001, report(&self->cpu));
	EXPECT_EQ(0, self->cpu.run->flags & KVM_RUN_X86_SMM);
	tvcpu_get_regs(&self->cpu, &regs);
	tvcpu_get_sregs(&self->cpu, &sregs);
	EXPECT_EQ(0, memcmp(&regs, &self->regs, sizeof(regs)));
	EXPECT_EQ(0, memcmp(&sregs, &self->sregs, sizeof(sregs)));
	EXPECT_EQ(EFER_NX, sregs.efer);
	EXPECT_EQ(0x7ff, sregs.idt.limit);
	TVM_MUST(self->cpu.fd, KVM_GET_DEBUGREGS, &debug);
	EXPECT_EQ(0xffff0ff2, debug.dr6);
	EXPECT_EQ(0x700, debug.dr7);
}

TEST_F(smm32, changed_save_area)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	enter_smm(self);
	*save_map(self->smram, SAVE_EAX) = 42;
	*save_map(self->smram, SAVE_EBX) = 43;
	*save_map(self->smram, SAVE_SMBASE) = SMBASE + SMRAM_SIZE / 2;
	EXPECT_EQ(42, report(&self->cpu));
	tvcpu_get_regs(&self->cpu, &regs);
	EXPECT_EQ(43, regs.rbx);
	EXPECT_EQ(SMBASE + SMRAM_SIZE / 2, tvcpu_get_msr(&self->cpu, MSR_IA32_SMBASE));
	memcpy(self->smram + SMRAM_SIZE / 2 + 0x8000, handler, sizeof(handler));
	smi(&self->cpu);
	tvcpu_get_sregs(&self->cpu, &sregs);
	EXPECT_EQ(SMBASE + SMRAM_SIZE / 2, sregs.cs.base);
	EXPECT_EQ(42, *save_map(self->smram + SMRAM_SIZE / 2, SAVE_EAX));
	EXPECT_EQ(42, report(&self->cpu));
}

static void ignore_signal(int sig)
{
}

static void expect_halt(struct tvcpu *cpu)
{
	struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	struct sigaction action = { .sa_handler = ignore_signal };
	struct kvm_mp_state mp;

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	if (tvm_run(cpu) != -EINTR)
		tvm_die("no HLT");
	TVM_MUST(cpu->fd, KVM_GET_MP_STATE, &mp);
	if (mp.mp_state != KVM_MP_STATE_HALTED)
		tvm_die("mp_state %u: it does not halt", mp.mp_state);
}

/* After the first SMI the guest halts again; the second one's handler clears the flag. */
TEST_F(smm32, halt)
{
	special_regs(&self->cpu, g_prot_halt);
	expect_halt(&self->cpu);
	smi(&self->cpu);
	if (!tvm_is_kvm()) {
		EXPECT_EQ(1, *save_map(self->smram, SAVE_IO_RESTART) >> 16);
		expect_halt(&self->cpu);
		smi(&self->cpu);
	}
	*save_map(self->smram, SAVE_IO_RESTART) = 0;
	EXPECT_EQ(0x80000001, report(&self->cpu));
}

static void fill(uint8_t *smram, unsigned int off, unsigned int end, uint32_t value)
{
	for (; off < end; off += sizeof(value))
		*save_map(smram, off) = value;
}

/* The handler leaves a state that no CPU can be in. */
static void expect_shutdown_by_cr0(FIXTURE_DATA(smm32) *self, uint32_t cr0)
{
	enter_smm(self);
	*save_map(self->smram, SAVE_CR0) = cr0;
	tvm_expect_exit(&self->cpu, KVM_EXIT_SHUTDOWN);
}

TEST_F(smm32, paging_without_protection)
{
	expect_shutdown_by_cr0(self, X86_CR0_PG | X86_CR0_ET);
}

TEST_F(smm32, nw_without_cd)
{
	expect_shutdown_by_cr0(self, X86_CR0_NW | X86_CR0_PE | X86_CR0_ET);
}

/* CR4 is in them, wherever a hypervisor has put it. */
TEST_F(smm32, bad_reserved_parts)
{
	enter_smm(self);
	fill(self->smram, SAVE_RESERVED, SAVE_SMBASE, -1U);
	fill(self->smram, SAVE_RESERVED_2, SAVE_IO_ADDRESS, -1U);
	tvm_expect_exit(&self->cpu, KVM_EXIT_SHUTDOWN);
}

/*
 * EFER.LME, which CPUID does not offer, where EFER is saved: the map does not tell, so wherever its
 * value is. Without paging the guest would go on.
 */
TEST_F(smm32, long_mode_by_rsm)
{
	unsigned int off, found = 0;

	if (tvm_is_kvm())
		SKIP(return, "stock KVM does not save EFER");
	enter_smm(self);
	for (off = SAVE_RESERVED; off < SAVE_SMBASE; off += sizeof(uint32_t)) {
		if (*save_map(self->smram, off) != EFER_NX)
			continue;
		*save_map(self->smram, off) |= EFER_LME;
		found++;
	}
	EXPECT_GE(found, 1);
	*save_map(self->smram, SAVE_CR0) &= ~X86_CR0_PG;
	tvm_expect_exit(&self->cpu, KVM_EXIT_SHUTDOWN);
}

/* The same change of CR0 alone is no harm: the guest is mapped one to one. */
TEST_F(smm32, paging_off)
{
	enter_smm(self);
	*save_map(self->smram, SAVE_CR0) &= ~X86_CR0_PG;
	EXPECT_EQ(0x80000001, report(&self->cpu));
}

TEST_F(smm32, all_ones)
{
	enter_smm(self);
	fill(self->smram, SAVE_RESERVED, SAVE_END, -1U);
	tvm_expect_exit(&self->cpu, KVM_EXIT_SHUTDOWN);
}

TEST_HARNESS_MAIN
