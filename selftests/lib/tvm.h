/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A test VMM in a few hundred lines, speaking the KVM ABI of <linux/kvm.h>.
 *
 *	struct tvm vm;
 *	struct tvcpu cpu;
 *
 *	tvm_create(&vm, TVM_IRQCHIP);
 *	tvcpu_create(&cpu, &vm, 0);
 *	tvcpu_long_mode(&cpu, guest_main);	// a C function of the same program
 *	value = tvm_sync(&cpu);			// runs to the guest's next g_sync()
 *
 * Guest physical memory: TVM_RAM_SIZE bytes of anonymous RAM at 0 (tables and stacks in its first
 * 256 KiB, the rest for the test), then the program's own image at its link address. Long-mode
 * guests see the first 4 GiB mapped one to one. Tests put slots of their own at TVM_TEST_GPA.
 *
 * Helpers that set a test up end the process with a message when something fails, so a test
 * only checks what it is about. Raw calls go through tvm_ioctl(), which returns -errno.
 */
#ifndef SELFTESTS_LIB_TVM_H
#define SELFTESTS_LIB_TVM_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>

#include "abi.h"
#include "x86.h"
#include "../guest/guest.h"

#define TVM_RAM_SIZE		0x300000UL
#define TVM_REAL_GPA		0x1000UL	/* real-mode code is copied here */
#define TVM_GDT_GPA		0x10000UL
#define TVM_IDT_GPA		0x11000UL
#define TVM_TSS_GPA		0x12000UL
#define TVM_PGT_GPA		0x20000UL	/* PML4, PDPT, four page directories */
#define TVM_STACK_GPA		0x30000UL	/* 16 KiB for each of 4 vCPUs, growing down */
#define TVM_STACK_SIZE		0x4000UL
#define TVM_FREE_GPA		0x100000UL	/* from here RAM is the test's */
#define TVM_TEST_GPA		0x10000000UL	/* slots a test adds go here */
#define TVM_HOLE_GPA		0xd0000000UL	/* nothing is ever mapped here: MMIO */

#define TVM_SLOT_RAM		0
#define TVM_SLOT_IMAGE		1
#define TVM_SLOT_TEST		2		/* first slot id free for the test */

#define TVM_PAGE		4096UL

/* Flags of tvm_create() */
#define TVM_IRQCHIP		0x1	/* KVM_CREATE_IRQCHIP */
#define TVM_PIT			0x2	/* KVM_CREATE_PIT2 with port 0x61, implies TVM_IRQCHIP */
#define TVM_BARE		0x4	/* no memory slots */

struct tvm {
	int dev;
	int fd;
	size_t run_size;
	uint8_t *ram;
};

struct tvcpu {
	struct tvm *vm;
	int fd;
	int id;
	struct kvm_run *run;
};

/* KVM_GET_SUPPORTED_CPUID and its like: a header and room for entries */
struct tvm_cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entry[256];
};

/* tvm.c: device, VM, vCPU, memory */

/**
 * tvm_die() - end the test program with a message and a failing status
 * @fmt: printf format of the message
 */
void tvm_die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/** tvm_device() - Path of the device under test */
const char *tvm_device(void);

/** tvm_is_kvm() - Is this stock KVM, which some documented limits of Vellum do not bind? */
int tvm_is_kvm(void);

/** tvm_host_is_intel() - Does the machine have VT-x rather than AMD-V? */
int tvm_host_is_intel(void);

/** tvm_host_msr() - Reads an MSR of the machine; 0, or -errno: -EIO if the CPU lacks it */
int tvm_host_msr(uint32_t msr, uint64_t *value);

/** tvm_open() - Opens the device; a device that is not there fails the test, it never skips */
int tvm_open(void);

/** tvm_ioctl() - ioctl(2) that returns -errno; @arg is a pointer or an integer */
long tvm_ioctl(int fd, unsigned long req, unsigned long arg);
#define tvm_ioctl_p(fd, req, ptr)	tvm_ioctl(fd, req, (unsigned long)(ptr))

/** tvm_must() - ioctl(2) that ends the test when it fails */
long tvm_must(int fd, unsigned long req, unsigned long arg, const char *what);
#define TVM_MUST(fd, req, arg)	tvm_must(fd, req, (unsigned long)(arg), #req)

/** tvm_cap() - KVM_CHECK_EXTENSION on the system fd */
long tvm_cap(struct tvm *vm, unsigned long cap);

void tvm_create(struct tvm *vm, unsigned int flags);
/** tvm_create_type() - tvm_create() of another KVM_CREATE_VM type */
void tvm_create_type(struct tvm *vm, unsigned long type, unsigned int flags);
void tvm_destroy(struct tvm *vm);

/** tvm_slot() - KVM_SET_USER_MEMORY_REGION; returns 0 or -errno */
long tvm_slot(struct tvm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
	      const void *hva);

/** tvm_stat() - The value of a counter, which there must be, in a file of KVM_GET_STATS_FD */
uint64_t tvm_stat(int fd, const char *name);

/** tvm_mem() - Anonymous zeroed host memory */
void *tvm_mem(size_t size);

/** tvm_uffd() - A userfaultfd that is told of each missing page of @mem. @flags: O_NONBLOCK or 0 */
int tvm_uffd(void *mem, size_t size, int flags);

void tvcpu_create(struct tvcpu *cpu, struct tvm *vm, int id);
void tvcpu_destroy(struct tvcpu *cpu);

/** tvm_supported_cpuid() - Fills @cpuid from KVM_GET_SUPPORTED_CPUID */
void tvm_supported_cpuid(struct tvm *vm, struct tvm_cpuid *cpuid);
/** tvm_cpuid_find() - The entry of a leaf, or NULL */
struct kvm_cpuid_entry2 *tvm_cpuid_find(struct tvm_cpuid *cpuid, uint32_t leaf, uint32_t index);

/* state.c: the mode a guest starts in */

void tvcpu_get_sregs(struct tvcpu *cpu, struct kvm_sregs *sregs);
void tvcpu_set_sregs(struct tvcpu *cpu, const struct kvm_sregs *sregs);
void tvcpu_get_regs(struct tvcpu *cpu, struct kvm_regs *regs);
void tvcpu_set_regs(struct tvcpu *cpu, const struct kvm_regs *regs);

/** tvcpu_long_mode() - 64-bit guest, 4 GiB identity mapped, IDT loaded, interrupts off */
void tvcpu_long_mode(struct tvcpu *cpu, void (*entry)(void));
/** tvcpu_user_mode() - From long mode to CPL 3: ports are allowed, exceptions find a stack */
void tvcpu_user_mode(struct tvcpu *cpu);
/** tvcpu_prot_mode() - Flat 32-bit guest without paging, at @entry (an address in the image) */
void tvcpu_prot_mode(struct tvcpu *cpu, const void *entry);
/** tvcpu_real_mode() - Copies @code to TVM_REAL_GPA and starts it there in real mode */
void tvcpu_real_mode(struct tvcpu *cpu, const void *code, size_t size);
/** tvm_start() - A VM with vCPU 0 at @entry in long mode: what most tests begin with */
void tvm_start(struct tvm *vm, struct tvcpu *cpu, unsigned int flags, void (*entry)(void));
/** tvm_long_tables() - Writes the GDT, IDT and page tables tvcpu_long_mode() uses */
void tvm_long_tables(struct tvm *vm);

uint64_t tvcpu_get_msr(struct tvcpu *cpu, uint32_t msr);
/** tvcpu_msr() - KVM_SET_MSRS of one MSR; returns how many were set (0 or 1) or -errno */
long tvcpu_msr(struct tvcpu *cpu, uint32_t msr, uint64_t val);

/* run.c: running it */

/** tvm_run() - One KVM_RUN; returns the exit reason or -errno */
long tvm_run(struct tvcpu *cpu);

/**
 * tvm_sync() - Run until the guest's next g_sync()
 * @cpu: the vCPU
 *
 * Ends the test on a failed G_ASSERT, on an unexpected exception and on any other exit.
 *
 * Return: the value the guest passed.
 */
uint32_t tvm_sync(struct tvcpu *cpu);

/** tvm_expect_exit() - Run once; end the test unless the exit is @reason */
void tvm_expect_exit(struct tvcpu *cpu, uint32_t reason);

/** tvm_expect_mmio() - Run once; end the test unless the exit is this MMIO access */
void tvm_expect_mmio(struct tvcpu *cpu, uint64_t gpa, unsigned int len, int is_write);

/** tvm_count_exits() - Run to the next g_sync(); how many PIO and MMIO exits came before it */
unsigned int tvm_count_exits(struct tvcpu *cpu);

/** tvcpu_counter() - The value of a counter of KVM_GET_STATS_FD; ends the test if there is none */
uint64_t tvcpu_counter(struct tvcpu *cpu, const char *name);

/** tvm_io_data() - The data of the KVM_EXIT_IO in the run page */
void *tvm_io_data(struct tvcpu *cpu);

/** tvm_dump() - Prints the exit and the registers as TAP comments */
void tvm_dump(struct tvcpu *cpu);

#endif
