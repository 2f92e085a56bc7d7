// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest RAM.
 *
 * Without --mem-path it is private anonymous memory, not a memfd: stock kernels give transparent
 * huge pages to anonymous memory only, and one 2 MiB fault replaces 512 second-level faults. With
 * --mem-path it is an unlinked file in that directory (hugetlbfs, tmpfs, vellumfs), mapped shared.
 */
#include "vm/ram.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "boot/layout.h"

#define RAM_ALIGN	(2 * MIB)

enum { SLOT_LOW, SLOT_HIGH };

/* Reserve address space with room to align, so that huge pages line up in guest and host. */
static u8 *ram_reserve(u64 size, u64 align)
{
	void *area;
	u64 start;

	area = mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (area == MAP_FAILED)
		return NULL;
	start = align_up((u64)(uintptr_t)area, align);
	munmap(area, start - (u64)(uintptr_t)area);
	munmap((u8 *)(uintptr_t)(start + size), align - (start - (u64)(uintptr_t)area));
	return (u8 *)(uintptr_t)start;
}

/* What a file's mapping begins and ends at: hugetlbfs may have pages of 1 GiB, and maps no less. */
static u64 ram_page_size(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) || fs.f_type != HUGETLBFS_MAGIC || (u64)fs.f_bsize < RAM_ALIGN)
		return RAM_ALIGN;
	return (u64)fs.f_bsize;
}

/* Touching a page the filesystem cannot back is a SIGBUS later: say it now when it can be known. */
static int ram_check_space(const char *dir, int fd, u64 size, struct error *err)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) || !fs.f_blocks || !fs.f_bsize)
		return 0;
	if (size > (u64)fs.f_bavail * (u64)fs.f_bsize)
		return error_set(err, STATUS_OS,
				 "--mem-path %s: only %llu MiB are free (lower --mem or make room)",
				 dir, (u64)fs.f_bavail * (u64)fs.f_bsize / MIB);
	return 0;
}

/* Not every filesystem has unnamed files: then one that loses its name at once. */
static int ram_open_unnamed(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	char *name;

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	if (asprintf(&name, "%s/vellum-ram-XXXXXX", dir) < 0)
		return -1;
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	free(name);
	return fd;
}

/* @size and @align become what the file's pages ask for. */
static int ram_open_file(const char *dir, u64 *size, u64 *align, struct error *err)
{
	int fd = ram_open_unnamed(dir);

	if (fd < 0)
		return error_set(err, STATUS_NOINPUT,
				 "--mem-path %s: %s (name a writable directory)", dir,
				 strerror(errno));
	*align = ram_page_size(fd);
	*size = align_up(*size, *align);
	if (ram_check_space(dir, fd, *size, err)) {
		close(fd);
		return -1;
	}
	if (ftruncate(fd, (off_t)*size)) {
		error_set(err, STATUS_OS, "--mem-path %s: %s (lower --mem)", dir, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/**
 * ram_create() - allocate guest RAM
 * @ram: filled in; ram_destroy() is harmless even after an error
 * @size: bytes, a multiple of 2 MiB; what is left of a page of @mem_path is RAM, too
 * @mem_path: directory for a backing file, or NULL for anonymous memory
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int ram_create(struct guest_ram *ram, u64 size, const char *mem_path, struct error *err)
{
	int flags = MAP_FIXED | MAP_NORESERVE;
	u64 align = RAM_ALIGN;
	int fd = -1;
	u8 *at;

	memset(ram, 0, sizeof(*ram));
	if (mem_path) {
		fd = ram_open_file(mem_path, &size, &align, err);
		if (fd < 0)
			return -1;
		flags |= MAP_SHARED;
	} else {
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	}
	at = ram_reserve(size, align);
	if (at && mmap(at, size, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED) {
		munmap(at, size);
		at = NULL;
	}
	if (fd >= 0)
		close(fd);
	if (!at)
		return error_set(err, STATUS_OS, "--mem %lluM: %s (lower --mem)", size / MIB,
				 strerror(errno));
	ram->host = at;
	ram->size = size;
	ram->low = min_u64(size, LAYOUT_LOW_MAX);
	/* Both are wishes: a kernel without huge pages runs guests too. */
	(void)madvise(at, size, MADV_HUGEPAGE);
	(void)madvise(at, size, MADV_DONTDUMP);
	return 0;
}

/**
 * ram_merge() - let the host's KSM merge equal pages of guest RAM
 * @ram: private anonymous memory
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int ram_merge(const struct guest_ram *ram, struct error *err)
{
	if (madvise(ram->host, ram->size, MADV_MERGEABLE))
		return error_set(err, STATUS_OS,
				 "--mem-merge: %s (the host's kernel needs CONFIG_KSM)",
				 strerror(errno));
	return 0;
}

static int ram_set_slot(const struct kvm *kvm, u32 slot, u64 gpa, u8 *host, u64 size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (u64)(uintptr_t)host,
	};

	return ioctl(kvm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

int ram_attach(const struct guest_ram *ram, const struct kvm *kvm, struct error *err)
{
	if (ram_set_slot(kvm, SLOT_LOW, 0, ram->host, ram->low))
		return kvm_fail(kvm, "KVM_SET_USER_MEMORY_REGION", err);
	if (ram->size > ram->low &&
	    ram_set_slot(kvm, SLOT_HIGH, LAYOUT_4G, ram->host + ram->low, ram->size - ram->low))
		return kvm_fail(kvm, "KVM_SET_USER_MEMORY_REGION", err);
	return 0;
}

void ram_destroy(struct guest_ram *ram)
{
	if (ram->host)
		munmap(ram->host, ram->size);
	ram->host = NULL;
}

/**
 * ram_ptr() - where a range of guest physical memory lies in the launcher
 * @ram: guest RAM
 * @gpa: first byte, chosen by the guest
 * @len: bytes, chosen by the guest
 *
 * Return: host address, or NULL unless every byte of the range is RAM.
 */
void *ram_ptr(const struct guest_ram *ram, u64 gpa, u64 len)
{
	u64 base = 0, offset = 0, size = ram->low;

	if (gpa >= LAYOUT_4G) {
		base = LAYOUT_4G;
		offset = ram->low;
		size = ram->size - ram->low;
	}
	if (gpa - base >= size || len > size - (gpa - base))
		return NULL;
	return ram->host + offset + (gpa - base);
}

/* The first address above all RAM. */
u64 ram_end(const struct guest_ram *ram)
{
	return ram->size > ram->low ? LAYOUT_4G + ram->size - ram->low : ram->low;
}
