// SPDX-License-Identifier: GPL-2.0-only
/* Device, VM, vCPU and memory: see tvm.h. */
#include <cpuid.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "tvm.h"

/* Bounds of the program in memory, from the linker: non-PIE, so guest and host addresses agree. */
extern char __executable_start[], _end[];

void tvm_die(const char *fmt, ...)
{
	va_list ap;

	printf("# ");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

const char *tvm_device(void)
{
	const char *path = getenv("VELLUM_DEVICE");

	return path && *path ? path : "/dev/vellum";
}

int tvm_is_kvm(void)
{
	return !strcmp(tvm_device(), "/dev/kvm");
}

int tvm_host_is_intel(void)
{
	unsigned int eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	return ebx == signature_INTEL_ebx;
}

int tvm_host_msr(uint32_t msr, uint64_t *value)
{
	int fd, ret = 0;

	/* the device may be there without it */
	if (system("modprobe msr 2>/dev/null") == -1)
		return -errno;
	fd = open("/dev/cpu/0/msr", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (pread(fd, value, sizeof(*value), msr) != sizeof(*value))
		ret = -errno;
	close(fd);
	return ret;
}

int tvm_open(void)
{
	int fd = open(tvm_device(), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		tvm_die("%s: %s", tvm_device(), strerror(errno));
	return fd;
}

long tvm_ioctl(int fd, unsigned long req, unsigned long arg)
{
	long ret = ioctl(fd, req, arg);

	return ret < 0 ? -errno : ret;
}

long tvm_must(int fd, unsigned long req, unsigned long arg, const char *what)
{
	long ret = tvm_ioctl(fd, req, arg);

	if (ret < 0)
		tvm_die("%s: %s", what, strerror(-ret));
	return ret;
}

long tvm_cap(struct tvm *vm, unsigned long cap)
{
	return tvm_ioctl(vm->dev, KVM_CHECK_EXTENSION, cap);
}

uint64_t tvm_stat(int fd, const char *name)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc *desc;
	uint64_t value = 0;
	bool found = false;
	size_t size;
	uint32_t i;

	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		tvm_die("no header");
	size = sizeof(*desc) + head.name_size;
	desc = malloc(size);
	for (i = 0; desc && i < head.num_desc && !found; i++) {
		if (pread(fd, desc, size, head.desc_offset + i * size) != (ssize_t)size)
			break;
		found = !strcmp(desc->name, name);
	}
	if (!found || pread(fd, &value, sizeof(value), head.data_offset + desc->offset) !=
	    sizeof(value))
		tvm_die("no counter %s", name);
	free(desc);
	return value;
}

void *tvm_mem(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		tvm_die("mmap of %zu bytes: %s", size, strerror(errno));
	return mem;
}

int tvm_uffd(void *mem, size_t size, int flags)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)mem, .len = size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | flags);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		tvm_die("userfaultfd: %s", strerror(errno));
	return fd;
}

long tvm_slot(struct tvm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint64_t size,
	      const void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)hva,
	};

	return tvm_ioctl_p(vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* Maps the program itself into the guest, so that guest code is plain C of the same program. */
static void tvm_map_image(struct tvm *vm)
{
	uintptr_t start = (uintptr_t)__executable_start & -TVM_PAGE;
	uintptr_t end = ((uintptr_t)_end + TVM_PAGE - 1) & -TVM_PAGE;
	long ret;

	if (start < TVM_RAM_SIZE || end > TVM_TEST_GPA)
		tvm_die("the program is linked at %#lx-%#lx", start, end);
	ret = tvm_slot(vm, TVM_SLOT_IMAGE, 0, start, end - start, (void *)start);
	if (ret)
		tvm_die("memory slot of the program image: %s", strerror(-ret));
}

void tvm_create_type(struct tvm *vm, unsigned long type, unsigned int flags)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	long ret;

	memset(vm, 0, sizeof(*vm));
	vm->dev = tvm_open();
	vm->fd = TVM_MUST(vm->dev, KVM_CREATE_VM, type);
	vm->run_size = TVM_MUST(vm->dev, KVM_GET_VCPU_MMAP_SIZE, 0);
	/* VT-x machines without unrestricted guest want both; the others ignore them. */
	tvm_ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000);
	if (flags & (TVM_IRQCHIP | TVM_PIT))
		TVM_MUST(vm->fd, KVM_CREATE_IRQCHIP, 0);
	if (flags & TVM_PIT)
		TVM_MUST(vm->fd, KVM_CREATE_PIT2, &pit);
	if (flags & TVM_BARE)
		return;
	vm->ram = tvm_mem(TVM_RAM_SIZE);
	ret = tvm_slot(vm, TVM_SLOT_RAM, 0, 0, TVM_RAM_SIZE, vm->ram);
	if (ret)
		tvm_die("memory slot of the RAM: %s", strerror(-ret));
	tvm_map_image(vm);
	tvm_long_tables(vm);
}

void tvm_create(struct tvm *vm, unsigned int flags)
{
	tvm_create_type(vm, 0, flags);
}

void tvm_destroy(struct tvm *vm)
{
	close(vm->fd);
	close(vm->dev);
	if (vm->ram)
		munmap(vm->ram, TVM_RAM_SIZE);
}

void tvm_supported_cpuid(struct tvm *vm, struct tvm_cpuid *cpuid)
{
	memset(cpuid, 0, sizeof(*cpuid));
	cpuid->head.nent = sizeof(cpuid->entry) / sizeof(cpuid->entry[0]);
	TVM_MUST(vm->dev, KVM_GET_SUPPORTED_CPUID, cpuid);
}

struct kvm_cpuid_entry2 *tvm_cpuid_find(struct tvm_cpuid *cpuid, uint32_t leaf, uint32_t index)
{
	uint32_t i;

	for (i = 0; i < cpuid->head.nent; i++)
		if (cpuid->entry[i].function == leaf && cpuid->entry[i].index == index)
			return &cpuid->entry[i];
	return NULL;
}

void tvcpu_create(struct tvcpu *cpu, struct tvm *vm, int id)
{
	static struct tvm_cpuid cpuid;

	cpu->vm = vm;
	cpu->id = id;
	cpu->fd = TVM_MUST(vm->fd, KVM_CREATE_VCPU, id);
	cpu->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED)
		tvm_die("mmap of the run page: %s", strerror(errno));
	tvm_supported_cpuid(vm, &cpuid);
	TVM_MUST(cpu->fd, KVM_SET_CPUID2, &cpuid);
}

void tvcpu_destroy(struct tvcpu *cpu)
{
	munmap(cpu->run, cpu->vm->run_size);
	close(cpu->fd);
}
