/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every difference between kernel versions, and nothing else.
 *
 * Code elsewhere is written for the newest kernel; a shim here gives an older
 * one the same shape. Each says what changed and when.
 */
#ifndef VELLUM_COMPAT_H
#define VELLUM_COMPAT_H

#include <linux/cleanup.h>
#include <linux/cpuhotplug.h>
#include <linux/entry-kvm.h>
#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/kvm.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/version.h>
#include <linux/vhost.h>
#include <asm/nospec-branch.h>

/*
 * CPU hotplug: the state in which no user task runs on a CPU any more (down)
 * or yet (up). KVM holds the same one while it uses the CPUs, which keeps the
 * two hypervisors apart. It moved out of the atomic section in 6.5.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define HV_CPUHP_STATE	CPUHP_AP_KVM_ONLINE
#define HV_CPUHP_MAY_FAIL	true
#else
#define HV_CPUHP_STATE	CPUHP_AP_KVM_STARTING
#define HV_CPUHP_MAY_FAIL	false
#endif

/* eventfd_signal() lost its count in 6.8. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
static inline void hv_eventfd_signal(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx, 1);
}
#else
static inline void hv_eventfd_signal(struct eventfd_ctx *ctx)
{
	eventfd_signal(ctx);
}
#endif

/* The tracepoint around it, since 6.4, is not exported to modules by every kernel. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define hv_send_reschedule(cpu)	arch_smp_send_reschedule(cpu)
#else
#define hv_send_reschedule(cpu)	smp_send_reschedule(cpu)
#endif

/* Since 6.10 the kernel's view of the header marks what user space may change at any time. */
#ifdef HINT_UNSAFE_IN_KVM
#define hv_immediate_exit	immediate_exit__unsafe
#else
#define hv_immediate_exit	immediate_exit
#endif

/* What inode operations get of a mount (6.3). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define HV_IDMAP	struct mnt_idmap
#else
#define HV_IDMAP	struct user_namespace
#endif

#ifndef KVM_X86_QUIRK_SLOT_ZAP_ALL
#define KVM_X86_QUIRK_SLOT_ZAP_ALL	BIT(7)
#endif

/* work.c: it needs a vCPU of KVM's. */
int hv_handle_task_work(void);

static inline bool hv_task_work_pending(void)
{
	return __xfer_to_guest_mode_work_pending();
}

/*
 * Getting a page the way a fault of user space would: signals interrupt it
 * (since 6.2), and a NUMA-hinting entry counts as not present (an explicit
 * flag since 6.6, before that always so).
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define HV_FOLL_FAULT_IN	(FOLL_INTERRUPTIBLE | FOLL_HONOR_NUMA_FAULT)
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define HV_FOLL_FAULT_IN	FOLL_INTERRUPTIBLE
#else
#define HV_FOLL_FAULT_IN	0
#endif

/*
 * VMSCAPE: since 6.17, and in stable kernels that carry the fix, the kernel issues
 * an IBPB on its way to user mode if a guest ran before.
 */
static inline void hv_ibpb_before_user(void)
{
#ifdef X86_FEATURE_IBPB_EXIT_TO_USER
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
#endif
}

/* FRED, another way to deliver events, is known since 6.9. */
static inline bool hv_fred_enabled(void)
{
#ifdef X86_FEATURE_FRED
	return cpu_feature_enabled(X86_FEATURE_FRED);
#else
	return false;
#endif
}

/* hrtimer_init() left the callback to the caller; hrtimer_setup() replaced it in 6.13. */
static inline void hv_hrtimer_setup(struct hrtimer *timer,
				    enum hrtimer_restart (*function)(struct hrtimer *),
				    clockid_t clock, enum hrtimer_mode mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

/* load_gs_index() moved here in 6.3; PARAVIRT_XXL kernels get it from asm/paravirt.h anyway. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#include <asm/gsseg.h>
#else
#include <asm/special_insns.h>
#endif

/* Flags of a mapping are set by a function since 6.3. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
static inline void hv_vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}
#else
static inline void hv_vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vm_flags_set(vma, flags);
}
#endif

/* generic_fillattr() learned which fields are asked for in 6.6. */
static inline void hv_generic_fillattr(HV_IDMAP *idmap, u32 mask, struct inode *inode,
				       struct kstat *stat)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	generic_fillattr(idmap, mask, inode, stat);
#else
	generic_fillattr(idmap, inode, stat);
#endif
}

/* A mount without ID mapping (6.3). */
static inline void hv_inode_init_owner(struct inode *inode, struct inode *dir, umode_t mode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	inode_init_owner(&nop_mnt_idmap, inode, dir, mode);
#else
	inode_init_owner(&init_user_ns, inode, dir, mode);
#endif
}

/* Times of an inode are set by functions since 6.6 and 6.7. */
static inline void hv_inode_init_times(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	simple_inode_init_ts(inode);
#else
	inode->i_atime = current_time(inode);
	inode->i_mtime = inode->i_atime;
	inode->i_ctime = inode->i_atime;
#endif
}

/* Content changed now. */
static inline void hv_inode_touch(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode));
#else
	inode->i_ctime = current_time(inode);
	inode->i_mtime = inode->i_ctime;
#endif
}

/* Bios of a CPU's own cache may be put in interrupts since 6.2. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define HV_IOCB_ALLOC_CACHE	IOCB_ALLOC_CACHE
#else
#define HV_IOCB_ALLOC_CACHE	0
#endif

/* mem_cgroup_tryget() is not in 6.1. */
static inline bool hv_mem_cgroup_tryget(struct mem_cgroup *memcg)
{
#ifdef CONFIG_MEMCG
	return !memcg || css_tryget(&memcg->css);
#else
	return true;
#endif
}

/* Since 6.7 a writable page table entry depends on the mapping; ours is no shadow stack. */
static inline pte_t hv_pte_mkwrite(pte_t pte)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	return pte_mkwrite_novma(pte);
#else
	return pte_mkwrite(pte);
#endif
}

/* The way to splice from a file that has read_iter and no page cache (6.5). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define hv_splice_read	copy_splice_read
#else
#define hv_splice_read	generic_file_splice_read
#endif

/* vhost workers that user space arranges (6.4). */
#ifndef VHOST_NEW_WORKER
struct vhost_worker_state {
	unsigned int worker_id;
};

struct vhost_vring_worker {
	unsigned int index;
	unsigned int worker_id;
};

#define VHOST_NEW_WORKER	_IOR(VHOST_VIRTIO, 0x8, struct vhost_worker_state)
#define VHOST_FREE_WORKER	_IOW(VHOST_VIRTIO, 0x9, struct vhost_worker_state)
#define VHOST_ATTACH_VRING_WORKER	_IOW(VHOST_VIRTIO, 0x15, struct vhost_vring_worker)
#define VHOST_GET_VRING_WORKER	_IOWR(VHOST_VIRTIO, 0x16, struct vhost_vring_worker)
#endif

#endif /* VELLUM_COMPAT_H */
