// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asynchronous page faults (Documentation/virt/kvm/x86/msr.rst, MSR_KVM_ASYNC_PF_EN).
 *
 * The host has to wait for a page that the guest touched: swapped out, or somebody's userfaultfd
 * behind it. A worker waits for it and the guest is told "not present", with a token, by a page
 * fault that it asked for; it may run another task until an interrupt tells it that the token's
 * page is ready. The memory both sides talk through holds one message each way at a time.
 *
 * A worker holds its VM, so that nobody who closes a file has to wait for a page. What is
 * outstanding when the guest switches all this off is forgotten: its worker finds another
 * generation and keeps the news to itself. It goes on counting: a worker sleeps for as long as its
 * VM's memory makes it wait, so a VM has few of them, and all VMs fewer than the queue runs at
 * once, lest a page that its guest was told of wait for those of others. Beyond that a vCPU waits
 * itself.
 */
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <uapi/linux/kvm_para.h>

#include "core/ops.h"
#include "core/request.h"
#include "irqchip/lapic.h"
#include "memory/guest.h"
#include "memory/hostpt.h"
#include "memory/memslot.h"
#include "x86/async_pf.h"
#include "x86/event.h"
#include "x86/regs.h"

#define APF_ON		(KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT)
#define APF_FLAGS	(APF_ON | KVM_ASYNC_PF_SEND_ALWAYS)
#define APF_ALIGN	64
#define APF_MAX		64		/* pages a VM may wait for */
#define APF_MAX_WORKERS	(WQ_MAX_ACTIVE / 4)	/* a queue is divided among NUMA nodes */
#define APF_ALL		U32_MAX		/* the token of every page: look again */
#define APF_ID_BITS	12		/* of a token: the vCPU */

static_assert(HV_MAX_VCPU_ID <= 1 << APF_ID_BITS);

/* struct apf_work - one page that a vCPU waits for */
struct apf_work {
	struct work_struct work;
	struct list_head link;		/* in hv_apf.ready */
	struct hv_vcpu *vcpu;
	unsigned long hva;
	bool write;
	u32 generation;
	u32 token;
};

static struct workqueue_struct *apf_wq;
static atomic_t apf_workers;

static u64 area(const struct hv_vcpu *vcpu, size_t offset)
{
	return (vcpu->apf.enable_msr & ~(u64)(APF_ALIGN - 1)) + offset;
}

#define AREA(vcpu, name)	area(vcpu, offsetof(struct kvm_vcpu_pv_apf_data, name))

static bool is_on(const struct hv_vcpu *vcpu)
{
	return (vcpu->apf.enable_msr & APF_ON) == APF_ON;
}

/* The word of the area that carries a message is free, that is 0, and takes @message. */
static bool say(struct hv_vcpu *vcpu, u64 gpa, u32 message)
{
	u32 old;

	if (hv_guest_read(vcpu, gpa, &old, sizeof(old)) || old)
		return false;
	return !hv_guest_write(vcpu, gpa, &message, sizeof(message));
}

static bool reserve(struct hv_vm *vm)
{
	if (!atomic_add_unless(&vm->apf_count, 1, APF_MAX))
		return false;
	if (atomic_add_unless(&apf_workers, 1, APF_MAX_WORKERS))
		return true;
	atomic_dec(&vm->apf_count);
	return false;
}

static void apf_free(struct apf_work *w)
{
	atomic_dec(&w->vcpu->vm->apf_count);
	kfree(w);
}

/* The page is there, or never will be: the guest's next access tells. */
static void fetch_page(struct apf_work *w)
{
	struct mm_struct *mm = w->vcpu->vm->mm;

	if (!mmget_not_zero(mm))
		return;
	kthread_use_mm(mm);
	hv_host_fault_in(w->hva, w->write);
	kthread_unuse_mm(mm);
	mmput(mm);
}

static void apf_worker(struct work_struct *work)
{
	struct apf_work *w = container_of(work, struct apf_work, work);
	struct hv_vcpu *vcpu = w->vcpu;
	struct hv_apf *apf = &vcpu->apf;
	bool wanted;

	fetch_page(w);
	atomic_dec(&apf_workers);
	spin_lock(&apf->lock);
	wanted = w->generation == apf->generation;
	if (wanted)
		list_add_tail(&w->link, &apf->ready);
	spin_unlock(&apf->lock);
	if (wanted) {
		hv_request(vcpu, HV_REQ_ASYNC_PF);
		hv_vcpu_kick(vcpu);
	} else {
		apf_free(w);
	}
	hv_vm_put(vcpu->vm);
	module_put(THIS_MODULE);
}

bool hv_async_pf_possible(struct hv_vcpu *vcpu)
{
	const struct hv_events *ev = &vcpu->events;

	if (likely(!is_on(vcpu)))
		return false;
	if (atomic_read(&vcpu->vm->apf_count) >= APF_MAX || vcpu->smm.active)
		return false;
	if (ev->exception.pending || ev->exception.injected || ev->nmi_injected ||
	    ev->interrupt.injected)
		return false;
	if (hv_cpl(vcpu) == 0 && !(vcpu->apf.enable_msr & KVM_ASYNC_PF_SEND_ALWAYS))
		return false;
	return hv_ops->interrupt_allowed(vcpu);
}

/* 0: no memory there any more */
static unsigned long hva_of(struct hv_vcpu *vcpu, u64 gpa)
{
	int idx = srcu_read_lock(&vcpu->vm->srcu);
	struct hv_memslot *slot = hv_vcpu_memslot(vcpu, gpa >> PAGE_SHIFT);
	unsigned long hva = slot ? hv_memslot_hva(slot, gpa >> PAGE_SHIFT) : 0;

	srcu_read_unlock(&vcpu->vm->srcu, idx);
	return hva;
}

static u32 next_token(struct hv_vcpu *vcpu)
{
	u32 number = ++vcpu->apf.last << APF_ID_BITS;

	/* 0 means "no message" */
	return number ? number | vcpu->id : next_token(vcpu);
}

static void start(struct hv_vcpu *vcpu, struct apf_work *w)
{
	__module_get(THIS_MODULE);
	hv_vm_get(vcpu->vm);
	INIT_WORK(&w->work, apf_worker);
	queue_work(apf_wq, &w->work);
}

bool hv_async_pf_begin(struct hv_vcpu *vcpu, u64 gpa, bool write)
{
	struct apf_work *w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);

	if (!w)
		return false;
	w->vcpu = vcpu;
	w->hva = hva_of(vcpu, gpa);
	w->write = write;
	w->generation = vcpu->apf.generation;
	w->token = next_token(vcpu);
	if (!w->hva || !reserve(vcpu->vm)) {
		kfree(w);
		return false;
	}
	if (!say(vcpu, AREA(vcpu, flags), KVM_PV_REASON_PAGE_NOT_PRESENT)) {
		atomic_dec(&apf_workers);
		apf_free(w);
		return false;
	}
	hv_queue_page_fault(vcpu, w->token, 0);
	start(vcpu, w);
	return true;
}

static struct apf_work *first_ready(struct hv_apf *apf)
{
	struct apf_work *w;

	spin_lock(&apf->lock);
	w = list_first_entry_or_null(&apf->ready, struct apf_work, link);
	spin_unlock(&apf->lock);
	return w;
}

static void forget(struct hv_apf *apf, struct apf_work *w)
{
	spin_lock(&apf->lock);
	list_del(&w->link);
	spin_unlock(&apf->lock);
	apf_free(w);
}

/* One at a time: MSR_KVM_ASYNC_PF_ACK asks for the next. */
void hv_async_pf_ready(struct hv_vcpu *vcpu)
{
	struct hv_apf *apf = &vcpu->apf;
	struct apf_work *w = first_ready(apf);

	if (!is_on(vcpu) || vcpu->smm.active || (!w && !apf->wake_all))
		return;
	if (!say(vcpu, AREA(vcpu, token), apf->wake_all ? APF_ALL : w->token))
		return;
	if (apf->wake_all)
		apf->wake_all = false;
	else
		forget(apf, w);
	hv_lapic_deliver(vcpu, apf->vector_msr, false);
}

void hv_async_pf_look_again(struct hv_vcpu *vcpu)
{
	/* Not for nothing: the request ends a HLT. */
	if (is_on(vcpu) && (first_ready(&vcpu->apf) || vcpu->apf.wake_all))
		hv_request(vcpu, HV_REQ_ASYNC_PF);
}

/* Everything outstanding, and what is ready, is nobody's any more. */
static void drop_all(struct hv_apf *apf)
{
	struct apf_work *w, *next;
	LIST_HEAD(ready);

	spin_lock(&apf->lock);
	apf->generation++;
	list_splice_init(&apf->ready, &ready);
	spin_unlock(&apf->lock);
	list_for_each_entry_safe(w, next, &ready, link)
		apf_free(w);
	apf->wake_all = false;
}

int hv_async_pf_enable_write(struct hv_vcpu *vcpu, u64 value, bool host)
{
	struct hv_apf *apf = &vcpu->apf;
	u64 gpa = value & ~(u64)(APF_ALIGN - 1);

	if ((value & (APF_ALIGN - 1)) & ~(u64)APF_FLAGS)
		return HV_MSR_INVALID;
	if (!vcpu->lapic)
		return value ? HV_MSR_INVALID : HV_MSR_OK;
	if ((value & KVM_ASYNC_PF_ENABLED) &&
	    !hv_guest_backed(vcpu, gpa, sizeof(struct kvm_vcpu_pv_apf_data), true))
		return HV_MSR_INVALID;
	drop_all(apf);
	apf->enable_msr = value;
	/* A restored guest waits for tokens of a host that is not here. */
	if (host && is_on(vcpu)) {
		apf->wake_all = true;
		hv_request(vcpu, HV_REQ_ASYNC_PF);
	}
	return HV_MSR_OK;
}

int hv_async_pf_vector_write(struct hv_vcpu *vcpu, u64 value)
{
	/* Without a LAPIC there is none, which a VMM that restores all MSRs may say. */
	if (value > U8_MAX || (value && !vcpu->lapic))
		return HV_MSR_INVALID;
	vcpu->apf.vector_msr = value;
	return HV_MSR_OK;
}

int hv_async_pf_ack(struct hv_vcpu *vcpu, u64 value)
{
	if (value & 1)
		hv_request(vcpu, HV_REQ_ASYNC_PF);
	return HV_MSR_OK;
}

void hv_async_pf_create(struct hv_vcpu *vcpu)
{
	spin_lock_init(&vcpu->apf.lock);
	INIT_LIST_HEAD(&vcpu->apf.ready);
}

void hv_async_pf_reset(struct hv_vcpu *vcpu)
{
	drop_all(&vcpu->apf);
	vcpu->apf.enable_msr = 0;
	vcpu->apf.vector_msr = 0;
}

int hv_async_pf_init(void)
{
	apf_wq = alloc_workqueue("vellum-async-pf", WQ_UNBOUND, WQ_MAX_ACTIVE);
	return apf_wq ? 0 : -ENOMEM;
}

/* Waits for the last instructions of workers, which hold the module until then. */
void hv_async_pf_exit(void)
{
	destroy_workqueue(apf_wq);
}
