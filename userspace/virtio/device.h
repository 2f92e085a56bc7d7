/* SPDX-License-Identifier: GPL-2.0-only */
/* A virtio device on PCI: transport state, queues, and the thread that serves them. */
#ifndef VELLUM_VIRTIO_DEVICE_H
#define VELLUM_VIRTIO_DEVICE_H

#include "devices/pci.h"
#include "virtio/bits.h"
#include "virtio/msix.h"
#include "virtio/queue.h"
#include "vm/irq.h"

#include <pthread.h>

#define VIRTIO_QUEUES_MAX	16

struct virtio_device;

/**
 * struct virtio_ops - what makes a device a disk or a console
 * @name: for messages and thread names, at most 15 bytes
 * @type: virtio device id
 * @class_code: PCI class
 * @queues: virtqueues; an instance may have others, see queue_count
 * @features: offered beyond those of the transport
 * @config_size: bytes of device configuration
 * @serve: handle all requests waiting in the queues; returns -1 when the driver broke the rules
 * @start: the driver became ready; returns -1 when the device cannot work as it is set up. Optional
 * @stop: the driver reset the device, or the machine ends; after @start only. Optional
 * @vectors_changed: an MSI-X entry, mask or a queue's vector changed; irq_lock is held. Optional
 *
 * @serve runs on the device's thread with its io_lock held, while the driver is ready; the others
 * run with it held, too. A guest can make work without end: @serve looks at virtio_is_ending().
 */
struct virtio_ops {
	const char *name;
	u16 type;
	u32 class_code;
	u32 queues;
	u64 features;
	u32 config_size;
	int (*serve)(struct virtio_device *dev);
	int (*start)(struct virtio_device *dev);
	void (*stop)(struct virtio_device *dev);
	void (*vectors_changed)(struct virtio_device *dev);
};

/**
 * struct virtio_device - a device
 * @pci: the function; its lock protects all registers
 * @ops: behaviour
 * @kvm: the VM
 * @config: device configuration, read-only for the driver; see virtio_config_set()
 * @extra_features: offered by this instance beyond ops->features
 * @hidden_features: not offered by this instance
 * @queue_count: virtqueues of this instance
 *
 * @io_lock: protects queues, @driver_features, @status, @master, @broken, @running and @poll_on;
 *	held while requests are handled, which takes time. Taken inside the function's lock, without
 *	which only @status changes of what a register shows: to read one takes no io_lock.
 * @driver_features: accepted by the driver
 * @status: device status field
 * @master: the function may access memory
 * @broken: the driver broke the rules; nothing is served until it resets the device
 * @running: ops->start was called, and ops->stop not yet
 *
 * @config_lock: protects the device configuration and @config_generation, innermost
 * @config_generation: counts changes of the device configuration
 *
 * @irq_lock: protects @msix, @intx, @isr and vectors; innermost but for those of vm/
 * @isr: interrupt status register
 * @config_vector: MSI-X vector for configuration changes
 *
 * @feature_select: which half of the device's features is read
 * @driver_feature_select: which half of the driver's features is written
 * @queue_select: queue the common registers refer to
 * @msix_cap: offset of the MSI-X capability
 * @access_cap: offset of the configuration access capability
 *
 * @kick_fd: wakes @thread
 * @queue_kicks: for each queue what its notifications write to, all @kick_fd unless others serve
 * @poll_fd: ops->serve is to be called when this is readable, too, or -1
 * @poll_on: @poll_fd is of interest now
 * @doorbell: address the hypervisor watches for notifications, 0 when none
 * @thread: serves the queues
 * @quit: set before the last kick
 * @started: @thread exists
 */
struct virtio_device {
	struct pci_device pci;
	const struct virtio_ops *ops;
	const struct kvm *kvm;
	const void *config;
	u64 extra_features;
	u64 hidden_features;
	u32 queue_count;

	pthread_mutex_t io_lock;
	struct queue queues[VIRTIO_QUEUES_MAX];
	u64 driver_features;
	u8 status;
	bool master;
	bool broken;
	bool running;

	pthread_mutex_t config_lock;
	u8 config_generation;

	pthread_mutex_t irq_lock;
	struct msix msix;
	struct irq_line intx;
	u8 isr;
	u16 config_vector;

	u32 feature_select;
	u32 driver_feature_select;
	u16 queue_select;
	u8 msix_cap;
	u8 access_cap;

	int kick_fd;
	int queue_kicks[VIRTIO_QUEUES_MAX];
	int poll_fd;
	bool poll_on;
	u64 doorbell;
	pthread_t thread;
	int quit;
	bool started;
};

int virtio_init(struct virtio_device *dev, const struct virtio_ops *ops, const struct kvm *kvm,
		const struct guest_ram *ram, struct error *err);
int virtio_plug(struct virtio_device *dev, struct pci_bus *bus, struct error *err);
int virtio_start(struct virtio_device *dev, struct error *err);
void virtio_end(struct virtio_device *dev);
bool virtio_join(struct virtio_device *dev, const struct timespec *until);
void virtio_destroy(struct virtio_device *dev);

/* For devices. */
bool virtio_ready(const struct virtio_device *dev);
bool virtio_is_ending(const struct virtio_device *dev);
void virtio_kick(struct virtio_device *dev);
void virtio_fail(struct virtio_device *dev);
void virtio_config_set(struct virtio_device *dev, void *field, const void *value, size_t len);
void virtio_interrupt(struct virtio_device *dev, const struct queue *q);
void virtio_notify_queue(struct virtio_device *dev, struct queue *q);
int virtio_drain(struct virtio_device *dev, struct queue *q,
		 int (*handle)(struct virtio_device *dev, struct chain *chain, u32 *written));

/* For the transport. */
u64 virtio_features(const struct virtio_device *dev);
void virtio_reset(struct virtio_device *dev);
void virtio_set_master(struct virtio_device *dev, bool master);
void virtio_driver_ready(struct virtio_device *dev);
void virtio_notified(struct virtio_device *dev, u32 queue);
void virtio_vectors_changed(struct virtio_device *dev);
void virtio_intx_update(struct virtio_device *dev);

#endif
