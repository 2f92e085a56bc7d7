// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio 1.2, "Virtio Over PCI Bus", modern devices only. BAR 0 holds, one after another: common
 * configuration, interrupt status, device configuration, notification, MSI-X table, pending bits.
 * Each queue has a notification register, hence an ioeventfd, of its own.
 */
#include "virtio/transport.h"

#include <errno.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/virtio_pci.h>
#include <string.h>
#include <sys/ioctl.h>

#define REGION_SIZE		0x1000ULL
#define BAR_SIZE		(8 * REGION_SIZE)

enum region {
	REGION_COMMON,
	REGION_ISR,
	REGION_DEVICE,
	REGION_NOTIFY,
	REGION_MSIX,
	REGION_PBA,
};

#define VIRTIO_PCI_VENDOR	0x1af4
#define VIRTIO_PCI_DEVICE	0x1040	/* plus the device id */
#define VIRTIO_PCI_SUBSYSTEM	0x1100
#define VIRTIO_PCI_REVISION	1
#define NOTIFY_SIZE		4	/* of each queue */
#define ISR_SIZE		1
#define INTA			1

/* Return: offset of the capability. */
static u8 add_region(struct virtio_device *dev, u8 type, u8 cap_len, enum region region, u32 len)
{
	struct pci_device *pci = &dev->pci;
	u8 at = pci_add_capability(pci, PCI_CAP_ID_VNDR, cap_len);

	pci_set(pci, at + offsetof(struct virtio_pci_cap, cap_len), 1, cap_len);
	pci_set(pci, at + offsetof(struct virtio_pci_cap, cfg_type), 1, type);
	pci_set(pci, at + offsetof(struct virtio_pci_cap, offset), 4, region * (u32)REGION_SIZE);
	pci_set(pci, at + offsetof(struct virtio_pci_cap, length), 4, len);
	return at;
}

static void add_msix(struct virtio_device *dev)
{
	struct pci_device *pci = &dev->pci;
	u8 at = pci_add_capability(pci, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);

	dev->msix_cap = at;
	pci_set(pci, at + PCI_MSIX_FLAGS, 2, dev->msix.vectors - 1);
	pci_set(pci, at + PCI_MSIX_TABLE, 4, REGION_MSIX * (u32)REGION_SIZE);
	pci_set(pci, at + PCI_MSIX_PBA, 4, REGION_PBA * (u32)REGION_SIZE);
	pci->writable[at + PCI_MSIX_FLAGS + 1] =
		(PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8;
}

/* A window into BAR 0 for software that cannot map it: BAR, offset and length are the driver's. */
static void add_access_window(struct virtio_device *dev)
{
	u8 at = pci_add_capability(&dev->pci, PCI_CAP_ID_VNDR, sizeof(struct virtio_pci_cfg_cap));

	dev->access_cap = at;
	pci_set(&dev->pci, at + offsetof(struct virtio_pci_cap, cap_len), 1,
		sizeof(struct virtio_pci_cfg_cap));
	pci_set(&dev->pci, at + offsetof(struct virtio_pci_cap, cfg_type), 1,
		VIRTIO_PCI_CAP_PCI_CFG);
	dev->pci.writable[at + offsetof(struct virtio_pci_cap, bar)] = 0xff;
	memset(dev->pci.writable + at + offsetof(struct virtio_pci_cap, offset), 0xff,
	       sizeof(struct virtio_pci_cfg_cap) - offsetof(struct virtio_pci_cap, offset));
}

static u64 isr_read(struct virtio_device *dev)
{
	u64 isr;

	/* Reading acknowledges. */
	pthread_mutex_lock(&dev->irq_lock);
	isr = dev->isr;
	dev->isr = 0;
	virtio_intx_update(dev);
	pthread_mutex_unlock(&dev->irq_lock);
	return isr;
}

static u64 device_config_read(struct virtio_device *dev, u64 offset, u32 len)
{
	u64 value = 0;

	pthread_mutex_lock(&dev->config_lock);
	if (offset < dev->ops->config_size)
		memcpy(&value, (const u8 *)dev->config + offset,
		       min_u64(len, dev->ops->config_size - offset));
	pthread_mutex_unlock(&dev->config_lock);
	return value;
}

static u64 msix_region_read(struct virtio_device *dev, enum region region, u64 offset, u32 len)
{
	u64 value;

	pthread_mutex_lock(&dev->irq_lock);
	value = region == REGION_MSIX ? msix_table_read(&dev->msix, offset, len) :
					msix_pba_read(&dev->msix, offset, len);
	pthread_mutex_unlock(&dev->irq_lock);
	return value;
}

static u64 bar_read(struct pci_device *pci, u64 offset, u32 len)
{
	struct virtio_device *dev = container_of(pci, struct virtio_device, pci);
	enum region region = offset / REGION_SIZE;

	offset %= REGION_SIZE;
	switch (region) {
	case REGION_COMMON:
		return common_read(dev, offset, len);
	case REGION_ISR:
		return offset ? 0 : isr_read(dev);
	case REGION_DEVICE:
		return device_config_read(dev, offset, len);
	case REGION_MSIX:
	case REGION_PBA:
		return msix_region_read(dev, region, offset, len);
	default:
		return 0;
	}
}

static void bar_write(struct pci_device *pci, u64 offset, u32 len, u64 value)
{
	struct virtio_device *dev = container_of(pci, struct virtio_device, pci);
	enum region region = offset / REGION_SIZE;

	offset %= REGION_SIZE;
	if (region == REGION_COMMON) {
		common_write(dev, offset, len, value);
	} else if (region == REGION_NOTIFY) {
		virtio_notified(dev, (u32)offset / NOTIFY_SIZE);
	} else if (region == REGION_MSIX) {
		pthread_mutex_lock(&dev->irq_lock);
		msix_table_write(&dev->msix, offset, len, value);
		virtio_vectors_changed(dev);
		pthread_mutex_unlock(&dev->irq_lock);
	}
}

/*
 * Length 0 matches any write, which spares decoding the instruction. A queue that gets no doorbell
 * has its writes handled by bar_write().
 */
static void set_doorbells(const struct virtio_device *dev, u64 addr, u32 flags)
{
	struct kvm_ioeventfd doorbell = {
		.len = kvm_cap(dev->kvm, KVM_CAP_IOEVENTFD_ANY_LENGTH) ? 0 : sizeof(u16),
		.flags = flags,
	};
	u32 i;

	for (i = 0; i < dev->queue_count; i++) {
		doorbell.addr = addr + i * NOTIFY_SIZE;
		doorbell.fd = dev->queue_kicks[i];
		(void)ioctl(dev->kvm->vm_fd, KVM_IOEVENTFD, &doorbell);
	}
}

/* Let the hypervisor watch the notification registers wherever BAR 0 is now. */
static void move_doorbell(struct virtio_device *dev)
{
	u64 bar = pci_bar_address(&dev->pci);
	u64 addr = bar ? bar + REGION_NOTIFY * REGION_SIZE : 0;

	if (addr == dev->doorbell)
		return;
	if (dev->doorbell)
		set_doorbells(dev, dev->doorbell, KVM_IOEVENTFD_FLAG_DEASSIGN);
	dev->doorbell = addr;
	if (addr)
		set_doorbells(dev, addr, 0);
}

/* Where the access window points, or false when it points nowhere. */
static bool access_target(const struct virtio_device *dev, u64 *offset, u32 *len)
{
	u32 cap = dev->access_cap;

	*offset = pci_get(&dev->pci, cap + offsetof(struct virtio_pci_cap, offset), 4);
	*len = pci_get(&dev->pci, cap + offsetof(struct virtio_pci_cap, length), 4);
	return !pci_get(&dev->pci, cap + offsetof(struct virtio_pci_cap, bar), 1) &&
	       (*len == 1 || *len == 2 || *len == 4) && !(*offset & (*len - 1)) &&
	       *offset < BAR_SIZE;
}

static bool touches_access_data(const struct virtio_device *dev, u32 offset, u32 len)
{
	u32 data = dev->access_cap + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data);

	return offset < data + 4 && offset + len > data;
}

static void config_read(struct pci_device *pci, u32 offset)
{
	struct virtio_device *dev = container_of(pci, struct virtio_device, pci);
	u64 target;
	u32 len;

	if (touches_access_data(dev, offset, 1) && access_target(dev, &target, &len))
		pci_set(pci, dev->access_cap + offsetof(struct virtio_pci_cfg_cap, pci_cfg_data),
			len, (u32)bar_read(pci, target, len));
	pthread_mutex_lock(&dev->irq_lock);
	pci_set(pci, PCI_STATUS, 2, (pci_get(pci, PCI_STATUS, 2) & ~(u32)PCI_STATUS_INTERRUPT) |
				    (dev->isr ? PCI_STATUS_INTERRUPT : 0));
	pthread_mutex_unlock(&dev->irq_lock);
}

static void config_written(struct pci_device *pci, u32 offset, u32 written)
{
	struct virtio_device *dev = container_of(pci, struct virtio_device, pci);
	bool master = pci_get(pci, PCI_COMMAND, 2) & PCI_COMMAND_MASTER;
	u64 target;
	u32 len;

	if (master != dev->master)
		virtio_set_master(dev, master);
	if (touches_access_data(dev, offset, written) && access_target(dev, &target, &len))
		bar_write(pci, target, len,
			  pci_get(pci, dev->access_cap +
				       offsetof(struct virtio_pci_cfg_cap, pci_cfg_data), len));
	pthread_mutex_lock(&dev->irq_lock);
	msix_set_control(&dev->msix, (u16)pci_get(pci, dev->msix_cap + PCI_MSIX_FLAGS, 2), master);
	virtio_vectors_changed(dev);
	virtio_intx_update(dev);
	pthread_mutex_unlock(&dev->irq_lock);
	move_doorbell(dev);
}

static const struct pci_ops transport_pci_ops = {
	.bar_read = bar_read,
	.bar_write = bar_write,
	.config_read = config_read,
	.config_written = config_written,
};

static void add_notify(struct virtio_device *dev)
{
	u8 at = add_region(dev, VIRTIO_PCI_CAP_NOTIFY_CFG, sizeof(struct virtio_pci_notify_cap),
			   REGION_NOTIFY, NOTIFY_SIZE * dev->queue_count);

	pci_set(&dev->pci, at + offsetof(struct virtio_pci_notify_cap, notify_off_multiplier), 4,
		NOTIFY_SIZE);
}

/* Make the device a PCI function. */
void transport_init(struct virtio_device *dev)
{
	const struct pci_identity identity = {
		.vendor = VIRTIO_PCI_VENDOR,
		.device = (u16)(VIRTIO_PCI_DEVICE + dev->ops->type),
		.class_code = dev->ops->class_code,
		.revision = VIRTIO_PCI_REVISION,
		.subsystem = VIRTIO_PCI_SUBSYSTEM,
	};

	pci_device_init(&dev->pci, &transport_pci_ops, &identity);
	dev->pci.bar_size = BAR_SIZE;
	pci_set(&dev->pci, PCI_INTERRUPT_PIN, 1, INTA);
	msix_init(&dev->msix, dev->kvm, dev->queue_count + 1);
	add_region(dev, VIRTIO_PCI_CAP_COMMON_CFG, sizeof(struct virtio_pci_cap), REGION_COMMON,
		   sizeof(struct virtio_pci_common_cfg));
	add_notify(dev);
	add_region(dev, VIRTIO_PCI_CAP_ISR_CFG, sizeof(struct virtio_pci_cap), REGION_ISR,
		   ISR_SIZE);
	if (dev->ops->config_size)
		add_region(dev, VIRTIO_PCI_CAP_DEVICE_CFG, sizeof(struct virtio_pci_cap),
			   REGION_DEVICE, dev->ops->config_size);
	add_msix(dev);
	add_access_window(dev);
}
