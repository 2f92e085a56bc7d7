// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters of all vCPUs in one table, /sys/kernel/debug/vellum/vcpus: a line a
 * vCPU. They are read while vCPUs run, so a line is a moment's sight, not a sum.
 */
#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>

#include "core/stats.h"
#include "core/vcpu.h"
#include "core/vm.h"

static DEFINE_MUTEX(stats_lock);
static LIST_HEAD(stats_vms);		/* stats_lock; vm->stats_link */
static struct dentry *stats_dir;

#define COUNTER(field)	{ #field, offsetof(struct hv_vcpu, stat.field) }

const struct hv_counter hv_vcpu_counters[] = {
	COUNTER(exits), COUNTER(io_exits), COUNTER(mmio_exits), COUNTER(signal_exits),
	COUNTER(halt_exits), COUNTER(halt_successful_poll), COUNTER(irq_exits),
	COUNTER(tdp_faults), COUNTER(insn_emulations), COUNTER(injections), COUNTER(requests),
	COUNTER(host_state_reloads), COUNTER(fpu_loads), COUNTER(dirty_logged),
	COUNTER(notify_window_exits),
};

const unsigned int hv_nr_vcpu_counters = ARRAY_SIZE(hv_vcpu_counters);

/* The thread that ran it last, 0: none yet. */
static pid_t last_task(const struct hv_vcpu *vcpu)
{
	pid_t nr;

	rcu_read_lock();
	nr = pid_vnr(rcu_dereference(vcpu->pid));
	rcu_read_unlock();
	return nr;
}

static void show_vcpu(struct seq_file *m, const struct hv_vcpu *vcpu)
{
	int i;

	seq_printf(m, "%d %u", last_task(vcpu), vcpu->id);
	for (i = 0; i < ARRAY_SIZE(hv_vcpu_counters); i++)
		seq_printf(m, " %llu",
			   *(const u64 *)((const void *)vcpu + hv_vcpu_counters[i].offset));
	seq_putc(m, '\n');
}

static int vcpus_show(struct seq_file *m, void *unused)
{
	struct hv_vcpu *vcpu;
	struct hv_vm *vm;
	int i;

	seq_puts(m, "pid vcpu");
	for (i = 0; i < ARRAY_SIZE(hv_vcpu_counters); i++)
		seq_printf(m, " %s", hv_vcpu_counters[i].name);
	seq_putc(m, '\n');
	mutex_lock(&stats_lock);
	list_for_each_entry(vm, &stats_vms, stats_link)
		hv_for_each_vcpu(i, vcpu, vm)
			show_vcpu(m, vcpu);
	mutex_unlock(&stats_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vcpus);

void hv_stats_init(void)
{
	stats_dir = debugfs_create_dir("vellum", NULL);
	debugfs_create_file("vcpus", 0400, stats_dir, NULL, &vcpus_fops);
}

void hv_stats_exit(void)
{
	debugfs_remove(stats_dir);
}

void hv_stats_add(struct hv_vm *vm)
{
	mutex_lock(&stats_lock);
	list_add_tail(&vm->stats_link, &stats_vms);
	mutex_unlock(&stats_lock);
}

void hv_stats_remove(struct hv_vm *vm)
{
	mutex_lock(&stats_lock);
	list_del(&vm->stats_link);
	mutex_unlock(&stats_lock);
}
