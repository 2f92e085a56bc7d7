// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards a host without memory for second-level tables (debug kernel: fault injection): KVM_RUN
 * says ENOMEM, not EFAULT, no page is lost, and the guest goes on when there is memory again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define FAIL	"/sys/kernel/debug/fail_page_alloc/"
#define GIB	BIT64(30)

static volatile uint64_t where;

static void guest_write(void)
{
	for (;;) {
		g_writel(where, 0x600d);
		g_sync(1);
	}
}

static int put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY), ok;

	if (fd < 0)
		return 0;
	ok = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return ok;
}

static void fail_allocations(int on)
{
	if (!put("/proc/self/make-it-fail", on ? "1" : "0"))
		tvm_die("make-it-fail");
}

TEST(tables)
{
	uint32_t *mem = tvm_mem(TVM_PAGE);
	struct tvcpu cpu;
	struct tvm vm;
	unsigned int i;

	if (!put(FAIL "task-filter", "Y"))
		SKIP(return, "no fault injection in this kernel");
	put(FAIL "probability", "100");
	put(FAIL "times", "-1");
	put(FAIL "min-order", "0");
	put(FAIL "ignore-gfp-wait", "N");
	put(FAIL "verbose", "0");
	tvm_start(&vm, &cpu, 0, guest_write);
	mem[0] = 1;
	/* each in a GiB of its own, so that each wants tables */
	for (i = 0; i < 3; i++) {
		where = (1 + i) * GIB;
		ASSERT_EQ(0, tvm_slot(&vm, TVM_SLOT_TEST, 0, where, TVM_PAGE, mem));
		fail_allocations(1);
		EXPECT_EQ(-ENOMEM, tvm_run(&cpu));
		EXPECT_EQ(-ENOMEM, tvm_run(&cpu));
		fail_allocations(0);
		EXPECT_EQ(1, tvm_sync(&cpu));
		EXPECT_EQ(0x600d, mem[0]);
		mem[0] = 1;
		ASSERT_EQ(0, tvm_slot(&vm, TVM_SLOT_TEST, 0, where, 0, NULL));
	}
	put(FAIL "probability", "0");
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

TEST_HARNESS_MAIN
