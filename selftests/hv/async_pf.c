// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards asynchronous page faults (MSR_KVM_ASYNC_PF_EN, _INT, _ACK): a guest goes on while the host
 * waits for a page and learns when it is there; one message each way at a time; no such fault where
 * the guest could not bear it (CPL 0 without leave, interrupts off, the last message not
 * taken); nothing after it was switched off; a limit to the pages that are waited for; a restored
 * guest looks at all its pages again; values that are refused. The pages are held back by
 * userfaultfd.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <asm/kvm_para.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define APF_GPA		TVM_FREE_GPA
#define VECTOR		0x59
#define LIMIT		64	/* pages a VM may wait for */
#define PAGES		(LIMIT + 32)
#define CONTENT		0x5a
#define ON		(KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT)
#define ON_CPL0		(ON | KVM_ASYNC_PF_SEND_ALWAYS)
#define ALL_TOKENS	0xffffffffU
#define PATIENCE_MS	3000

static volatile uint64_t enable = ON_CPL0;
static volatile int keep_flags, keep_token, return_at_once, irqs_off;
static volatile unsigned int missing, ready, work;
static volatile uint8_t touched;
static volatile uint32_t missing_token[8], ready_token[8];

static volatile struct kvm_vcpu_pv_apf_data *apf_area(void)
{
	return (void *)APF_GPA;
}

static int is_ready(uint32_t token)
{
	unsigned int i;

	for (i = 0; i < ready; i++)
		if (ready_token[i] == token || ready_token[i] == ALL_TOKENS)
			return 1;
	return 0;
}

static void on_pf(struct g_frame *frame)
{
	uint32_t token;
	uint64_t cr2;

	asm volatile("movq %%cr2, %0" : "=r"(cr2));
	G_ASSERT(apf_area()->flags == KVM_PV_REASON_PAGE_NOT_PRESENT);
	G_ASSERT(frame->error == 0);
	token = cr2;
	missing_token[missing & 7] = token;
	missing++;
	if (!keep_flags)
		apf_area()->flags = 0;
	if (return_at_once) {
		frame->rip = frame->rbx;	/* where the guest goes on without the page */
		return;
	}
	while (!is_ready(token)) {
		work++;
		g_irq_window();
	}
}

static void on_page_ready(struct g_frame *frame)
{
	ready_token[ready & 7] = apf_area()->token;
	ready++;
	g_apic_eoi();
	if (keep_token)
		return;
	apf_area()->token = 0;
	g_wrmsr(MSR_KVM_ASYNC_PF_ACK, 1);
}

static void prepare(void)
{
	g_handlers[PF_VECTOR] = on_pf;
	g_handlers[VECTOR] = on_page_ready;
	g_apic_enable();
	g_wrmsr(MSR_KVM_ASYNC_PF_INT, VECTOR);
	g_wrmsr(MSR_KVM_ASYNC_PF_EN, APF_GPA | enable);
	/* KVM says "all of them" to who switches it on. */
	g_irq_window();
	ready = 0;
	apf_area()->token = 0;
	g_wrmsr(MSR_KVM_ASYNC_PF_ACK, 1);
	g_sync(1);
}

static uint8_t touch(unsigned int page)
{
	uint8_t val;

	/* RBX: behind the access, for a handler that does not wait */
	asm volatile("xor %%eax, %%eax; lea 1f(%%rip), %%rbx; movb (%1), %%al; 1:"
		     : "=&a"(val) : "r"(TVM_TEST_GPA + page * TVM_PAGE) : "rbx", "memory");
	return val;
}

static void guest_touches(void)
{
	uint8_t val;

	prepare();
	if (!irqs_off)
		asm volatile("sti");
	val = touch(0);
	asm volatile("cli");
	g_sync(val);
	for (;;) {
		g_irq_window();
		g_sync(ready);
	}
}

/* Two pages, neither waited for. */
static void guest_touches_two(void)
{
	prepare();
	asm volatile("sti");
	touch(0);
	touch(1);
	asm volatile("cli");
	g_sync(missing);
	for (;;) {
		g_irq_window();
		g_sync(ready);
		if (apf_area()->token) {
			apf_area()->token = 0;
			g_wrmsr(MSR_KVM_ASYNC_PF_ACK, 1);
		}
	}
}

FIXTURE(apf) {
	struct tvm vm;
	struct tvcpu cpu;
	uint8_t *mem;
	int uffd;
	pthread_t pager;
	volatile int stop;
	volatile unsigned int hold_until_work;	/* pages come when the guest worked so much */
	volatile unsigned int served;
	volatile unsigned int keep_back;	/* the first pages, which never come */
};

static void give(int uffd, unsigned long address)
{
	static uint8_t page[TVM_PAGE];
	struct uffdio_copy copy = {
		.dst = address & ~(TVM_PAGE - 1),
		.src = (unsigned long)page,
		.len = TVM_PAGE,
	};

	memset(page, CONTENT, sizeof(page));
	if (ioctl(uffd, UFFDIO_COPY, &copy) && errno != EEXIST)
		tvm_die("UFFDIO_COPY: %s", strerror(errno));
}

static unsigned int wait_for(volatile unsigned int *count, unsigned int value)
{
	unsigned int ms;

	for (ms = 0; *count < value && ms < PATIENCE_MS; ms++)
		usleep(1000);
	return *count;
}

static void *pager(void *arg)
{
	FIXTURE_DATA(apf) *self = arg;
	struct pollfd p = { .fd = self->uffd, .events = POLLIN };
	struct uffd_msg msg;

	while (!self->stop) {
		if (poll(&p, 1, 20) <= 0 || read(self->uffd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		if (msg.arg.pagefault.address - (unsigned long)self->mem <
		    self->keep_back * TVM_PAGE)
			continue;
		wait_for(&work, self->hold_until_work);
		self->served++;
		give(self->uffd, msg.arg.pagefault.address);
	}
	return NULL;
}

FIXTURE_SETUP(apf)
{
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_touches);
	ASSERT_EQ(1, tvm_cap(&self->vm, KVM_CAP_ASYNC_PF));
	ASSERT_EQ(1, tvm_cap(&self->vm, KVM_CAP_ASYNC_PF_INT));
	self->mem = tvm_mem(PAGES * TVM_PAGE);
	madvise(self->mem, PAGES * TVM_PAGE, MADV_DONTNEED);
	self->uffd = tvm_uffd(self->mem, PAGES * TVM_PAGE, O_NONBLOCK);
	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, PAGES * TVM_PAGE,
			      self->mem));
	self->stop = 0;
	self->served = 0;
	self->hold_until_work = 0;
	self->keep_back = 0;
	ASSERT_EQ(0, pthread_create(&self->pager, NULL, pager, self));
}

FIXTURE_TEARDOWN(apf)
{
	self->stop = 1;
	pthread_join(self->pager, NULL);
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
	close(self->uffd);
}

/* Without this feature the guest is stuck in the access until patience ends, and has not worked. */
TEST_F(apf, guest_goes_on)
{
	self->hold_until_work = 50;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(CONTENT, tvm_sync(&self->cpu));
	EXPECT_GE(work, 50);
	EXPECT_EQ(1, missing);
	ASSERT_EQ(1, ready);
	EXPECT_NE(0, missing_token[0]);
	EXPECT_EQ(missing_token[0], ready_token[0]);
}

static void expect_waits(struct __test_metadata *_metadata, FIXTURE_DATA(apf) *self)
{
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(CONTENT, tvm_sync(&self->cpu));
	EXPECT_EQ(1, self->served);
	EXPECT_EQ(0, missing);
	EXPECT_EQ(0, tvm_sync(&self->cpu));
}

TEST_F(apf, not_at_cpl_0)
{
	enable = ON;
	expect_waits(_metadata, self);
}

TEST_F(apf, not_with_interrupts_off)
{
	irqs_off = 1;
	expect_waits(_metadata, self);
}

TEST_F(apf, not_without_interrupts_as_news)
{
	enable = KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_SEND_ALWAYS;
	expect_waits(_metadata, self);
}

/* The second fault finds the first message in the way and waits. */
TEST_F(apf, one_message_at_a_time)
{
	if (tvm_is_kvm())
		SKIP(return, "KVM overwrites the message");
	keep_flags = 1;
	return_at_once = 1;
	tvcpu_long_mode(&self->cpu, guest_touches_two);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, wait_for(&self->served, 2));
}

/* News of the second page wait until the first are acknowledged. */
TEST_F(apf, news_wait_for_acknowledgment)
{
	unsigned int ms;

	keep_token = 1;
	return_at_once = 1;
	tvcpu_long_mode(&self->cpu, guest_touches_two);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(2, tvm_sync(&self->cpu));
	EXPECT_NE(missing_token[0], missing_token[1]);
	EXPECT_EQ(2, wait_for(&self->served, 2));
	for (ms = 0; ready < 2 && ms < PATIENCE_MS; ms++) {
		unsigned int before = ready;

		tvm_sync(&self->cpu);
		/* the guest acknowledges after each sync, so never two */
		EXPECT_LE(ready, before + 1);
		usleep(1000);
	}
	ASSERT_EQ(2, ready);
	EXPECT_TRUE(is_ready(missing_token[0]));
	EXPECT_TRUE(is_ready(missing_token[1]));
}

TEST_F(apf, switched_off_nothing_comes)
{
	unsigned int i;

	return_at_once = 1;
	self->hold_until_work = 1;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvm_sync(&self->cpu);
	EXPECT_EQ(1, missing);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_ASYNC_PF_EN, 0));
	work = 1;
	EXPECT_EQ(1, wait_for(&self->served, 1));
	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, tvm_sync(&self->cpu));
		usleep(1000);
	}
}

TEST_F(apf, restored_guest_looks_again)
{
	irqs_off = 1;
	expect_waits(_metadata, self);
	ASSERT_EQ(1, tvcpu_msr(&self->cpu, MSR_KVM_ASYNC_PF_EN, APF_GPA | ON));
	/* the window before the message is drained may come first */
	if (!tvm_sync(&self->cpu))
		tvm_sync(&self->cpu);
	ASSERT_EQ(1, ready);
	EXPECT_EQ(ALL_TOKENS, ready_token[0]);
}

/* One page after the other, each forgotten by switching off and on. */
static void guest_toggles(void)
{
	unsigned int page;

	prepare();
	for (page = 0;; page++) {
		asm volatile("sti");
		touched = touch(page);
		asm volatile("cli");
		g_wrmsr(MSR_KVM_ASYNC_PF_EN, 0);
		g_wrmsr(MSR_KVM_ASYNC_PF_EN, APF_GPA | enable);
		g_sync(missing);
	}
}

/* A page counts until it is there, also when its guest does not want to hear of it any more. */
TEST_F(apf, limit)
{
	unsigned int i;

	if (tvm_is_kvm())
		SKIP(return, "KVM's limit is another");
	self->keep_back = LIMIT;
	return_at_once = 1;
	tvcpu_long_mode(&self->cpu, guest_toggles);
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	for (i = 1; i <= LIMIT; i++)
		ASSERT_EQ(i, tvm_sync(&self->cpu));
	EXPECT_EQ(LIMIT, tvm_sync(&self->cpu));
	EXPECT_EQ(CONTENT, touched);
	/* those that nobody brought count no more */
	self->keep_back = 0;
	for (i = 0; i < LIMIT; i++)
		give(self->uffd, (unsigned long)self->mem + i * TVM_PAGE);
	for (i = 0; missing == LIMIT && i < PAGES - LIMIT - 1; i++) {
		usleep(10000);
		tvm_sync(&self->cpu);
	}
	EXPECT_EQ(LIMIT + 1, missing);
}

/* Closed, with a page that nobody brings: the process must be able to end. */
TEST_F(apf, closed_while_waiting)
{
	if (tvm_is_kvm())
		SKIP(return, "KVM waits for the page");
	self->stop = 1;
	pthread_join(self->pager, NULL);
	return_at_once = 1;
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	tvm_sync(&self->cpu);
	EXPECT_EQ(1, missing);
	ASSERT_EQ(0, pthread_create(&self->pager, NULL, pager, self));
}

TEST_F(apf, bad_values)
{
	struct tvcpu *cpu = &self->cpu;

	EXPECT_EQ(1, tvcpu_msr(cpu, MSR_KVM_ASYNC_PF_INT, 0xff));
	EXPECT_EQ(0, tvcpu_msr(cpu, MSR_KVM_ASYNC_PF_INT, 0x100));
	EXPECT_EQ(0xff, tvcpu_get_msr(cpu, MSR_KVM_ASYNC_PF_INT));
	EXPECT_EQ(0, tvcpu_msr(cpu, MSR_KVM_ASYNC_PF_EN, APF_GPA | ON | 0x10));
	EXPECT_EQ(0, tvcpu_msr(cpu, MSR_KVM_ASYNC_PF_EN, APF_GPA | ON | 0x20));
	EXPECT_EQ(0, tvcpu_msr(cpu, MSR_KVM_ASYNC_PF_EN, TVM_HOLE_GPA | ON));
	EXPECT_EQ(0, tvcpu_msr(cpu, MSR_KVM_ASYNC_PF_EN, ~0ULL << 6 | ON));
	if (!tvm_is_kvm())	/* it keeps the value it refused */
		EXPECT_EQ(0, tvcpu_get_msr(cpu, MSR_KVM_ASYNC_PF_EN));
	EXPECT_EQ(1, tvcpu_msr(cpu, MSR_KVM_ASYNC_PF_EN, APF_GPA | ON));
	EXPECT_EQ(APF_GPA | ON, tvcpu_get_msr(cpu, MSR_KVM_ASYNC_PF_EN));
	EXPECT_EQ(0, tvcpu_get_msr(cpu, MSR_KVM_ASYNC_PF_ACK));
}

TEST_HARNESS_MAIN
