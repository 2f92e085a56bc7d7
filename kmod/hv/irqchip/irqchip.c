// SPDX-License-Identifier: GPL-2.0-only
/* The in-kernel irqchip as a whole: creation, its state by ioctl, what a vCPU asks it. */
#include <linux/slab.h>

#include "irqchip/apic_map.h"
#include "irqchip/chip.h"
#include "irqchip/lapic_int.h"
#include "irqchip/pit.h"

/* May an irqchip be created now? Under vm->lock. */
static int creation_error(const struct hv_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (hv_vm_irqchip_in_kernel(vm))
		return -EEXIST;
	/* vCPUs get their LAPIC when they are created */
	return vm->created_vcpus ? -EINVAL : 0;
}

static struct hv_irqchip *chip_create(struct hv_vm *vm)
{
	struct hv_irqchip *chip = kzalloc(sizeof(*chip), GFP_KERNEL_ACCOUNT);
	int ret;

	lockdep_assert_held(&vm->slots_lock);
	if (!chip)
		return ERR_PTR(-ENOMEM);
	ret = hv_pic_init(&chip->pic, vm);
	if (ret)
		goto free;
	ret = hv_ioapic_init(&chip->ioapic, vm);
	if (ret)
		goto pic;
	return chip;
pic:
	hv_pic_fini(&chip->pic);
free:
	kfree(chip);
	return ERR_PTR(ret);
}

static void chip_destroy(struct hv_irqchip *chip)
{
	hv_pit_destroy(chip->pit);
	hv_ioapic_fini(&chip->ioapic);
	hv_pic_fini(&chip->pic);
	kfree(chip);
}

static int create_locked(struct hv_vm *vm)
{
	struct hv_irqchip *chip;
	int ret = creation_error(vm);

	if (ret)
		return ret;
	mutex_lock(&vm->slots_lock);
	chip = chip_create(vm);
	if (IS_ERR(chip)) {
		mutex_unlock(&vm->slots_lock);
		return PTR_ERR(chip);
	}
	ret = hv_routing_set_default(vm);
	if (ret)
		chip_destroy(chip);
	else
		/* whoever sees it sees it complete; no vCPU can reach its ports yet */
		smp_store_release(&vm->irqchip, chip);
	mutex_unlock(&vm->slots_lock);
	return ret;
}

/**
 * hv_irqchip_create() - KVM_CREATE_IRQCHIP
 * @vm: the VM
 *
 * Return: 0; -EEXIST if there is one already, split or full; -EINVAL if vCPUs
 * were created; -ENOMEM.
 */
int hv_irqchip_create(struct hv_vm *vm)
{
	int ret;

	mutex_lock(&vm->lock);
	ret = create_locked(vm);
	mutex_unlock(&vm->lock);
	return ret;
}

/**
 * hv_irqchip_create_split() - KVM_CAP_SPLIT_IRQCHIP: only LAPICs in the kernel
 * @vm: the VM
 *
 * Return: as hv_irqchip_create()
 */
int hv_irqchip_create_split(struct hv_vm *vm)
{
	int ret;

	mutex_lock(&vm->lock);
	ret = creation_error(vm);
	if (!ret)
		WRITE_ONCE(vm->split_irqchip, true);
	mutex_unlock(&vm->lock);
	return ret;
}

/* The VM ends. Before its vCPUs: afterwards nothing delivers to them. */
void hv_irqchip_destroy(struct hv_vm *vm)
{
	if (vm->irqchip) {
		mutex_lock(&vm->slots_lock);
		chip_destroy(vm->irqchip);
		mutex_unlock(&vm->slots_lock);
		vm->irqchip = NULL;
	}
	hv_apic_map_destroy(vm);
}

int hv_irqchip_get(struct hv_vm *vm, struct kvm_irqchip *chip)
{
	struct hv_irqchip *c = hv_vm_chip(vm);

	if (!c)
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
		hv_pic_get(&c->pic, 0, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_PIC_SLAVE:
		hv_pic_get(&c->pic, 1, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		hv_ioapic_get(&c->ioapic, &chip->chip.ioapic);
		return 0;
	default:
		return -EINVAL;
	}
}

int hv_irqchip_set(struct hv_vm *vm, const struct kvm_irqchip *chip)
{
	struct hv_irqchip *c = hv_vm_chip(vm);

	if (!c)
		return -ENXIO;
	switch (chip->chip_id) {
	case KVM_IRQCHIP_PIC_MASTER:
		hv_pic_set(&c->pic, 0, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_PIC_SLAVE:
		hv_pic_set(&c->pic, 1, &chip->chip.pic);
		return 0;
	case KVM_IRQCHIP_IOAPIC:
		return hv_ioapic_set(&c->ioapic, &chip->chip.ioapic);
	default:
		return -EINVAL;
	}
}

bool hv_irq_accepts_external(const struct hv_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return true;
	return vcpu->external_vector < 0 && lapic_accepts_extint(vcpu->lapic);
}

/* Does an 8259 pair, ours or user space's, have something for this vCPU? */
static bool extint_pending(struct hv_vcpu *vcpu)
{
	struct hv_irqchip *chip = vcpu->vm->irqchip;
	bool up = chip ? READ_ONCE(chip->pic.output) : vcpu->external_vector >= 0;

	return up && lapic_accepts_extint(vcpu->lapic);
}

static int extint_ack(struct hv_vcpu *vcpu)
{
	struct hv_irqchip *chip = vcpu->vm->irqchip;
	int vector;

	if (chip)
		return hv_pic_ack(&chip->pic);
	vector = vcpu->external_vector;
	vcpu->external_vector = -1;
	return vector;
}

bool hv_irq_pending(struct hv_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return false;
	return extint_pending(vcpu) || hv_lapic_pending(vcpu) >= 0;
}

bool hv_irq_injectable(struct hv_vcpu *vcpu)
{
	if (!vcpu->lapic || !vcpu->lapic->by_hw)
		return hv_irq_pending(vcpu);
	lapic_collect(vcpu->lapic);
	return extint_pending(vcpu);
}

int hv_irq_ack(struct hv_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return -1;
	if (extint_pending(vcpu))
		return extint_ack(vcpu);
	return vcpu->lapic->by_hw ? -1 : hv_lapic_take(vcpu);
}
