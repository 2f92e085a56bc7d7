// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards what the launcher asks of a vhost device whose kernel side is made up here: a driver's
 * reset waits until the disk has done all it took, the end of the machine does not; no driver is
 * told an old size; a card whose tap is gone is one without a cable.
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/vhost_blk.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "unit_driver.h"
#include "net/link.h"
#include "virtio/blk.h"
#include "virtio/net.h"

#define RAM_SIZE	(4 * MIB)

/**
 * struct kernel - the other side of ioctl()
 * @owned: VHOST_SET_OWNER was called, and VHOST_RESET_OWNER not since
 * @running: the disk's queues run
 * @waits: how often it was waited for all that the disk had taken
 * @sectors: the disk's size
 * @tap: what the tap answers, an errno
 * @backends: queues of the card that have a tap
 */
static struct kernel {
	bool owned;
	bool running;
	u32 waits;
	u64 sectors;
	int tap;
	u32 backends;
} kernel;

/* In place of the host's links. */
int link_up(const char *name, const char *option, struct error *err)
{
	return -1;
}

int link_join(struct link_bridge *b, const char *name, const char *bridge, const char *option,
	      struct error *err)
{
	return -1;
}

void link_leave(struct link_bridge *b)
{
}

static int set_running(int running)
{
	kernel.waits += kernel.running && !running;
	kernel.running = running;
	return 0;
}

static int get_config(struct vhost_blk_config *part)
{
	struct virtio_blk_config config = { .capacity = kernel.sectors };

	memcpy(part->data, &config, sizeof(config));
	return 0;
}

/* In place of the C library's. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	switch (request) {
	case KVM_CHECK_EXTENSION:
		return 1;
	case VHOST_SET_OWNER:
		kernel.owned = true;
		return 0;
	case VHOST_RESET_OWNER:
		kernel.owned = false;
		kernel.running = false;
		return 0;
	case VHOST_GET_FEATURES:
		*(__u64 *)arg = VERSION_1;
		return 0;
	case VHOST_BLK_SET_RUNNING:
		return set_running(*(int *)arg);
	case TUNSETOFFLOAD:
		errno = kernel.tap;
		return kernel.tap ? -1 : 0;
	case VHOST_NET_SET_BACKEND:
		kernel.backends += ((struct vhost_vring_file *)arg)->fd >= 0;
		return 0;
	case VHOST_BLK_GET_CONFIG:
		return get_config(arg);
	default:
		return 0;
	}
}

FIXTURE(disk)
{
	struct kvm kvm;
	struct guest_ram ram;
	struct pci_bus bus;
	struct irq_routes routes;
	struct virtio_blk *blk;
	struct virtio_device *dev;
};

FIXTURE_SETUP(disk)
{
	struct error err;

	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0, ram_create(&self->ram, RAM_SIZE, NULL, &err));
	pci_bus_init(&self->bus, NULL);
	routes_init(&self->routes, &self->kvm);
	self->blk = calloc(1, sizeof(*self->blk));
	ASSERT_NE(NULL, self->blk);
	self->blk->path = "disk";
	self->blk->fd = memfd_create("disk", MFD_CLOEXEC);
	self->blk->vhost.routes = &self->routes;
	self->dev = &self->blk->dev;
	ASSERT_EQ(0, vhost_open(&self->blk->vhost, "/dev/null", "--disk disk", &err));
	ASSERT_EQ(0, blk_init_vhost(self->blk, &self->kvm, &self->ram, 1, &err));
	ASSERT_EQ(0, virtio_plug(self->dev, &self->bus, &err));
	ASSERT_EQ(0, virtio_start(self->dev, &err));
}

FIXTURE_TEARDOWN(disk)
{
	virtio_end(self->dev);
	EXPECT_TRUE(join_within(self->dev, 10000));
	virtio_destroy(self->dev);
	blk_close(self->blk);
	free(self->blk);
	ram_destroy(&self->ram);
}

TEST_F(disk, is_waited_for_by_its_driver)
{
	make_ready(self->dev, VERSION_1);
	EXPECT_TRUE(kernel.running);
	set_status(self->dev, 0);
	EXPECT_FALSE(kernel.running);
	EXPECT_EQ(1, kernel.waits);
	EXPECT_TRUE(kernel.owned);
}

/* A guest may have asked for terabytes of zeroes. */
TEST_F(disk, is_not_waited_for_at_the_end)
{
	make_ready(self->dev, VERSION_1);
	virtio_end(self->dev);
	EXPECT_TRUE(join_within(self->dev, 10000));
	EXPECT_FALSE(kernel.running);
	EXPECT_EQ(0, kernel.waits);
}

static u64 capacity(const struct virtio_device *dev)
{
	const struct virtio_blk_config *config = dev->config;

	return config->capacity;
}

/* As the device's thread. */
static void hear(struct virtio_device *dev)
{
	pthread_mutex_lock(&dev->io_lock);
	if (virtio_ready(dev) && dev->ops->serve(dev))
		virtio_fail(dev);
	pthread_mutex_unlock(&dev->io_lock);
}

static bool is_broken(const struct virtio_device *dev)
{
	return dev->status & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* The disk may change when the kernel knows nobody to tell. */
TEST_F(disk, has_its_size_when_a_driver_comes)
{
	kernel.sectors = 1000;
	make_ready(self->dev, VERSION_1);
	EXPECT_EQ(1000, capacity(self->dev));
	set_status(self->dev, 0);
	kernel.sectors = 2000;
	make_ready(self->dev, VERSION_1);
	EXPECT_EQ(2000, capacity(self->dev));
	/* It may have looked before it was ready. */
	EXPECT_EQ(2, self->dev->config_generation);
}

/* Two pieces of news at once, whichever comes first. */
TEST_F(disk, has_its_size_when_a_ring_broke)
{
	int saved = dup(STDERR_FILENO), null = memfd_create("stderr", MFD_CLOEXEC);

	make_ready(self->dev, VERSION_1);
	dup2(null, STDERR_FILENO);
	kernel.sectors = 3000;
	pthread_mutex_lock(&self->dev->io_lock);
	eventfd_write(self->blk->vhost.config_fd, 1);
	eventfd_write(self->blk->vhost.queues[0].err_fd, 1);
	pthread_mutex_unlock(&self->dev->io_lock);
	hear(self->dev);
	dup2(saved, STDERR_FILENO);
	EXPECT_TRUE(is_broken(self->dev));
	EXPECT_EQ(3000, capacity(self->dev));
}

FIXTURE(card)
{
	struct kvm kvm;
	struct guest_ram ram;
	struct pci_bus bus;
	struct irq_routes routes;
	struct virtio_net *net;
};

FIXTURE_SETUP(card)
{
	struct error err;

	memset(self, 0, sizeof(*self));
	ASSERT_EQ(0, ram_create(&self->ram, RAM_SIZE, NULL, &err));
	pci_bus_init(&self->bus, NULL);
	routes_init(&self->routes, &self->kvm);
	self->net = calloc(1, sizeof(*self->net));
	ASSERT_NE(NULL, self->net);
	self->net->tap = (struct tap){ .fd = eventfd(0, EFD_NONBLOCK), .option = "--net tap=t" };
	self->net->vhost.routes = &self->routes;
	ASSERT_EQ(0, vhost_open(&self->net->vhost, "/dev/null", "--net tap=t", &err));
	ASSERT_EQ(0, net_init(self->net, NULL, &self->kvm, &self->ram, &err));
	ASSERT_EQ(0, virtio_plug(&self->net->dev, &self->bus, &err));
}

FIXTURE_TEARDOWN(card)
{
	net_destroy(self->net);
	free(self->net);
	ram_destroy(&self->ram);
}

/* The kernel still takes packets from the driver, which gets its buffers back. */
TEST_F(card, is_there_without_a_tap)
{
	kernel.tap = EBADFD;
	make_ready(&self->net->dev, VERSION_1);
	EXPECT_TRUE(virtio_ready(&self->net->dev));
	EXPECT_EQ(NET_QUEUES, kernel.backends);
	EXPECT_EQ(0, self->net->config.status);
	kernel.tap = EINVAL;
	set_status(&self->net->dev, 0);
	make_ready(&self->net->dev, VERSION_1);
	EXPECT_FALSE(virtio_ready(&self->net->dev));
}

TEST_HARNESS_MAIN
