// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_GET_STATS_FD: the file's layout is as documented, counters count, reads anywhere in
 * it are safe, and it outlives the VM's and vCPU's own descriptors.
 */
#include <fcntl.h>

#include "kselftest_harness.h"
#include "tvm.h"

FIXTURE(stats) {
	struct tvm vm;
	struct tvcpu cpu;
};

static void guest(void)
{
	for (;;)
		g_sync(1);
}

FIXTURE_SETUP(stats)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest);
	ASSERT_EQ(1, tvm_cap(&self->vm, KVM_CAP_BINARY_STATS_FD));
}

FIXTURE_TEARDOWN(stats)
{
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static void check_layout(struct __test_metadata *_metadata, int fd)
{
	struct kvm_stats_header head;
	struct kvm_stats_desc *desc;
	char id[256] = "";
	uint64_t value;
	size_t size;
	uint32_t i;

	ASSERT_EQ(sizeof(head), read(fd, &head, sizeof(head)));
	EXPECT_EQ(0, head.flags);
	ASSERT_LE(head.name_size, sizeof(id));
	ASSERT_GE(head.num_desc, 1);
	EXPECT_EQ(0, (head.id_offset | head.desc_offset | head.data_offset) % 8);
	EXPECT_EQ(head.name_size, pread(fd, id, head.name_size, head.id_offset));
	EXPECT_EQ(0, strncmp(id, "kvm-", 4));
	size = sizeof(*desc) + head.name_size;
	desc = malloc(size);
	for (i = 0; i < head.num_desc; i++) {
		ASSERT_EQ(size, pread(fd, desc, size, head.desc_offset + i * size));
		EXPECT_GT(strlen(desc->name), 0);
		EXPECT_LT(strlen(desc->name), head.name_size);
		EXPECT_GE(desc->size, 1);
		EXPECT_EQ(sizeof(value),
			  pread(fd, &value, sizeof(value), head.data_offset + desc->offset));
	}
	free(desc);
}

TEST_F(stats, layout)
{
	int vm = TVM_MUST(self->vm.fd, KVM_GET_STATS_FD, 0);
	int cpu = TVM_MUST(self->cpu.fd, KVM_GET_STATS_FD, 0);

	check_layout(_metadata, vm);
	check_layout(_metadata, cpu);
	close(vm);
	close(cpu);
}

TEST_F(stats, counts)
{
	int fd = TVM_MUST(self->cpu.fd, KVM_GET_STATS_FD, 0);
	uint64_t before, after;
	int i;

	tvm_sync(&self->cpu);
	before = tvm_stat(fd, "exits");
	for (i = 0; i < 10; i++)
		tvm_sync(&self->cpu);
	after = tvm_stat(fd, "exits");
	EXPECT_GE(after, before + 10);
	EXPECT_LE(after, before + 1000);
	close(fd);
}

TEST_F(stats, read_anywhere)
{
	int fd = TVM_MUST(self->vm.fd, KVM_GET_STATS_FD, 0);
	char buf[4096];
	void *volatile bad = (void *)0x10;
	off_t end = 0;
	ssize_t n;

	while ((n = pread(fd, buf, 7, end)) > 0)
		end += n;
	ASSERT_EQ(0, n);
	EXPECT_GT(end, sizeof(struct kvm_stats_header));
	EXPECT_EQ(end, pread(fd, buf, sizeof(buf), 0));
	EXPECT_EQ(0, pread(fd, buf, sizeof(buf), end));
	EXPECT_EQ(0, pread(fd, buf, sizeof(buf), 1L << 40));
	EXPECT_EQ(1, pread(fd, buf, sizeof(buf), end - 1));
	/* documented, but not so in stock KVM */
	if (!tvm_is_kvm())
		EXPECT_EQ(4, lseek(fd, 4, SEEK_SET));
	EXPECT_EQ(4, read(fd, buf, 4));
	EXPECT_EQ(-1, read(fd, bad, 4));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, write(fd, buf, 4));
	EXPECT_EQ(-1, pwrite(fd, buf, 4, 0));
	close(fd);
}

TEST_F(stats, outlives_the_vm)
{
	int dev = self->vm.dev;
	int vm = TVM_MUST(dev, KVM_CREATE_VM, 0);
	int cpu = TVM_MUST(vm, KVM_CREATE_VCPU, 0);
	int fd = TVM_MUST(cpu, KVM_GET_STATS_FD, 0);
	int fd2 = TVM_MUST(vm, KVM_GET_STATS_FD, 0);

	close(vm);
	close(cpu);
	EXPECT_EQ(0, tvm_stat(fd, "exits"));
	check_layout(_metadata, fd2);
	close(fd);
	close(fd2);
}

TEST_F(stats, hostile)
{
	int dir;

	/* stock KVM ignores the argument */
	if (!tvm_is_kvm()) {
		EXPECT_EQ(-EINVAL, tvm_ioctl(self->vm.fd, KVM_GET_STATS_FD, 1));
		EXPECT_EQ(-EINVAL, tvm_ioctl(self->cpu.fd, KVM_GET_STATS_FD, 1));
	}
	EXPECT_LT(tvm_ioctl(self->vm.dev, KVM_GET_STATS_FD, 0), 0);
	/* the descriptors are not inherited */
	dir = TVM_MUST(self->vm.fd, KVM_GET_STATS_FD, 0);
	EXPECT_EQ(FD_CLOEXEC, fcntl(dir, F_GETFD));
	close(dir);
}

TEST_HARNESS_MAIN
