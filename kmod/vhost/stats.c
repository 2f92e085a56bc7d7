// SPDX-License-Identifier: GPL-2.0-only
/* /sys/kernel/debug/vellum-vhost/KIND-NUMBER/queues: a line for each queue. */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "dev.h"
#include "stats.h"
#include "vq.h"

static struct dentry *root;

static void show_queue(struct seq_file *m, const struct vh_vq *vq)
{
	const struct vh_vq_stats *s = &vq->stats;

	seq_printf(m, "%u %s %llu %llu %llu %llu %llu %llu %llu %llu\n", vq->index,
		   vq->broken ? "broken" : vq->running ? "running" : "stopped", s->kicks,
		   s->chains, s->bytes, s->batches, s->calls, s->breaks, s->errors, s->misses);
}

static int queues_show(struct seq_file *m, void *unused)
{
	struct vh_dev *dev = m->private;
	unsigned int i;

	seq_puts(m, "queue state kicks chains bytes batches calls breaks errors misses\n");
	for (i = 0; i < dev->nvqs; i++)
		show_queue(m, dev->vqs[i]);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(queues);

void vh_stats_add(struct vh_dev *dev)
{
	char name[32];

	snprintf(name, sizeof(name), "%s-%u", dev->ops->name, dev->id);
	dev->debugfs = debugfs_create_dir(name, root);
	debugfs_create_file("queues", 0400, dev->debugfs, dev, &queues_fops);
}

/* When it returns nobody reads the counters any more. */
void vh_stats_remove(struct vh_dev *dev)
{
	debugfs_remove(dev->debugfs);
}

void vh_stats_init(void)
{
	root = debugfs_create_dir("vellum-vhost", NULL);
}

void vh_stats_exit(void)
{
	debugfs_remove(root);
}
