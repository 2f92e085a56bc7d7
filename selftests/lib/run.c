// SPDX-License-Identifier: GPL-2.0-only
/* Running a vCPU and understanding what the guest says through its ports. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tvm.h"

long tvm_run(struct tvcpu *cpu)
{
	long ret = tvm_ioctl(cpu->fd, KVM_RUN, 0);

	return ret < 0 ? ret : (long)cpu->run->exit_reason;
}

void *tvm_io_data(struct tvcpu *cpu)
{
	return (uint8_t *)cpu->run + cpu->run->io.data_offset;
}

static void dump_reason(const struct kvm_run *run)
{
	uint32_t i;

	printf("# exit_reason %u", run->exit_reason);
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		printf(" io %s port %#x size %u count %u", run->io.direction ? "out" : "in",
		       run->io.port, run->io.size, run->io.count);
		break;
	case KVM_EXIT_MMIO:
		printf(" mmio %s %#llx len %u", run->mmio.is_write ? "write" : "read",
		       run->mmio.phys_addr, run->mmio.len);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		printf(" fail entry reason %#llx",
		       run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		printf(" internal error %u:", run->internal.suberror);
		for (i = 0; i < run->internal.ndata && i < 16; i++)
			printf(" %llx", run->internal.data[i]);
		break;
	}
	printf("\n");
}

void tvm_dump(struct tvcpu *cpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	dump_reason(cpu->run);
	fflush(stdout);
	if (tvm_ioctl_p(cpu->fd, KVM_GET_REGS, &regs) ||
	    tvm_ioctl_p(cpu->fd, KVM_GET_SREGS, &sregs))
		return;
	printf("# rip %llx rsp %llx rflags %llx rax %llx rcx %llx rdx %llx\n", regs.rip, regs.rsp,
	       regs.rflags, regs.rax, regs.rcx, regs.rdx);
	printf("# cs %x:%llx cr0 %llx cr2 %llx cr3 %llx cr4 %llx efer %llx\n", sregs.cs.selector,
	       sregs.cs.base, sregs.cr0, sregs.cr2, sregs.cr3, sregs.cr4, sregs.efer);
	fflush(stdout);
}

/* An OUT of 4 bytes to one of the guest's ports: its value in @val */
static int guest_says(struct tvcpu *cpu, uint16_t port, uint32_t *val)
{
	struct kvm_run *run = cpu->run;

	if (run->exit_reason != KVM_EXIT_IO || run->io.direction != KVM_EXIT_IO_OUT ||
	    run->io.port != port || run->io.size != 4 || run->io.count != 1)
		return 0;
	memcpy(val, tvm_io_data(cpu), sizeof(*val));
	return 1;
}

uint32_t tvm_sync(struct tvcpu *cpu)
{
	long ret = tvm_run(cpu);
	uint32_t val;

	if (ret < 0)
		tvm_die("KVM_RUN: %s", strerror(-ret));
	if (guest_says(cpu, G_PORT_SYNC, &val))
		return val;
	if (guest_says(cpu, G_PORT_ASSERT, &val))
		tvm_die("the guest's G_ASSERT in line %u failed", val);
	if (guest_says(cpu, G_PORT_FAULT, &val))
		tvm_die("guest exception %u error %#lx at rip %#lx cr2 %#lx", val,
			(unsigned long)g_fault.error, (unsigned long)g_fault.rip,
			(unsigned long)g_fault_cr2);
	tvm_dump(cpu);
	tvm_die("vCPU %d: not the g_sync() that was expected", cpu->id);
}

void tvm_expect_exit(struct tvcpu *cpu, uint32_t reason)
{
	long ret = tvm_run(cpu);

	if (ret < 0)
		tvm_die("KVM_RUN: %s, not exit %u", strerror(-ret), reason);
	if (ret == reason)
		return;
	tvm_dump(cpu);
	tvm_die("vCPU %d: exit %ld, not %u", cpu->id, ret, reason);
}

void tvm_expect_mmio(struct tvcpu *cpu, uint64_t gpa, unsigned int len, int is_write)
{
	tvm_expect_exit(cpu, KVM_EXIT_MMIO);
	if (cpu->run->mmio.phys_addr == gpa && cpu->run->mmio.len == len &&
	    cpu->run->mmio.is_write == is_write)
		return;
	tvm_dump(cpu);
	tvm_die("expected %s of %u at %#lx", is_write ? "write" : "read", len, gpa);
}

unsigned int tvm_count_exits(struct tvcpu *cpu)
{
	unsigned int n;

	for (n = 0; n < 1000; n++) {
		long ret = tvm_run(cpu);

		if (ret == KVM_EXIT_IO && cpu->run->io.port == G_PORT_SYNC)
			return n;
		if (ret != KVM_EXIT_IO && ret != KVM_EXIT_MMIO) {
			tvm_dump(cpu);
			tvm_die("exit %ld", ret);
		}
	}
	tvm_die("the guest did not reach its g_sync()");
}

uint64_t tvcpu_counter(struct tvcpu *cpu, const char *name)
{
	int fd = TVM_MUST(cpu->fd, KVM_GET_STATS_FD, 0);
	uint64_t value = tvm_stat(fd, name);

	close(fd);
	return value;
}
