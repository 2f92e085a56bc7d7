// SPDX-License-Identifier: GPL-2.0-only
/* Opening a hypervisor and creating a VM with the whole irqchip in the kernel. */
#include "vm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot/layout.h"

/* A capability without which "vellum run" cannot work. */
struct kvm_need {
	unsigned int cap;
	const char *name;
};

static const struct kvm_need kvm_needs[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

/**
 * kvm_fail() - describe the failure of an ioctl or open on the hypervisor
 * @kvm: the hypervisor
 * @what: the call that failed, with errno still set
 * @err: filled in
 *
 * Return: -1.
 */
int kvm_fail(const struct kvm *kvm, const char *what, struct error *err)
{
	switch (errno) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return error_set(err, STATUS_UNAVAILABLE,
				 "--device %s: no such hypervisor (load its module, or name another with --device)",
				 kvm->path);
	case EACCES:
	case EPERM:
		return error_set(err, STATUS_NOPERM,
				 "--device %s: %s (become root or join the group that owns the device)",
				 kvm->path, strerror(errno));
	case EBUSY:
		return error_set(err, STATUS_UNAVAILABLE,
				 "--device %s: another hypervisor holds the CPU (unload it, for example kvm_intel)",
				 kvm->path);
	case ENOMEM:
		return error_set(err, STATUS_OS, "--device %s: %s: out of memory (free some)",
				 kvm->path, what);
	default:
		return error_set(err, STATUS_UNAVAILABLE, "--device %s: %s: %s", kvm->path, what,
				 strerror(errno));
	}
}

/* Extension values are per VM where a VM exists, as the KVM documentation recommends. */
int kvm_cap(const struct kvm *kvm, unsigned int cap)
{
	int fd = kvm->vm_fd >= 0 ? kvm->vm_fd : kvm->dev_fd;
	int r = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	return r < 0 ? 0 : r;
}

static int kvm_identify(struct kvm *kvm, struct error *err)
{
	int version = ioctl(kvm->dev_fd, KVM_GET_API_VERSION, 0);
	int size;

	if (version != KVM_API_VERSION)
		return error_set(err, STATUS_UNAVAILABLE,
				 "--device %s: not a hypervisor (use /dev/vellum or /dev/kvm)",
				 kvm->path);
	size = ioctl(kvm->dev_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(struct kvm_run))
		return error_set(err, STATUS_UNAVAILABLE,
				 "--device %s: vCPU run area of %d bytes is too small (update the module)",
				 kvm->path, size);
	kvm->run_size = (size_t)size;
	kvm->max_vcpus = (u32)kvm_cap(kvm, KVM_CAP_MAX_VCPUS);
	if (!kvm->max_vcpus)
		kvm->max_vcpus = (u32)kvm_cap(kvm, KVM_CAP_NR_VCPUS);
	return 0;
}

/**
 * kvm_open() - open a hypervisor device
 * @kvm: filled in; kvm_close() is harmless even after an error
 * @path: device, kept by reference
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int kvm_open(struct kvm *kvm, const char *path, struct error *err)
{
	struct stat st;

	memset(kvm, 0, sizeof(*kvm));
	kvm->path = path;
	kvm->vm_fd = -1;
	kvm->dev_fd = -1;
	/* Look before opening: opening a tape or a FIFO by mistake has side effects. */
	if (stat(path, &st))
		return kvm_fail(kvm, "stat", err);
	if (!S_ISCHR(st.st_mode)) {
		return error_set(err, STATUS_UNAVAILABLE,
				 "--device %s: not a device (use /dev/vellum or /dev/kvm)", path);
	}
	kvm->dev_fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (kvm->dev_fd < 0)
		return kvm_fail(kvm, "open", err);
	return kvm_identify(kvm, err);
}

static int kvm_check_needs(const struct kvm *kvm, struct error *err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kvm_needs); i++)
		if (!kvm_cap(kvm, kvm_needs[i].cap))
			return error_set(err, STATUS_UNAVAILABLE,
					 "--device %s: lacks %s (update the module)", kvm->path,
					 kvm_needs[i].name);
	return 0;
}

/* VT-x without unrestricted guest keeps a TSS and a page table in guest space. */
static int kvm_set_vmx_pages(const struct kvm *kvm, struct error *err)
{
	__u64 identity_map = LAYOUT_IDENTITY_MAP;

	if (kvm_cap(kvm, KVM_CAP_SET_IDENTITY_MAP_ADDR) &&
	    ioctl(kvm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map))
		return kvm_fail(kvm, "KVM_SET_IDENTITY_MAP_ADDR", err);
	if (kvm_cap(kvm, KVM_CAP_SET_TSS_ADDR) &&
	    ioctl(kvm->vm_fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_TSS))
		return kvm_fail(kvm, "KVM_SET_TSS_ADDR", err);
	return 0;
}

/**
 * kvm_create_vm() - create the VM, its interrupt controllers and its timer
 * @kvm: an open hypervisor
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int kvm_create_vm(struct kvm *kvm, struct error *err)
{
	/* The dummy speaker answers port 0x61, which kernels use to time the TSC by the PIT. */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	kvm->vm_fd = ioctl(kvm->dev_fd, KVM_CREATE_VM, 0);
	if (kvm->vm_fd < 0)
		return kvm_fail(kvm, "KVM_CREATE_VM", err);
	if (kvm_check_needs(kvm, err) || kvm_set_vmx_pages(kvm, err))
		return -1;
	if (ioctl(kvm->vm_fd, KVM_CREATE_IRQCHIP, 0))
		return kvm_fail(kvm, "KVM_CREATE_IRQCHIP", err);
	if (ioctl(kvm->vm_fd, KVM_CREATE_PIT2, &pit))
		return kvm_fail(kvm, "KVM_CREATE_PIT2", err);
	return 0;
}

void kvm_close(struct kvm *kvm)
{
	if (kvm->vm_fd >= 0)
		close(kvm->vm_fd);
	if (kvm->dev_fd >= 0)
		close(kvm->dev_fd);
	kvm->vm_fd = -1;
	kvm->dev_fd = -1;
}
