// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards KVM_IRQFD and KVM_SET_GSI_ROUTING: an eventfd raises the interrupt its GSI is routed to
 * (IOAPIC pin or MSI), deassignment stops it and waits for nobody's memory, a resample eventfd
 * fires on EOI, routes can be replaced while assigned, and hostile arguments are refused. Errnos
 * are stock KVM 6.12's.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <linux/userfaultfd.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "tvm.h"

#define VECTOR		0x61
#define VECTOR2		0x81
#define GSI		21

#define IOAPIC_REDIR(pin)	(0x10 + 2 * (pin))
#define REDIR_LEVEL		0x8000

static volatile unsigned int hits, hits2;
static volatile uint32_t redir;

static void on_irq(struct g_frame *frame)
{
	hits++;
	g_apic_eoi();
}

static void on_irq2(struct g_frame *frame)
{
	hits2++;
	g_apic_eoi();
}

static void guest_main(void)
{
	g_handlers[VECTOR] = on_irq;
	g_handlers[VECTOR2] = on_irq2;
	g_apic_enable();
	g_writel(IOAPIC_BASE_GPA, IOAPIC_REDIR(GSI));
	g_writel(IOAPIC_BASE_GPA + 0x10, VECTOR | redir);
	g_sync(1);
	for (;;) {
		g_irq_window();
		g_sync(100 + hits);
	}
}

FIXTURE(irqfd) {
	struct tvm vm;
	struct tvcpu cpu;
	int fd;
};

FIXTURE_SETUP(irqfd)
{
	redir = 0;
	tvm_start(&self->vm, &self->cpu, TVM_IRQCHIP, guest_main);
	self->fd = eventfd(0, EFD_NONBLOCK);
}

FIXTURE_TEARDOWN(irqfd)
{
	close(self->fd);
	tvcpu_destroy(&self->cpu);
	tvm_destroy(&self->vm);
}

static long irqfd(struct tvm *vm, int fd, uint32_t gsi, uint32_t flags, int resample)
{
	struct kvm_irqfd arg = {
		.fd = fd, .gsi = gsi, .flags = flags, .resamplefd = resample,
	};

	return tvm_ioctl_p(vm->fd, KVM_IRQFD, &arg);
}

static void signal_fd(int fd)
{
	uint64_t one = 1;

	if (write(fd, &one, sizeof(one)) != sizeof(one))
		tvm_die("eventfd write: %s", strerror(errno));
	usleep(1000);	/* injection may be deferred to a worker */
}

TEST_F(irqfd, raises_the_pin)
{
	unsigned int i;

	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, 0, -1));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	for (i = 1; i <= 3; i++) {
		signal_fd(self->fd);
		EXPECT_EQ(100 + i, tvm_sync(&self->cpu));
	}
}

TEST_F(irqfd, deassign)
{
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, 0, -1));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, KVM_IRQFD_FLAG_DEASSIGN, -1));
	signal_fd(self->fd);
	EXPECT_EQ(100, tvm_sync(&self->cpu));
	/* what was not assigned may be deassigned: no error in KVM */
	EXPECT_EQ(0, irqfd(&self->vm, self->fd, GSI, KVM_IRQFD_FLAG_DEASSIGN, -1));
	/* and the fd is free again */
	EXPECT_EQ(0, irqfd(&self->vm, self->fd, GSI, 0, -1));
}

static void *translate(void *cpu)
{
	struct kvm_translation arg = { .linear_address = 0x1000 };

	return (void *)tvm_ioctl_p(((struct tvcpu *)cpu)->fd, KVM_TRANSLATE, &arg);
}

/* Memory that does not come holds up who reads it, and no irqfd of this or another VM. */
TEST_F(irqfd, deassign_while_memory_is_waited_for)
{
	void *page = mmap(NULL, TVM_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	int uffd = tvm_uffd(page, TVM_PAGE, 0), resample = eventfd(0, EFD_NONBLOCK);
	struct uffdio_zeropage zero = {
		.range = { .start = (unsigned long)page, .len = TVM_PAGE },
	};
	struct kvm_sregs sregs;
	struct uffd_msg msg;
	pthread_t thread;
	void *ret;

	ASSERT_EQ(0, tvm_slot(&self->vm, TVM_SLOT_TEST, 0, TVM_TEST_GPA, TVM_PAGE, page));
	tvcpu_get_sregs(&self->cpu, &sregs);
	sregs.cr3 = TVM_TEST_GPA;
	tvcpu_set_sregs(&self->cpu, &sregs);
	ASSERT_EQ(0, pthread_create(&thread, NULL, translate, &self->cpu));
	ASSERT_EQ(sizeof(msg), read(uffd, &msg, sizeof(msg)));
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, KVM_IRQFD_FLAG_RESAMPLE, resample));
	/* the harness ends a test that does not return from here */
	EXPECT_EQ(0, irqfd(&self->vm, self->fd, GSI, KVM_IRQFD_FLAG_DEASSIGN, -1));
	ASSERT_EQ(0, ioctl(uffd, UFFDIO_ZEROPAGE, &zero));
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
	close(uffd);
	close(resample);
}

TEST_F(irqfd, closing_the_eventfd)
{
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, 0, -1));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	close(self->fd);
	self->fd = eventfd(0, EFD_NONBLOCK);
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, 0, -1));
	signal_fd(self->fd);
	EXPECT_EQ(101, tvm_sync(&self->cpu));
}

TEST_F(irqfd, hostile)
{
	int file = open("/dev/null", O_RDWR);

	EXPECT_EQ(-EBADF, irqfd(&self->vm, -1, GSI, 0, -1));
	EXPECT_EQ(-EINVAL, irqfd(&self->vm, file, GSI, 0, -1));
	EXPECT_EQ(-EINVAL, irqfd(&self->vm, self->fd, GSI, BIT64(31), -1));
	EXPECT_EQ(-EFAULT, tvm_ioctl(self->vm.fd, KVM_IRQFD, 0x10));
	EXPECT_EQ(0, irqfd(&self->vm, self->fd, GSI, 0, -1));
	EXPECT_EQ(-EBUSY, irqfd(&self->vm, self->fd, GSI, 0, -1));
	EXPECT_EQ(-EBUSY, irqfd(&self->vm, self->fd, GSI + 1, 0, -1));
	EXPECT_EQ(-EBADF, irqfd(&self->vm, self->fd, GSI, KVM_IRQFD_FLAG_RESAMPLE, -1));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
}

TEST_F(irqfd, resample)
{
	int resample = eventfd(0, EFD_NONBLOCK);
	struct pollfd poll_fd = { .fd = resample, .events = POLLIN };

	if (!tvm_cap(&self->vm, KVM_CAP_IRQFD_RESAMPLE))
		SKIP(return, "no KVM_CAP_IRQFD_RESAMPLE");
	redir = REDIR_LEVEL;
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, KVM_IRQFD_FLAG_RESAMPLE, resample));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	EXPECT_EQ(0, poll(&poll_fd, 1, 0));
	signal_fd(self->fd);
	/* the EOI lowers the line and tells us: exactly one interrupt */
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	EXPECT_EQ(1, poll(&poll_fd, 1, 100));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, KVM_IRQFD_FLAG_DEASSIGN, -1));
	close(resample);
}

/* A level that was up when the state was taken goes down as one that came since. */
TEST_F(irqfd, resample_of_a_restored_level)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int resample = eventfd(0, EFD_NONBLOCK);

	redir = REDIR_LEVEL;
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, KVM_IRQFD_FLAG_RESAMPLE, resample));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	TVM_MUST(self->vm.fd, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.irr |= 1 << GSI;
	TVM_MUST(self->vm.fd, KVM_SET_IRQCHIP, &chip);
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	close(resample);
}

struct routes {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry entry[4];
};

static struct kvm_irq_routing_entry msi_route(uint32_t gsi, uint32_t vector)
{
	struct kvm_irq_routing_entry entry = {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi.address_lo = APIC_BASE_GPA,
		.u.msi.data = vector,
	};

	return entry;
}

TEST_F(irqfd, msi_routes_change)
{
	struct routes routes = { .head.nr = 1 };

	routes.entry[0] = msi_route(GSI, VECTOR);
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_GSI_ROUTING, &routes));
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, 0, -1));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	signal_fd(self->fd);
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	routes.entry[0] = msi_route(GSI, VECTOR2);
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_GSI_ROUTING, &routes));
	signal_fd(self->fd);
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	EXPECT_EQ(1, hits2);
	/* no routes at all: nothing arrives, nothing breaks */
	routes.head.nr = 0;
	ASSERT_EQ(0, tvm_ioctl_p(self->vm.fd, KVM_SET_GSI_ROUTING, &routes));
	signal_fd(self->fd);
	EXPECT_EQ(101, tvm_sync(&self->cpu));
	EXPECT_EQ(1, hits2);
}

TEST_F(irqfd, routing_hostile)
{
	struct routes routes = { .head.nr = 1 };
	int fd = self->vm.fd;

	routes.entry[0] = msi_route(GSI, VECTOR);
	routes.head.flags = 1;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_GSI_ROUTING, &routes));
	routes.head.flags = 0;
	routes.head.nr = 0xffffffff;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_GSI_ROUTING, &routes));
	routes.head.nr = 4097;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_GSI_ROUTING, &routes));
	routes.head.nr = 1;
	routes.entry[0].gsi = 4096;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_GSI_ROUTING, &routes));
	routes.entry[0].gsi = GSI;
	routes.entry[0].type = 77;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_GSI_ROUTING, &routes));
	routes.entry[0].type = KVM_IRQ_ROUTING_IRQCHIP;
	routes.entry[0].u.irqchip.irqchip = 9;
	routes.entry[0].u.irqchip.pin = 0;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_GSI_ROUTING, &routes));
	routes.entry[0].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
	routes.entry[0].u.irqchip.pin = 24;
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_GSI_ROUTING, &routes));
	/* one GSI, two MSIs: a GSI may fan out to chips, never to two messages */
	routes.head.nr = 2;
	routes.entry[0] = msi_route(GSI, VECTOR);
	routes.entry[1] = msi_route(GSI, VECTOR2);
	EXPECT_EQ(-EINVAL, tvm_ioctl_p(fd, KVM_SET_GSI_ROUTING, &routes));
	EXPECT_EQ(-EFAULT, tvm_ioctl(fd, KVM_SET_GSI_ROUTING, 0x10));
	/* after all that the default routing still stands */
	ASSERT_EQ(0, irqfd(&self->vm, self->fd, GSI, 0, -1));
	EXPECT_EQ(1, tvm_sync(&self->cpu));
	signal_fd(self->fd);
	EXPECT_EQ(101, tvm_sync(&self->cpu));
}

TEST_F(irqfd, without_an_irqchip)
{
	struct tvm vm;

	tvm_create(&vm, TVM_BARE);
	EXPECT_EQ(-EINVAL, irqfd(&vm, self->fd, GSI, 0, -1));
	tvm_destroy(&vm);
}

TEST_HARNESS_MAIN
