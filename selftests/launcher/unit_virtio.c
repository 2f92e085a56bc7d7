// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what virtio devices share against the driver in the guest: nothing works before the
 * features are agreed on, and they stay as agreed until the reset; a function that may not have the
 * bus leaves memory alone and sends no message; no driver keeps a device from ending, nor the
 * console's input from going on; a device that takes its time stops nobody who looks at it, or
 * uses another; devices that share an interrupt both get it; a complaint about a driver does not
 * wait for a stopped terminal.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/virtio_config.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "unit_driver.h"
#include "devices/ports.h"
#include "virtio/blk_request.h"
#include "virtio/console.h"
#include "virtio/rng.h"
#include "virtio/transport.h"

#define RAM_SIZE	(4 * MIB)
#define PIPE_SIZE	4096
#define ENOUGH		10	/* requests until the machine ends */

/* Of the interrupt status and the MSI-X table in BAR 0. */
#define ISR_OFFSET	0x1000
#define MSIX_OFFSET	0x4000

/* In place of the C library's: a hypervisor of nothing but interrupt pins and messages. */
static u32 levels[GSI_PCI_FIRST + GSI_PCI_COUNT];
static u32 messages;

int ioctl(int fd, unsigned long request, ...)
{
	const struct kvm_irq_level *irq;
	va_list ap;

	va_start(ap, request);
	irq = va_arg(ap, const struct kvm_irq_level *);
	va_end(ap);
	if (request == KVM_SIGNAL_MSI)
		messages++;
	if (request != KVM_IRQ_LINE)
		return -1;
	levels[irq->irq] = irq->level;
	return 0;
}

FIXTURE(virtio)
{
	struct kvm kvm;
	struct guest_ram ram;
	struct power power;
	struct pci_bus bus;
	struct virtio_rng rng;
	struct virtio_device *dev;
};

FIXTURE_SETUP(virtio)
{
	struct error err;

	memset(self, 0, sizeof(*self));
	self->kvm.vm_fd = -1;
	self->kvm.dev_fd = -1;
	ASSERT_EQ(0, ram_create(&self->ram, RAM_SIZE, NULL, &err));
	pci_bus_init(&self->bus, &self->power);
	ASSERT_EQ(0, rng_init(&self->rng, &self->kvm, &self->ram, &err));
	self->dev = &self->rng.dev;
	ASSERT_EQ(0, virtio_plug(self->dev, &self->bus, &err));
}

FIXTURE_TEARDOWN(virtio)
{
	virtio_destroy(self->dev);
	ram_destroy(&self->ram);
}

TEST_F(virtio, becomes_ready)
{
	make_ready(self->dev, VERSION_1);
	EXPECT_TRUE(virtio_ready(self->dev));
	EXPECT_TRUE(self->dev->queues[0].enabled);
	EXPECT_EQ(0, set_status(self->dev, 0));
	EXPECT_FALSE(virtio_ready(self->dev));
	EXPECT_FALSE(self->dev->queues[0].enabled);
	make_ready(self->dev, VERSION_1);
	EXPECT_TRUE(virtio_ready(self->dev));
}

/* Of packed rings less is checked: the launcher must not take such ones for split rings. */
TEST_F(virtio, has_no_queue_before_its_features)
{
	set_status(self->dev, FOUND);
	set_features(self->dev, VERSION_1 | PACKED);
	set_queue(self->dev, 0, QUEUE_SIZE_MAX, DESC, RAM_SIZE - 4, RAM_SIZE - 4);
	EXPECT_FALSE(self->dev->queues[0].enabled);
	set_status(self->dev, FOUND | VIRTIO_CONFIG_S_DRIVER_OK);
	EXPECT_FALSE(virtio_ready(self->dev));
}

TEST_F(virtio, is_not_ready_without_its_features)
{
	static const u64 bad[] = { 0, PACKED | VERSION_1, FEATURE(VIRTIO_RING_F_EVENT_IDX) };
	u8 want = FOUND | VIRTIO_CONFIG_S_FEATURES_OK;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		set_status(self->dev, 0);
		set_features(self->dev, bad[i]);
		EXPECT_EQ(FOUND, set_status(self->dev, want));
		EXPECT_EQ(FOUND, set_status(self->dev, want | VIRTIO_CONFIG_S_DRIVER_OK));
		EXPECT_FALSE(virtio_ready(self->dev));
	}
	/* All at once will do when the features are good. */
	set_features(self->dev, VERSION_1);
	EXPECT_EQ(want | VIRTIO_CONFIG_S_DRIVER_OK,
		  set_status(self->dev, want | VIRTIO_CONFIG_S_DRIVER_OK));
}

static void forget_rings(struct guest_ram *ram)
{
	memset(ram_ptr(ram, AVAIL, 8), 0, 8);
	memset(ram_ptr(ram, USED, 8), 0, 8);
}

/* Has the device's thread given @count requests back, and no more? */
static bool settles_at(const struct queue *q, u16 count)
{
	u32 i;

	for (i = 0; i < 100 && __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) < count; i++)
		usleep(20000);
	usleep(100000);
	return __atomic_load_n(&q->used->idx, __ATOMIC_ACQUIRE) == count;
}

/* A kernel that kexec(8) starts finds all devices running, and no way to their memory. */
TEST_F(virtio, leaves_memory_alone_without_the_bus)
{
	struct queue *q = &self->dev->queues[0];
	struct error err;

	ASSERT_EQ(0, virtio_start(self->dev, &err));
	make_ready(self->dev, VERSION_1);
	offer(q, 1, VRING_DESC_F_WRITE);
	virtio_kick(self->dev);
	EXPECT_TRUE(settles_at(q, 1));
	set_config(self->dev, PCI_COMMAND, 0);
	EXPECT_EQ(0, common_read(self->dev, FIELD(device_status), 1) & VIRTIO_CONFIG_S_DRIVER_OK);
	offer(q, 1, VRING_DESC_F_WRITE);
	virtio_kick(self->dev);
	EXPECT_TRUE(settles_at(q, 1));
	/* Where its rings are is no longer sure. */
	set_config(self->dev, PCI_COMMAND, PCI_COMMAND_MASTER);
	EXPECT_TRUE(settles_at(q, 1));
	set_status(self->dev, 0);
	forget_rings(&self->ram);
	make_ready(self->dev, VERSION_1);
	offer(q, 1, VRING_DESC_F_WRITE);
	virtio_kick(self->dev);
	EXPECT_TRUE(settles_at(q, 1));
	virtio_end(self->dev);
	EXPECT_TRUE(join_within(self->dev, 10000));
}

static u32 starts, stops;

static int count_start(struct virtio_device *dev)
{
	(void)dev;
	starts++;
	return 0;
}

static void count_stop(struct virtio_device *dev)
{
	(void)dev;
	stops++;
}

TEST_F(virtio, stops_who_serves_it_without_the_bus)
{
	static const struct virtio_ops ops = {
		.name = "counted", .queues = 1, .start = count_start, .stop = count_stop,
	};
	struct virtio_device *dev = calloc(1, sizeof(*dev));
	struct error err;

	ASSERT_NE(NULL, dev);
	ASSERT_EQ(0, virtio_init(dev, &ops, &self->kvm, &self->ram, &err));
	ASSERT_EQ(0, virtio_plug(dev, &self->bus, &err));
	make_ready(dev, VERSION_1);
	EXPECT_EQ(1, starts);
	set_config(dev, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE);
	EXPECT_EQ(1, stops);
	set_config(dev, PCI_COMMAND, PCI_COMMAND_MASTER);
	set_status(dev, 0);
	EXPECT_EQ(1, starts);
	EXPECT_EQ(1, stops);
	/* A driver may take the bus last. */
	set_config(dev, PCI_COMMAND, 0);
	set_features(dev, VERSION_1);
	set_status(dev, FOUND | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK);
	EXPECT_EQ(1, starts);
	set_config(dev, PCI_COMMAND, PCI_COMMAND_MASTER);
	EXPECT_EQ(2, starts);
	virtio_destroy(dev);
	free(dev);
}

TEST_F(virtio, sends_no_message_without_the_bus)
{
	const struct pci_ops *ops = self->dev->pci.ops;

	make_ready(self->dev, VERSION_1);
	ops->bar_write(&self->dev->pci, MSIX_OFFSET, 8, 0xfee00000);
	ops->bar_write(&self->dev->pci, MSIX_OFFSET + 8, 8, 0x30);
	set_config(self->dev, self->dev->msix_cap + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
	common_write(self->dev, FIELD(queue_msix_vector), 2, 0);
	virtio_interrupt(self->dev, &self->dev->queues[0]);
	EXPECT_EQ(1, messages);
	set_config(self->dev, PCI_COMMAND, 0);
	virtio_interrupt(self->dev, &self->dev->queues[0]);
	EXPECT_EQ(1, messages);
	set_config(self->dev, PCI_COMMAND, PCI_COMMAND_MASTER);
	EXPECT_EQ(2, messages);
}

TEST_F(virtio, keeps_what_was_agreed_on)
{
	u8 agreed = FOUND | VIRTIO_CONFIG_S_FEATURES_OK;

	make_ready(self->dev, VERSION_1);
	EXPECT_EQ(agreed | VIRTIO_CONFIG_S_DRIVER_OK, set_status(self->dev, FOUND));
	set_features(self->dev, VERSION_1 | PACKED);
	EXPECT_EQ(VERSION_1, self->dev->driver_features);
	/* Only the device can need a reset. */
	EXPECT_EQ(agreed | VIRTIO_CONFIG_S_DRIVER_OK,
		  set_status(self->dev, agreed | VIRTIO_CONFIG_S_NEEDS_RESET));
}

/* A request that comes with the next one, as from a vCPU or a disk that writes to the ring. */
static int handle_endless(struct virtio_device *dev, struct chain *chain, u32 *written)
{
	(void)chain;
	offer(&dev->queues[0], 1, VRING_DESC_F_WRITE);
	if (dev->queues[0].next_avail == ENOUGH)
		virtio_end(dev);
	return dev->queues[0].next_avail > 2 * ENOUGH ? -1 : 0;
}

TEST_F(virtio, ends_in_the_middle_of_a_queue)
{
	struct queue *q = &self->dev->queues[0];

	make_ready(self->dev, VERSION_1);
	offer(q, 1, VRING_DESC_F_WRITE);
	EXPECT_EQ(0, virtio_drain(self->dev, q, handle_endless));
	EXPECT_EQ(ENOUGH, q->used->idx);
	EXPECT_EQ(0, virtio_drain(self->dev, q, handle_endless));
	EXPECT_EQ(ENOUGH, q->used->idx);
}

TEST_F(virtio, ends_in_the_middle_of_a_request)
{
	static const struct virtio_blk_outhdr read_first = { .type = VIRTIO_BLK_T_IN };
	struct virtio_blk *blk = calloc(1, sizeof(*blk));
	u8 sector[BLK_SECTOR];
	struct iovec iov = { sector, sizeof(sector) };
	struct iov_cursor out = { NULL, 0 }, in = { &iov, 1 };

	ASSERT_NE(NULL, blk);
	blk->size = MIB;
	blk->fd = memfd_create("disk", MFD_CLOEXEC);
	ASSERT_EQ(0, ftruncate(blk->fd, MIB));
	EXPECT_EQ(VIRTIO_BLK_S_OK, blk_execute(blk, &read_first, &out, &in));
	iov = (struct iovec){ sector, sizeof(sector) };
	in = (struct iov_cursor){ &iov, 1 };
	virtio_end(&blk->dev);
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, blk_execute(blk, &read_first, &out, &in));
	close(blk->fd);
	free(blk);
}

/* A device whose requests take until somebody writes to a pipe. */
struct slow {
	struct virtio_device dev;
	int pipe[2];
	bool at_it;
};

static int wait_for_byte(struct virtio_device *dev)
{
	struct slow *slow = container_of(dev, struct slow, dev);
	char byte;

	__atomic_store_n(&slow->at_it, true, __ATOMIC_RELEASE);
	return read(slow->pipe[0], &byte, 1) == 1 ? 0 : -1;
}

/* Return: a device that is at a request, or NULL. */
static struct slow *start_slow(const struct kvm *kvm, const struct guest_ram *ram,
			       struct pci_bus *bus)
{
	static const struct virtio_ops slow_ops = {
		.name = "slow", .queues = 1, .serve = wait_for_byte,
	};
	struct slow *slow = calloc(1, sizeof(*slow));
	struct error err;

	if (!slow || pipe(slow->pipe) ||
	    virtio_init(&slow->dev, &slow_ops, kvm, ram, &err) ||
	    virtio_plug(&slow->dev, bus, &err) || virtio_start(&slow->dev, &err))
		return NULL;
	make_ready(&slow->dev, VERSION_1);
	while (!__atomic_load_n(&slow->at_it, __ATOMIC_ACQUIRE))
		usleep(1000);
	return slow;
}

TEST_F(virtio, is_not_waited_for_without_end)
{
	struct slow *slow = start_slow(&self->kvm, &self->ram, &self->bus);

	ASSERT_NE(NULL, slow);
	virtio_end(&slow->dev);
	EXPECT_FALSE(join_within(&slow->dev, 100));
	ASSERT_EQ(1, write(slow->pipe[1], "", 1));
	EXPECT_TRUE(join_within(&slow->dev, 10000));
	virtio_destroy(&slow->dev);
	free(slow);
}

/* What a vCPU does to a device, over the bus. */
struct access {
	struct pci_bus *bus;
	struct virtio_device *dev;
	pthread_t thread;
};

static void *look(void *arg)
{
	struct access *a = arg;
	u64 bar = pci_bar_address(&a->dev->pci);
	u8 value;

	pci_mmio(a->bus, bar + FIELD(device_status), &value, sizeof(value), false);
	pci_mmio(a->bus, bar + FIELD(config_generation), &value, sizeof(value), false);
	(void)pci_config_ops.in(a->bus, 4, 4);
	return NULL;
}

static void *reset(void *arg)
{
	struct access *a = arg;
	u8 zero = 0;

	pci_mmio(a->bus, pci_bar_address(&a->dev->pci) + FIELD(device_status), &zero, sizeof(zero),
		 true);
	return NULL;
}

static bool ends_within(struct access *a, u32 sec)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += sec;
	return !pthread_clockjoin_np(a->thread, NULL, CLOCK_MONOTONIC, &until);
}

/* One disk that does not come back must stop neither the vCPU that looks at it nor all others. */
TEST_F(virtio, waits_for_no_other)
{
	struct slow *slow = start_slow(&self->kvm, &self->ram, &self->bus);
	struct access own, other, waiter;

	ASSERT_NE(NULL, slow);
	set_config(&slow->dev, PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	set_config(self->dev, PCI_COMMAND, PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY);
	/* The configuration looked at is that of slot 1, where the slow one is not. */
	pci_config_ops.out(&self->bus, 0, 4, 0x80000000 | 1 << 11);
	own = (struct access){ .bus = &self->bus, .dev = &slow->dev };
	waiter = own;
	other = (struct access){ .bus = &self->bus, .dev = self->dev };
	ASSERT_EQ(0, pthread_create(&own.thread, NULL, look, &own));
	EXPECT_TRUE(ends_within(&own, 2));
	ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, reset, &waiter));
	EXPECT_FALSE(ends_within(&waiter, 1));
	ASSERT_EQ(0, pthread_create(&other.thread, NULL, look, &other));
	EXPECT_TRUE(ends_within(&other, 2));
	ASSERT_EQ(1, write(slow->pipe[1], "", 1));
	EXPECT_TRUE(ends_within(&waiter, 10));
	virtio_end(&slow->dev);
	EXPECT_TRUE(join_within(&slow->dev, 10000));
	virtio_destroy(&slow->dev);
	free(slow);
}

TEST_F(virtio, breaks_a_console_without_room)
{
	static const struct { u32 len; u16 flags; } bad[] = {
		{ 0, VRING_DESC_F_WRITE }, { 0, 0 }, { 16, 0 },
	};
	struct virtio_console console = { 0 };
	struct queue *q = &console.dev.queues[0];
	struct error err;
	size_t i;

	ASSERT_EQ(0, console_init(&console, NULL, NULL, &self->kvm, &self->ram, &err));
	ASSERT_EQ(0, virtio_plug(&console.dev, &self->bus, &err));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		make_ready(&console.dev, VERSION_1);
		offer(q, 1, VRING_DESC_F_WRITE);
		EXPECT_TRUE(console_receive(&console, (const u8 *)"a", 1));
		EXPECT_TRUE(virtio_ready(&console.dev));
		offer(q, bad[i].len, bad[i].flags);
		EXPECT_TRUE(console_receive(&console, (const u8 *)"b", 1));
		EXPECT_FALSE(virtio_ready(&console.dev)) {
			TH_LOG("case %zu", i);
		}
		EXPECT_EQ(1, q->used->idx);
		EXPECT_EQ(0, console_room(&console));
		set_status(&console.dev, 0);
		forget_rings(&self->ram);
	}
	virtio_destroy(&console.dev);
}

static u64 read_isr(struct virtio_device *dev)
{
	return dev->pci.ops->bar_read(&dev->pci, ISR_OFFSET, 1);
}

TEST_F(virtio, shares_interrupts)
{
	u32 *level = &levels[self->dev->intx.gsi];
	struct virtio_rng other = { 0 };
	struct pci_device between = { 0 };
	struct error err;
	u32 i;

	for (i = 1; i < GSI_PCI_COUNT; i++)
		pci_bus_add(&self->bus, &between);
	ASSERT_EQ(0, rng_init(&other, &self->kvm, &self->ram, &err));
	ASSERT_EQ(0, virtio_plug(&other.dev, &self->bus, &err));
	ASSERT_EQ(self->dev->intx.gsi, other.dev.intx.gsi);
	virtio_interrupt(self->dev, &self->dev->queues[0]);
	virtio_interrupt(&other.dev, &other.dev.queues[0]);
	virtio_interrupt(&other.dev, &other.dev.queues[0]);
	EXPECT_EQ(1, *level);
	EXPECT_EQ(1, read_isr(&other.dev));
	EXPECT_EQ(0, read_isr(&other.dev));
	EXPECT_EQ(1, *level);
	EXPECT_EQ(1, read_isr(self->dev));
	EXPECT_EQ(0, *level);
	/* A reset lets go of the line, too. */
	virtio_interrupt(&other.dev, &other.dev.queues[0]);
	EXPECT_EQ(1, *level);
	set_status(&other.dev, 0);
	EXPECT_EQ(0, *level);
	virtio_destroy(&other.dev);
}

TEST(does_not_wait_to_complain)
{
	static const char want[] = "vellum: --disk x: broken (it is out of order";
	static const char junk[PIPE_SIZE];
	struct vhost vhost = { .option = "--disk x" };
	int saved = dup(STDERR_FILENO);
	char got[PIPE_SIZE];
	int fds[2];

	ASSERT_EQ(0, pipe2(fds, O_NONBLOCK));
	ASSERT_EQ(PIPE_SIZE, fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE));
	ASSERT_EQ(sizeof(junk), write(fds[1], junk, sizeof(junk)));
	ASSERT_EQ(0, fcntl(fds[1], F_SETFL, 0));
	dup2(fds[1], STDERR_FILENO);
	EXPECT_EQ(-1, vhost_complain(&vhost, "lost"));
	(void)!read(fds[0], got, sizeof(got));
	EXPECT_EQ(-1, vhost_complain(&vhost, "broken"));
	dup2(saved, STDERR_FILENO);
	memset(got, 0, sizeof(got));
	ASSERT_LT(0, read(fds[0], got, sizeof(got) - 1));
	EXPECT_EQ(0, strncmp(want, got, strlen(want)));
}

TEST_HARNESS_MAIN
