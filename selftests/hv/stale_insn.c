// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards that an exit acts on the instruction that exited, and on no other that stands there by the
 * time it is decoded: an application whose SMSW, which may exit at CPL 3, becomes a MOV to CR0
 * meanwhile does not change CR0. What stands there depends on who looks: the CPU by its TLB, the
 * hypervisor by the page tables.
 */
#include "kselftest_harness.h"
#include "tvm.h"

#define ROUNDS		10
#define ALIAS		0x20000000UL	/* 2 MiB that show the first or the second 2 MiB of RAM */
#define SECOND		0x200000UL
#define CODE		0x80000UL	/* in both of them */
#define PDE(la)		(((volatile uint64_t *)(TVM_PGT_GPA + 2 * TVM_PAGE))[(la) >> 21])
#define PDE_FLAGS	(PTE_P | PTE_W | PTE_U | PTE_PS)
#define RET_AT		3		/* in both pieces of code */
#define RETURNED	1
#define REFUSED		2

/* smsw %eax; ret */
static const uint8_t smsw[] = { 0x0f, 0x01, 0xe0, 0xc3 };
/* mov %rax, %cr0; ret */
static const uint8_t mov_cr0[] = { 0x0f, 0x22, 0xc0, 0xc3 };

static volatile uint64_t new_cr0;

static void on_gp(struct g_frame *frame)
{
	g_sync(REFUSED);
}

/* At CPL 3, to which the page tables are open. */
static void guest_user(void)
{
	uint64_t cr0 = new_cr0;

	PDE(ALIAS) = PDE_FLAGS;
	asm volatile("call *%0" : : "r"(ALIAS + CODE + RET_AT) : "memory");
	PDE(ALIAS) = SECOND | PDE_FLAGS;
	asm volatile("call *%1" : "+a"(cr0) : "r"(ALIAS + CODE) : "memory");
	g_sync(RETURNED);
}

TEST(cr0_of_an_application)
{
	struct kvm_sregs sregs;
	struct tvcpu cpu;
	struct tvm vm;
	uint32_t end;
	int i;

	tvm_start(&vm, &cpu, 0, guest_user);
	memcpy(vm.ram + CODE, smsw, sizeof(smsw));
	memcpy(vm.ram + SECOND + CODE, mov_cr0, sizeof(mov_cr0));
	g_handlers[GP_VECTOR] = on_gp;
	/* An interrupt of the host between the two calls may empty the TLB: more than once. */
	for (i = 0; i < ROUNDS; i++) {
		tvcpu_long_mode(&cpu, guest_user);
		tvcpu_get_sregs(&cpu, &sregs);
		new_cr0 = sregs.cr0 ^ X86_CR0_MP;
		tvcpu_user_mode(&cpu);
		end = tvm_sync(&cpu);
		EXPECT_TRUE(end == RETURNED || end == REFUSED);
		tvcpu_get_sregs(&cpu, &sregs);
		EXPECT_EQ(new_cr0 ^ X86_CR0_MP, sregs.cr0);
	}
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

TEST_HARNESS_MAIN
