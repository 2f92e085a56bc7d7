// SPDX-License-Identifier: GPL-2.0-only
/*
 * What all virtio devices share: life cycle, the serving thread, interrupts. Requests are handled
 * on a thread of the device, so that a slow disk never stops a vCPU; the hypervisor signals
 * notifications to it through an ioeventfd without leaving the kernel.
 */
#include "virtio/device.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/ports.h"
#include "virtio/transport.h"

#define ISR_QUEUE	BIT(0)
#define ISR_CONFIG	BIT(1)

#define TRANSPORT_FEATURES	(FEATURE(VIRTIO_F_VERSION_1) | \
				 FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | \
				 FEATURE(VIRTIO_RING_F_EVENT_IDX))

u64 virtio_features(const struct virtio_device *dev)
{
	return (TRANSPORT_FEATURES | dev->ops->features | dev->extra_features) &
	       ~dev->hidden_features;
}

/**
 * virtio_init() - set up a device that is not on a bus yet
 * @dev: zeroed by the caller apart from what the device owns
 * @ops: behaviour
 * @kvm: the VM
 * @ram: its RAM
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int virtio_init(struct virtio_device *dev, const struct virtio_ops *ops, const struct kvm *kvm,
		const struct guest_ram *ram, struct error *err)
{
	u32 i;

	dev->ops = ops;
	dev->kvm = kvm;
	dev->queue_count = ops->queues;
	dev->poll_fd = -1;
	pthread_mutex_init(&dev->io_lock, NULL);
	pthread_mutex_init(&dev->config_lock, NULL);
	pthread_mutex_init(&dev->irq_lock, NULL);
	for (i = 0; i < VIRTIO_QUEUES_MAX; i++)
		dev->queues[i].ram = ram;
	virtio_reset(dev);
	dev->kick_fd = eventfd(0, EFD_CLOEXEC);
	if (dev->kick_fd < 0)
		return error_set(err, STATUS_OS, "%s: eventfd: %s", ops->name, strerror(errno));
	for (i = 0; i < VIRTIO_QUEUES_MAX; i++)
		dev->queue_kicks[i] = dev->kick_fd;
	return 0;
}

/* Plug the device into the bus. */
int virtio_plug(struct virtio_device *dev, struct pci_bus *bus, struct error *err)
{
	int slot;

	transport_init(dev);
	slot = pci_bus_add(bus, &dev->pci);
	if (slot < 0)
		return error_set(err, STATUS_USAGE, "--disk, --net: too many devices (use fewer)");
	dev->intx = (struct irq_line){
		.kvm = dev->kvm,
		.pin = &bus->pins[(u32)slot % GSI_PCI_COUNT],
		.gsi = GSI_PCI_FIRST + (u32)slot % GSI_PCI_COUNT,
	};
	return 0;
}

static void stop_running(struct virtio_device *dev)
{
	if (dev->running)
		dev->ops->stop(dev);
	dev->running = false;
}

/* Back to the state after power-on. Called with the function's lock held once it is plugged in. */
void virtio_reset(struct virtio_device *dev)
{
	u32 i;

	pthread_mutex_lock(&dev->io_lock);
	stop_running(dev);
	for (i = 0; i < VIRTIO_QUEUES_MAX; i++)
		queue_reset(&dev->queues[i]);
	dev->driver_features = 0;
	dev->status = 0;
	dev->broken = false;
	pthread_mutex_unlock(&dev->io_lock);

	pthread_mutex_lock(&dev->irq_lock);
	dev->isr = 0;
	dev->config_vector = VIRTIO_MSI_NO_VECTOR;
	if (dev->intx.kvm)
		virtio_intx_update(dev);
	pthread_mutex_unlock(&dev->irq_lock);
	dev->feature_select = 0;
	dev->driver_feature_select = 0;
	dev->queue_select = 0;
}

/* Called with the irq_lock held, and either the function's lock or a fresh interrupt. */
void virtio_intx_update(struct virtio_device *dev)
{
	bool off = __atomic_load_n((u16 *)(dev->pci.config + PCI_COMMAND), __ATOMIC_RELAXED) &
		   PCI_COMMAND_INTX_DISABLE;

	irq_line_set(&dev->intx, dev->isr && !off && !dev->msix.enabled);
}

static void interrupt(struct virtio_device *dev, u8 cause, const u16 *vector)
{
	pthread_mutex_lock(&dev->irq_lock);
	if (dev->msix.enabled) {
		msix_fire(&dev->msix, *vector);
	} else {
		dev->isr |= cause;
		virtio_intx_update(dev);
	}
	pthread_mutex_unlock(&dev->irq_lock);
}

/* Tell the driver of finished requests. */
void virtio_interrupt(struct virtio_device *dev, const struct queue *q)
{
	interrupt(dev, ISR_QUEUE, &q->vector);
}

/* Called with the irq_lock held. */
void virtio_vectors_changed(struct virtio_device *dev)
{
	if (dev->ops->vectors_changed)
		dev->ops->vectors_changed(dev);
}

/* Tell the driver of finished requests if it wants to know. Called with the io_lock held. */
void virtio_notify_queue(struct virtio_device *dev, struct queue *q)
{
	if (q->enabled && queue_should_interrupt(q))
		virtio_interrupt(dev, q);
}

/* The driver broke the rules: stop, and say so. Called with the io_lock held. */
void virtio_fail(struct virtio_device *dev)
{
	if (dev->broken)
		return;
	dev->broken = true;
	__atomic_store_n(&dev->status, dev->status | VIRTIO_CONFIG_S_NEEDS_RESET, __ATOMIC_RELAXED);
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(dev, ISR_CONFIG, &dev->config_vector);
}

/* Change a field of the device configuration: let the driver look. Called with the io_lock held. */
void virtio_config_set(struct virtio_device *dev, void *field, const void *value, size_t len)
{
	pthread_mutex_lock(&dev->config_lock);
	memcpy(field, value, len);
	dev->config_generation++;
	pthread_mutex_unlock(&dev->config_lock);
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		interrupt(dev, ISR_CONFIG, &dev->config_vector);
}

/* The driver wrote DRIVER_OK. Called with the io_lock held. */
void virtio_driver_ready(struct virtio_device *dev)
{
	if (!dev->running && dev->ops->start) {
		dev->running = true;
		if (dev->ops->start(dev))
			virtio_fail(dev);
	}
	virtio_kick(dev);
}

/*
 * The driver gave the function the bus, or took it away, after which the device must leave memory
 * alone: it may belong to another kernel by now, which kexec(8) started. Whoever took it away under
 * a running device resets that before it goes on. Called with the function's lock held.
 */
void virtio_set_master(struct virtio_device *dev, bool master)
{
	pthread_mutex_lock(&dev->io_lock);
	dev->master = master;
	if (virtio_ready(dev)) {
		virtio_driver_ready(dev);
	} else if (!master && (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)) {
		stop_running(dev);
		dev->status &= (u8)~VIRTIO_CONFIG_S_DRIVER_OK;
		virtio_fail(dev);
	}
	pthread_mutex_unlock(&dev->io_lock);
}

/* A notification that no doorbell caught. */
void virtio_notified(struct virtio_device *dev, u32 queue)
{
	if (queue < dev->queue_count)
		eventfd_write(dev->queue_kicks[queue], 1);
}

/* Called with the io_lock held. */
bool virtio_ready(const struct virtio_device *dev)
{
	return (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) && dev->master && !dev->broken;
}

void virtio_kick(struct virtio_device *dev)
{
	eventfd_write(dev->kick_fd, 1);
}

/* The machine ends: no more requests are handled. */
bool virtio_is_ending(const struct virtio_device *dev)
{
	return __atomic_load_n(&dev->quit, __ATOMIC_ACQUIRE);
}

/**
 * virtio_drain() - handle all requests of a queue
 * @dev: the device, with its io_lock held
 * @q: the queue; nothing happens when it is not enabled
 * @handle: handles one request and says how many bytes it wrote; -1 for an impossible request
 *
 * The driver is told after every request: with the event index it hears only of the first one
 * after it asked, so a slow request does not hold back finished ones.
 *
 * Return: 0, or -1 when the driver broke the rules.
 */
int virtio_drain(struct virtio_device *dev, struct queue *q,
		 int (*handle)(struct virtio_device *dev, struct chain *chain, u32 *written))
{
	struct chain chain;
	u32 written;
	int r = 0;

	if (!q->enabled)
		return 0;
	do {
		while (!virtio_is_ending(dev) && (r = queue_pop(q, &chain)) > 0) {
			written = 0;
			if (handle(dev, &chain, &written))
				return -1;
			queue_push(q, &chain, written);
			virtio_notify_queue(dev, q);
		}
		if (r < 0)
			return -1;
	} while (!virtio_is_ending(dev) && queue_rearm(q));
	return 0;
}

/* Wait for a kick or, if @listen, for the device's own descriptor. */
static void wait_for_work(const struct virtio_device *dev, bool listen)
{
	struct pollfd fds[] = {
		{ .fd = dev->kick_fd, .events = POLLIN },
		{ .fd = listen ? dev->poll_fd : -1, .events = POLLIN },
	};
	eventfd_t count;

	if (poll(fds, ARRAY_SIZE(fds), -1) > 0 && fds[0].revents)
		eventfd_read(dev->kick_fd, &count);
}

static void *serve_thread(void *arg)
{
	struct virtio_device *dev = arg;
	bool listen = false;

	pthread_setname_np(pthread_self(), dev->ops->name);
	for (;;) {
		wait_for_work(dev, listen);
		if (virtio_is_ending(dev))
			break;
		pthread_mutex_lock(&dev->io_lock);
		if (virtio_ready(dev) && dev->ops->serve(dev))
			virtio_fail(dev);
		listen = virtio_ready(dev) && dev->poll_on;
		pthread_mutex_unlock(&dev->io_lock);
	}
	return NULL;
}

int virtio_start(struct virtio_device *dev, struct error *err)
{
	int r = pthread_create(&dev->thread, NULL, serve_thread, dev);

	if (r)
		return error_set(err, STATUS_OS, "%s: cannot start a thread: %s", dev->ops->name,
				 strerror(r));
	dev->started = true;
	return 0;
}

/* Ask the device's thread to end; others may hold its locks or wait for them. */
void virtio_end(struct virtio_device *dev)
{
	__atomic_store_n(&dev->quit, 1, __ATOMIC_RELEASE);
	if (dev->started)
		virtio_kick(dev);
}

/**
 * virtio_join() - wait for the device's thread and take the queues back
 * @dev: the device, after virtio_end(); no vCPU runs any more
 * @until: CLOCK_MONOTONIC, how long to wait at most
 *
 * Return: false when the thread still runs: a request of its does not come back.
 */
bool virtio_join(struct virtio_device *dev, const struct timespec *until)
{
	if (!dev->started)
		return true;
	if (pthread_clockjoin_np(dev->thread, NULL, CLOCK_MONOTONIC, until))
		return false;
	dev->started = false;
	pthread_mutex_lock(&dev->io_lock);
	stop_running(dev);
	pthread_mutex_unlock(&dev->io_lock);
	return true;
}

void virtio_destroy(struct virtio_device *dev)
{
	if (dev->ops)
		close(dev->kick_fd);
	dev->ops = NULL;
}
