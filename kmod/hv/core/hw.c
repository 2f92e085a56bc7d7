// SPDX-License-Identifier: GPL-2.0-only
/*
 * Physical CPUs in and out of virtualization mode.
 *
 * CPUs are switched on when the first VM is created and off after the last one
 * is gone, so that a loaded but idle module leaves the hardware to others. While
 * they are on, CPU hotplug, suspend, reboot and a crash each have a hook here.
 */
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/reboot.h>
#include <linux/smp.h>
#include <asm/reboot.h>

#include "compat/compat.h"
#include "compat/syscore.h"
#include "core/hw.h"
#include "core/ops.h"

#define REBOOT_WAIT_MS	1000	/* for vCPU ioctls to end */

DEFINE_PER_CPU(bool, hv_cpu_on);

static DEFINE_MUTEX(hw_lock);		/* inside cpus_read_lock() */
static LIST_HEAD(hw_vms);		/* hw_lock: VMs whose vCPUs are alive */
static unsigned int hw_users;		/* hw_lock: VMs that need the CPUs on */
static bool hw_shut_down;		/* reboot has begun: no CPU comes on again */

static int cpu_on_here(void)
{
	int ret;

	lockdep_assert_irqs_disabled();
	if (this_cpu_read(hv_cpu_on))
		return 0;
	if (READ_ONCE(hw_shut_down))
		return -ESHUTDOWN;
	ret = hv_ops->cpu_on();
	if (!ret)
		this_cpu_write(hv_cpu_on, true);
	return ret;
}

static void cpu_off_here(void)
{
	if (!this_cpu_read(hv_cpu_on))
		return;
	this_cpu_write(hv_cpu_on, false);
	hv_ops->cpu_off();
}

static void cpu_on_ipi(void *result)
{
	int ret = cpu_on_here();

	if (ret)
		atomic_cmpxchg((atomic_t *)result, 0, ret);
}

static void cpu_off_ipi(void *unused)
{
	cpu_off_here();
}

static int hotplug_up(unsigned int cpu)
{
	unsigned long flags;
	int ret;

	local_irq_save(flags);
	ret = cpu_on_here();
	local_irq_restore(flags);
	if (ret)
		pr_err(pr_hv_fmt("CPU %u cannot enter virtualization mode: %d\n"), cpu, ret);
	/* In the atomic section no callback may fail; run.c refuses such a CPU. */
	return HV_CPUHP_MAY_FAIL ? ret : 0;
}

static int hotplug_down(unsigned int cpu)
{
	unsigned long flags;

	local_irq_save(flags);
	cpu_off_here();
	local_irq_restore(flags);
	return 0;
}

static int hw_suspend(HV_SYSCORE_ARG)
{
	cpu_off_here();
	return 0;
}

static void hw_resume(HV_SYSCORE_ARG)
{
	if (cpu_on_here())
		pr_err(pr_hv_fmt("the boot CPU cannot enter virtualization mode after resume\n"));
}

static bool vm_is_quiet(struct hv_vm *vm)
{
	struct hv_vcpu *vcpu;
	int i;

	hv_for_each_vcpu(i, vcpu, vm)
		if (mutex_is_locked(&vcpu->mutex))
			return false;
	return true;
}

static bool all_quiet(void)
{
	struct hv_vm *vm;

	lockdep_assert_held(&hw_lock);
	list_for_each_entry(vm, &hw_vms, link)
		if (!vm_is_quiet(vm))
			return false;
	return true;
}

/*
 * Reboot and kexec: end every VM while tasks still run, then switch the CPUs
 * off. A vCPU ioctl that does not end in time keeps them on: its CPU is left to
 * emergency_off(), after which no task runs there.
 */
static int hw_reboot(struct notifier_block *nb, unsigned long action, void *unused)
{
	unsigned int tries = REBOOT_WAIT_MS;
	struct hv_vm *vm;

	mutex_lock(&hw_lock);
	WRITE_ONCE(hw_shut_down, true);
	list_for_each_entry(vm, &hw_vms, link)
		hv_vm_kill(vm);
	while (!all_quiet() && tries--)
		usleep_range(USEC_PER_MSEC, 2 * USEC_PER_MSEC);
	if (all_quiet())
		on_each_cpu(cpu_off_ipi, NULL, 1);
	mutex_unlock(&hw_lock);
	return NOTIFY_DONE;
}

static struct notifier_block hw_reboot_notifier = {
	.notifier_call = hw_reboot,
};

static HV_SYSCORE_CONST struct syscore_ops hw_syscore_ops = {
	.suspend = hw_suspend,
	.resume = hw_resume,
};

HV_DEFINE_SYSCORE(hw_syscore, &hw_syscore_ops);

/* Kexec and panic: this CPU may be anywhere, even inside cpu_on(). */
static void emergency_off(void)
{
	hv_ops->cpu_off();
}

static int hw_enable_all(void)
{
	atomic_t error = ATOMIC_INIT(0);
	int ret;

	ret = cpuhp_setup_state_nocalls_cpuslocked(HV_CPUHP_STATE, "virt/vellum:online",
						   hotplug_up, hotplug_down);
	if (ret)
		return ret;
	on_each_cpu(cpu_on_ipi, &error, 1);
	ret = atomic_read(&error);
	if (!ret) {
		register_syscore(&hw_syscore);
		cpu_emergency_register_virt_callback(emergency_off);
		return 0;
	}
	on_each_cpu(cpu_off_ipi, NULL, 1);
	cpuhp_remove_state_nocalls_cpuslocked(HV_CPUHP_STATE);
	return ret;
}

static void hw_disable_all(void)
{
	cpu_emergency_unregister_virt_callback(emergency_off);
	unregister_syscore(&hw_syscore);
	on_each_cpu(cpu_off_ipi, NULL, 1);
	cpuhp_remove_state_nocalls_cpuslocked(HV_CPUHP_STATE);
}

int hv_hw_get(struct hv_vm *vm)
{
	int ret = 0;

	cpus_read_lock();
	mutex_lock(&hw_lock);
	if (!hw_users)
		ret = hw_enable_all();
	if (!ret) {
		list_add(&vm->link, &hw_vms);
		hw_users++;
	}
	mutex_unlock(&hw_lock);
	cpus_read_unlock();
	if (ret == -EBUSY)
		pr_err_ratelimited("vellum: another hypervisor (kvm?) has this CPU: unload it\n");
	return ret;
}

void hv_hw_hide(struct hv_vm *vm)
{
	mutex_lock(&hw_lock);
	list_del_init(&vm->link);
	mutex_unlock(&hw_lock);
}

void hv_hw_put(struct hv_vm *vm)
{
	cpus_read_lock();
	mutex_lock(&hw_lock);
	list_del(&vm->link);
	if (!--hw_users)
		hw_disable_all();
	mutex_unlock(&hw_lock);
	cpus_read_unlock();
}

/* Not with the first VM: the notifier's lock is outside hw_lock while a reboot runs. */
int hv_hw_init(void)
{
	return register_reboot_notifier(&hw_reboot_notifier);
}

void hv_hw_exit(void)
{
	unregister_reboot_notifier(&hw_reboot_notifier);
}
