// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_GET_STATS_FD: the counters of a VM or vCPU as a file for programs.
 *
 * The file is header, id string, descriptors and values, in that order. Each read
 * makes all of it anew, which is little, and copies what was asked for; so values
 * read at once belong to about one moment.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "core/stats.h"
#include "core/vcpu.h"
#include "core/vm.h"

#define NAME_SIZE	48	/* bytes, of the id and of each counter's name */

/** struct stats_file - what a descriptor from KVM_GET_STATS_FD stands for */
struct stats_file {
	struct hv_vm *vm;		/* a reference */
	const void *object;		/* the VM or one of its vCPUs */
	const struct hv_counter *counters;
	unsigned int nr;
	u32 flags;			/* KVM_STATS_*, of all of them */
	u64 (*read)(const void *object, size_t offset);
	char id[NAME_SIZE];
};

#define CUMULATIVE	(KVM_STATS_TYPE_CUMULATIVE | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)
#define INSTANT		(KVM_STATS_TYPE_INSTANT | KVM_STATS_UNIT_NONE | KVM_STATS_BASE_POW10)

static u64 vcpu_read(const void *vcpu, size_t offset)
{
	return READ_ONCE(*(const u64 *)(vcpu + offset));
}

static const struct hv_counter vm_counters[] = {
	{ "pages_4k", offsetof(struct hv_vm, tdp.pages_4k) },
	{ "pages_2m", offsetof(struct hv_vm, tdp.pages_2m) },
	{ "pages_1g", offsetof(struct hv_vm, tdp.pages_1g) },
	{ "tdp_tables", offsetof(struct hv_vm, tdp.tables) },
	{ "vcpus", offsetof(struct hv_vm, nr_vcpus) },
};

static u64 vm_read(const void *vm, size_t offset)
{
	if (offset == offsetof(struct hv_vm, nr_vcpus))
		return hv_vm_nr_vcpus(vm);
	return atomic64_read((const atomic64_t *)(vm + offset));
}

/* struct kvm_stats_desc with our size of the name, for which each kernel has its own. */
struct named_desc {
	u32 flags;
	s16 exponent;
	u16 size;
	u32 offset;
	u32 bucket_size;
	char name[NAME_SIZE];
};

static struct kvm_stats_header header_of(const struct stats_file *stats)
{
	struct kvm_stats_header header = {
		.name_size = NAME_SIZE,
		.num_desc = stats->nr,
		.id_offset = sizeof(header),
	};

	header.desc_offset = header.id_offset + NAME_SIZE;
	header.data_offset = header.desc_offset + stats->nr * sizeof(struct named_desc);
	return header;
}

static size_t image_size(const struct stats_file *stats)
{
	return header_of(stats).data_offset + stats->nr * sizeof(u64);
}

static void image_fill(const struct stats_file *stats, void *image)
{
	struct kvm_stats_header header = header_of(stats);
	struct named_desc *desc = image + header.desc_offset;
	u64 *value = image + header.data_offset;
	unsigned int i;

	/* readers expect each block at a multiple of 8 */
	BUILD_BUG_ON(sizeof(header) % 8 || NAME_SIZE % 8 || sizeof(*desc) % 8);
	BUILD_BUG_ON(offsetof(struct named_desc, name) != offsetof(struct kvm_stats_desc, name));

	memcpy(image, &header, sizeof(header));
	memcpy(image + header.id_offset, stats->id, NAME_SIZE);
	for (i = 0; i < stats->nr; i++) {
		const struct hv_counter *c = &stats->counters[i];

		desc[i].flags = stats->flags;
		desc[i].size = 1;
		desc[i].offset = i * sizeof(u64);
		strscpy(desc[i].name, c->name, NAME_SIZE);
		value[i] = stats->read(stats->object, c->offset);
	}
}

static ssize_t stats_read(struct file *file, char __user *u, size_t len, loff_t *pos)
{
	const struct stats_file *stats = file->private_data;
	size_t size = image_size(stats);
	void *image = kzalloc(size, GFP_KERNEL);
	ssize_t ret;

	if (!image)
		return -ENOMEM;
	image_fill(stats, image);
	ret = simple_read_from_buffer(u, len, pos, image, size);
	kfree(image);
	return ret;
}

static int stats_release(struct inode *inode, struct file *file)
{
	struct stats_file *stats = file->private_data;

	hv_vm_put(stats->vm);
	kfree(stats);
	return 0;
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.read = stats_read,
	.release = stats_release,
	.llseek = default_llseek,
};

/* An fd for @stats, or -errno. */
static int stats_install(struct stats_file *stats)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = anon_inode_getfile("vellum-stats", &stats_fops, stats, O_RDONLY);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD;
	hv_vm_get(stats->vm);
	fd_install(fd, file);
	return fd;
}

static struct stats_file *stats_alloc(struct hv_vm *vm)
{
	struct stats_file *stats = kzalloc(sizeof(*stats), GFP_KERNEL_ACCOUNT);

	if (stats)
		stats->vm = vm;
	return stats;
}

/**
 * hv_stats_vm_fd() - KVM_GET_STATS_FD on a VM
 * @vm: the VM; it lives as long as the descriptor
 *
 * Return: a descriptor to read; -EMFILE, -ENOMEM.
 */
int hv_stats_vm_fd(struct hv_vm *vm)
{
	struct stats_file *stats = stats_alloc(vm);
	int fd;

	if (!stats)
		return -ENOMEM;
	stats->object = vm;
	stats->counters = vm_counters;
	stats->nr = ARRAY_SIZE(vm_counters);
	stats->flags = INSTANT;
	stats->read = vm_read;
	snprintf(stats->id, NAME_SIZE, "kvm-%d", task_tgid_vnr(current));
	fd = stats_install(stats);
	if (fd < 0)
		kfree(stats);
	return fd;
}

/**
 * hv_stats_vcpu_fd() - KVM_GET_STATS_FD on a vCPU
 * @vcpu: the vCPU, which may be running
 *
 * Return: as hv_stats_vm_fd()
 */
int hv_stats_vcpu_fd(struct hv_vcpu *vcpu)
{
	struct stats_file *stats = stats_alloc(vcpu->vm);
	int fd;

	if (!stats)
		return -ENOMEM;
	stats->object = vcpu;
	stats->counters = hv_vcpu_counters;
	stats->nr = hv_nr_vcpu_counters;
	stats->flags = CUMULATIVE;
	stats->read = vcpu_read;
	snprintf(stats->id, NAME_SIZE, "kvm-%d/vcpu-%u", task_tgid_vnr(current), vcpu->id);
	fd = stats_install(stats);
	if (fd < 0)
		kfree(stats);
	return fd;
}
