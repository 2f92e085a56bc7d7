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
#define SLOTS	8	/* more than a vCPU has spare tables */
#define STEP	BIT64(21)	/* one table of 4 KiB mappings each */

static void guest_write(void)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		g_writel(TVM_TEST_GPA + i * STEP, 0x600d + i);
	g_sync(1);
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
	uint32_t *mem = tvm_mem(SLOTS * TVM_PAGE);
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
	memset(mem, 1, SLOTS * TVM_PAGE);
	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(0, tvm_slot(&vm, TVM_SLOT_TEST + i, 0, TVM_TEST_GPA + i * STEP,
				      TVM_PAGE, (uint8_t *)mem + i * TVM_PAGE));
	fail_allocations(1);
	EXPECT_EQ(-ENOMEM, tvm_run(&cpu));
	EXPECT_EQ(-ENOMEM, tvm_run(&cpu));
	fail_allocations(0);
	EXPECT_EQ(1, tvm_sync(&cpu));
	for (i = 0; i < SLOTS; i++)
		EXPECT_EQ(0x600d + i, mem[i * TVM_PAGE / 4]);
	put(FAIL "probability", "0");
	tvcpu_destroy(&cpu);
	tvm_destroy(&vm);
}

TEST_HARNESS_MAIN
