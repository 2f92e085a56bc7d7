// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards when NMIs are delivered, and that waiting for that moment leaves no trace in the guest:
 * one that comes while another is handled follows right after its IRET, one in an interrupt
 * shadow after one instruction, one beside an interrupt or exception at the first instruction of
 * that handler. Flags that the guest or the VMM see never hold a trap flag of the hypervisor's, and
 * a trap flag of the guest's own works on across all of this.
 */
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define VECTOR		0x60
#define BAD_CS		0x40		/* beyond the GDT's limit or not present */
#define IN_HANDLER	50
#define DONE		9
#define FRAME_GPA	(TVM_TEST_GPA + TVM_PAGE / 2)
#define MAX_SEEN	16
/* Bochs takes the trap of TF right after VM entry, before the instruction (see guest_debug.c). */
#define TRAPS_EARLY	"this machine traps before the first instruction"

/* Events in the order in which their handlers begin */
struct seen {
	uint64_t vector, rip, rflags, cs;
};

static volatile struct seen seen[MAX_SEEN];
static volatile unsigned int nr_seen, depth, nested;
static volatile int talk, end_steps;
static void (*volatile leave)(struct g_frame *frame);

extern const char nmi_code[], nmi_steps[], nmi_flags[], nmi_iret[], nmi_stepped_iret[];
extern volatile uint64_t nmi_pushed;

/* Where NMIs hit: single-byte instructions, or one that reads the flags; then g_sync(DONE). */
asm(".pushsection .text\n"
	"nmi_flags:\n"
	"pushfq\n"
	"nop\n"
	"popq	nmi_pushed(%rip)\n"
	"jmp	nmi_done\n"
	"nmi_code:\n"
	"nmi_steps:\n"
	"nop\n"
	"nop\n"
	"nop\n"
	"nop\n"
	"nmi_done:\n"
	"movl	$0x5f0, %edx\n"
	"movl	$9, %eax\n"
	"outl	%eax, %dx\n"
	"jmp	nmi_code\n"
	/* RDI: the frame. The trap flag is up before IRET, so that the trap follows it. */
	"nmi_stepped_iret:\n"
	"movq	%rdi, %rsp\n"
	"pushfq\n"
	"orl	$0x100, (%rsp)\n"
	"popfq\n"
	"iretq\n"
	".data\n"
	".balign 8\n"
	"nmi_pushed:\n"
	".quad 0\n"
	".popsection\n");

static void leave_stepping(struct g_frame *frame)
{
	asm volatile("jmp nmi_stepped_iret" : : "D"(&frame->rip));
	__builtin_unreachable();
}

/* IRET from a page that the host takes away meanwhile. */
static void leave_from_slot(struct g_frame *frame)
{
	uint64_t *to = (uint64_t *)FRAME_GPA;

	to[0] = frame->rip;
	to[1] = frame->cs;
	to[2] = frame->rflags;
	to[3] = frame->rsp;
	to[4] = frame->ss;
	g_sync(IN_HANDLER);
	asm volatile("movq %0, %%rsp\n"
		     ".globl nmi_iret\n"
		     "nmi_iret: iretq" : : "r"(to));
	__builtin_unreachable();
}

static void leave_by_fault(struct g_frame *frame)
{
	frame->cs = BAD_CS;
}

static void note(const struct g_frame *frame)
{
	unsigned int n = nr_seen++ % MAX_SEEN;

	seen[n].vector = frame->vector;
	seen[n].rip = frame->rip;
	seen[n].rflags = frame->rflags;
	seen[n].cs = frame->cs;
}

static void on_nmi(struct g_frame *frame)
{
	void (*how)(struct g_frame *frame) = leave;

	if (depth++)
		nested++;
	note(frame);
	leave = NULL;
	if (talk) {
		talk = 0;
		g_sync(IN_HANDLER);
	}
	depth--;
	if (how)
		how(frame);
}

static void on_irq(struct g_frame *frame)
{
	note(frame);
	g_apic_eoi();
}

static void on_exception(struct g_frame *frame)
{
	note(frame);
}

/* The IRET that failed has its frame where it points to. */
static void on_gp(struct g_frame *frame)
{
	note(frame);
	((uint64_t *)frame->rsp)[1] = frame->cs;
}

static void on_db(struct g_frame *frame)
{
	note(frame);
	if (--end_steps <= 0)
		frame->rflags &= ~X86_RFLAGS_TF;
}

static void guest_begin(void)
{
	g_handlers[DB_VECTOR] = on_db;
	g_handlers[NMI_VECTOR] = on_nmi;
	g_handlers[UD_VECTOR] = on_exception;
	g_handlers[GP_VECTOR] = on_gp;
	g_handlers[VECTOR] = on_irq;
	g_apic_enable();
	g_sync(1);
}

FIXTURE(nmi) {
	struct tvm vm;
	struct tvcpu cpu;
	void *mem;
};

/* Bochs goes on masking NMIs from an earlier test's end to an IRET of this one (see smm.c). */
FIXTURE_SETUP(nmi)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_begin);
	self->mem = tvm_mem(TVM_PAGE);
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, TVM_PAGE, self->mem));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

FIXTURE_TEARDOWN(nmi)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

/* The next instruction of the guest and its flags. */
static void put_at(struct tvcpu *cpu, const char *rip, uint64_t flags)
{
	struct kvm_regs regs;

	/* completes the OUT of the last g_sync() */
	cpu->run->immediate_exit = 1;
	tvm_run(cpu);
	cpu->run->immediate_exit = 0;
	tvcpu_get_regs(cpu, &regs);
	regs.rip = (uintptr_t)rip;
	regs.rflags = flags | X86_RFLAGS_FIXED;
	regs.rsp = TVM_STACK_GPA + TVM_STACK_SIZE - 256;
	tvcpu_set_regs(cpu, &regs);
}

static void send(struct tvcpu *cpu)
{
	TVM_MUST(cpu->fd, KVM_NMI, 0);
}

static void shadow(struct tvcpu *cpu, unsigned int kind)
{
	struct kvm_vcpu_events ev;

	TVM_MUST(cpu->fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.flags |= KVM_VCPUEVENT_VALID_SHADOW;
	ev.interrupt.shadow = kind;
	TVM_MUST(cpu->fd, KVM_SET_VCPU_EVENTS, &ev);
}

#define EXPECT_SEEN(n, what, where) do {				\
	EXPECT_EQ(what, seen[n].vector);				\
	EXPECT_EQ((uintptr_t)(where), seen[n].rip);			\
	EXPECT_EQ(0, seen[n].rflags & X86_RFLAGS_TF);			\
} while (0)

TEST_F(nmi, one)
{
	put_at(&self->cpu, nmi_code, 0);
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(1, nr_seen);
	EXPECT_SEEN(0, NMI_VECTOR, nmi_code);
}

/* The second waits for the first one's IRET, and comes before the next instruction. */
TEST_F(nmi, second_after_iret)
{
	talk = 1;
	put_at(&self->cpu, nmi_code, 0);
	send(&self->cpu);
	ASSERT_EQ(IN_HANDLER, tvm_sync(&self->cpu));
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(2, nr_seen);
	EXPECT_EQ(0, nested);
	EXPECT_SEEN(0, NMI_VECTOR, nmi_code);
	EXPECT_SEEN(1, NMI_VECTOR, nmi_code);
}

/* While one is handled, one more waits, not many. */
TEST_F(nmi, third_is_lost)
{
	talk = 1;
	put_at(&self->cpu, nmi_code, 0);
	send(&self->cpu);
	ASSERT_EQ(IN_HANDLER, tvm_sync(&self->cpu));
	send(&self->cpu);
	send(&self->cpu);
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	EXPECT_EQ(2, nr_seen);
}

TEST_F(nmi, sti_shadow)
{
	put_at(&self->cpu, nmi_code, X86_RFLAGS_IF);
	shadow(&self->cpu, KVM_X86_SHADOW_INT_STI);
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(1, nr_seen);
	EXPECT_SEEN(0, NMI_VECTOR, nmi_code + 1);
}

TEST_F(nmi, mov_ss_shadow)
{
	put_at(&self->cpu, nmi_code, 0);
	shadow(&self->cpu, KVM_X86_SHADOW_INT_MOV_SS);
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(1, nr_seen);
	EXPECT_SEEN(0, NMI_VECTOR, nmi_code + 1);
}

TEST_F(nmi, shadow_over_pushf)
{
	put_at(&self->cpu, nmi_flags, 0);
	shadow(&self->cpu, KVM_X86_SHADOW_INT_MOV_SS);
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(1, nr_seen);
	EXPECT_SEEN(0, NMI_VECTOR, nmi_flags + 1);
	EXPECT_EQ(X86_RFLAGS_FIXED, nmi_pushed);
}

/* NMIs first; the interrupt right after the handler's IRET. */
TEST_F(nmi, beside_msi)
{
	struct kvm_msi msi = { .address_lo = APIC_BASE_GPA, .data = VECTOR };

	put_at(&self->cpu, nmi_code, X86_RFLAGS_IF);
	ASSERT_GT(tvm_ioctl_p(self->vm.fd, KVM_SIGNAL_MSI, &msi), 0);
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(2, nr_seen);
	EXPECT_SEEN(0, NMI_VECTOR, nmi_code);
	EXPECT_SEEN(1, VECTOR, nmi_code);
}

/* An interrupt whose delivery had begun goes first; its handler is where the NMI hits. */
TEST_F(nmi, beside_injected_interrupt)
{
	struct kvm_vcpu_events ev;

	put_at(&self->cpu, nmi_code, X86_RFLAGS_IF);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.interrupt.injected = 1;
	ev.interrupt.nr = VECTOR;
	ev.nmi.pending = 1;
	TVM_MUST(self->cpu.fd, KVM_SET_VCPU_EVENTS, &ev);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(2, nr_seen);
	EXPECT_SEEN(0, NMI_VECTOR, g_vectors + VECTOR * G_STUB_SIZE);
	EXPECT_SEEN(1, VECTOR, nmi_code);
}

TEST_F(nmi, beside_exception)
{
	struct kvm_vcpu_events ev;

	put_at(&self->cpu, nmi_code, 0);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	ev.exception.injected = 1;
	ev.exception.nr = UD_VECTOR;
	ev.nmi.pending = 1;
	TVM_MUST(self->cpu.fd, KVM_SET_VCPU_EVENTS, &ev);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(2, nr_seen);
	EXPECT_SEEN(0, NMI_VECTOR, g_vectors + UD_VECTOR * G_STUB_SIZE);
	EXPECT_SEEN(1, UD_VECTOR, nmi_code);
}

/* An IRET that faults, while an NMI waits for it */
TEST_F(nmi, iret_faults)
{
	unsigned int i, gps = 0, nmis = 0;

	talk = 1;
	leave = leave_by_fault;
	put_at(&self->cpu, nmi_code, 0);
	send(&self->cpu);
	ASSERT_EQ(IN_HANDLER, tvm_sync(&self->cpu));
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	for (i = 0; i < nr_seen && i < MAX_SEEN; i++) {
		gps += seen[i].vector == GP_VECTOR;
		nmis += seen[i].vector == NMI_VECTOR;
		EXPECT_EQ(0, seen[i].rflags & X86_RFLAGS_TF);
	}
	EXPECT_EQ(3, nr_seen);
	EXPECT_EQ(1, gps);
	EXPECT_EQ(2, nmis);
	EXPECT_EQ(0, nested);
}

/* The VMM looks while the guest is in the midst of the IRET that an NMI waits for. */
static void stop_in_iret(struct tvcpu *cpu, void *mem)
{
	leave = leave_from_slot;
	put_at(cpu, nmi_code, 0);
	send(cpu);
	if (tvm_sync(cpu) != IN_HANDLER)
		tvm_die("the NMI did not come");
	send(cpu);
	mprotect(mem, TVM_PAGE, PROT_NONE);
	if (tvm_run(cpu) != -EFAULT)
		tvm_die("IRET did not need its frame");
}

TEST_F(nmi, looked_at_in_iret)
{
	struct kvm_vcpu_events ev;
	struct kvm_regs regs;

	stop_in_iret(&self->cpu, self->mem);
	tvcpu_get_regs(&self->cpu, &regs);
	EXPECT_EQ((uintptr_t)nmi_iret, regs.rip);
	EXPECT_EQ(0, regs.rflags & (X86_RFLAGS_TF | X86_RFLAGS_RF));
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	EXPECT_EQ(1, ev.nmi.masked);
	EXPECT_EQ(1, ev.nmi.pending);
	mprotect(self->mem, TVM_PAGE, PROT_READ | PROT_WRITE);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(2, nr_seen);
	EXPECT_SEEN(1, NMI_VECTOR, nmi_code);
}

/* The VMM moves the guest elsewhere: no IRET was executed, so NMIs stay masked. */
TEST_F(nmi, moved_away_from_iret)
{
	struct kvm_vcpu_events ev;

	stop_in_iret(&self->cpu, self->mem);
	put_at(&self->cpu, nmi_code, 0);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	EXPECT_EQ(1, nr_seen);
	put_at(&self->cpu, nmi_code, 0);
	TVM_MUST(self->cpu.fd, KVM_GET_VCPU_EVENTS, &ev);
	EXPECT_EQ(1, ev.nmi.masked);
	EXPECT_EQ(1, ev.nmi.pending);
	ev.nmi.masked = 0;
	TVM_MUST(self->cpu.fd, KVM_SET_VCPU_EVENTS, &ev);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(2, nr_seen);
	EXPECT_SEEN(1, NMI_VECTOR, nmi_code);
}

static void expect_steps(struct __test_metadata *_metadata, unsigned int from)
{
	unsigned int i;

	ASSERT_EQ(from + 3, nr_seen);
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(DB_VECTOR, seen[from + i].vector);
		EXPECT_EQ((uintptr_t)nmi_steps + 1 + i, seen[from + i].rip);
		EXPECT_TRUE(seen[from + i].rflags & X86_RFLAGS_TF);
	}
}

/* IRET gives the trap flag back to a guest that steps itself. */
TEST_F(nmi, iret_to_stepping)
{
	if (tvm_host_is_intel())
		SKIP(return, TRAPS_EARLY);
	end_steps = 3;
	put_at(&self->cpu, nmi_steps, X86_RFLAGS_TF);
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	EXPECT_EQ(NMI_VECTOR, seen[0].vector);
	EXPECT_TRUE(seen[0].rflags & X86_RFLAGS_TF);
	expect_steps(_metadata, 1);
}

TEST_F(nmi, second_to_stepping)
{
	if (tvm_host_is_intel())
		SKIP(return, TRAPS_EARLY);
	end_steps = 3;
	talk = 1;
	put_at(&self->cpu, nmi_steps, X86_RFLAGS_TF);
	send(&self->cpu);
	ASSERT_EQ(IN_HANDLER, tvm_sync(&self->cpu));
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	EXPECT_EQ(NMI_VECTOR, seen[1].vector);
	EXPECT_EQ((uintptr_t)nmi_steps, seen[1].rip);
	EXPECT_TRUE(seen[1].rflags & X86_RFLAGS_TF);
	expect_steps(_metadata, 2);
}

/* The guest steps over the IRET itself: the trap is its own. */
TEST_F(nmi, stepping_over_iret)
{
	if (tvm_host_is_intel())
		SKIP(return, TRAPS_EARLY);
	leave = leave_stepping;
	put_at(&self->cpu, nmi_code, 0);
	send(&self->cpu);
	EXPECT_EQ(DONE, tvm_sync(&self->cpu));
	ASSERT_EQ(2, nr_seen);
	EXPECT_SEEN(0, NMI_VECTOR, nmi_code);
	EXPECT_SEEN(1, DB_VECTOR, nmi_code);
}

TEST_HARNESS_MAIN
