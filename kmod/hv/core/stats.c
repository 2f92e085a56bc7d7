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

struct column {
	const char *name;
	size_t offset;
};

#define COLUMN(field)	{ #field, offsetof(struct hv_vcpu, stat.field) }

static const struct column columns[] = {
	COLUMN(exits), COLUMN(io_exits), COLUMN(mmio_exits), COLUMN(signal_exits),
	COLUMN(halt_exits), COLUMN(halt_successful_poll), COLUMN(irq_exits), COLUMN(tdp_faults),
	COLUMN(insn_emulations), COLUMN(injections), COLUMN(requests),
	COLUMN(host_state_reloads), COLUMN(fpu_loads), COLUMN(dirty_logged),
	COLUMN(notify_window_exits),
};

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
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		seq_printf(m, " %llu", *(const u64 *)((const void *)vcpu + columns[i].offset));
	seq_putc(m, '\n');
}

static int vcpus_show(struct seq_file *m, void *unused)
{
	struct hv_vcpu *vcpu;
	struct hv_vm *vm;
	int i;

	seq_puts(m, "pid vcpu");
	for (i = 0; i < ARRAY_SIZE(columns); i++)
		seq_printf(m, " %s", columns[i].name);
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
