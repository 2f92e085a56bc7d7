// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/fs/vellumfs: counters and settings, with KSM's names where the meaning
 * is KSM's. Documentation/vellumfs.md describes them.
 */
#include <linux/kobject.h>
#include <linux/sysfs.h>
#include "index.h"
#include "leaf.h"
#include "scan.h"

static long sharing(void)
{
	return max(vl_total(VL_SHARED_REFS) - vl_total(VL_SHARED_FRAMES), 0L);
}

static long bytes_saved(void)
{
	return (sharing() + vl_total(VL_ZEROES)) * PAGE_SIZE;
}

static long metadata_bytes(void)
{
	return vl_total(VL_LEAVES) * vl_leaf_bytes() + vl_index_bytes();
}

#define COUNTER(_name, _value)							\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	return sysfs_emit(buf, "%lld\n", (long long)(_value));			\
}										\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

COUNTER(full_scans, vl_total(VL_SCANS));
COUNTER(pages_scanned, vl_total(VL_SCANNED));
COUNTER(pages_shared, vl_total(VL_SHARED_FRAMES));
COUNTER(pages_sharing, sharing());
COUNTER(pages_unshared, vl_total(VL_UNSHARED));
COUNTER(pages_volatile, vl_total(VL_VOLATILE));
COUNTER(pages_held, vl_total(VL_HELD));
COUNTER(zero_pages, vl_total(VL_ZEROES));
COUNTER(bytes_saved, bytes_saved());
COUNTER(metadata_bytes, metadata_bytes());
COUNTER(general_profit, bytes_saved() - metadata_bytes());
COUNTER(scan_cpu_ns, vl_scan_cpu_ns());

static ssize_t set_number(const char *buf, size_t count, unsigned int *to, unsigned int min,
			  unsigned int max)
{
	unsigned int n;
	int err = kstrtouint(buf, 10, &n);

	if (err)
		return err;
	if (n < min || n > max)
		return -EINVAL;
	WRITE_ONCE(*to, n);
	return count;
}

#define SETTING(_name, _field, _min, _max)					\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr,	\
			    char *buf)						\
{										\
	return sysfs_emit(buf, "%u\n", vl_scan_settings._field);		\
}										\
static ssize_t _name##_store(struct kobject *kobj, struct kobj_attribute *attr,	\
			     const char *buf, size_t count)			\
{										\
	return set_number(buf, count, &vl_scan_settings._field, _min, _max);	\
}										\
static struct kobj_attribute _name##_attr = __ATTR_RW(_name)

/* The longest rest that the time arithmetic and a waiting rmmod can take. */
#define MAX_SLEEP_MS	(1000 * 1000)
#define MAX_TARGET_S	(24 * 3600)

SETTING(sleep_millisecs, sleep_ms, 0, MAX_SLEEP_MS);
SETTING(advisor_max_cpu, max_cpu, 1, 100);
SETTING(advisor_target_scan_time, target_s, 1, MAX_TARGET_S);
SETTING(advisor_min_pages_to_scan, min_pages, 1, INT_MAX);
SETTING(advisor_max_pages_to_scan, max_pages, 1, INT_MAX);

static ssize_t pages_to_scan_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", vl_scan_settings.pages_to_scan);
}

/* As in KSM, it is the advisor's while there is one. */
static ssize_t pages_to_scan_store(struct kobject *kobj, struct kobj_attribute *attr,
				   const char *buf, size_t count)
{
	if (READ_ONCE(vl_scan_settings.advisor) != VL_ADVISOR_NONE)
		return -EINVAL;
	return set_number(buf, count, &vl_scan_settings.pages_to_scan, 1, INT_MAX);
}

static struct kobj_attribute pages_to_scan_attr = __ATTR_RW(pages_to_scan);

static ssize_t run_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", vl_scan_settings.run);
}

static ssize_t run_store(struct kobject *kobj, struct kobj_attribute *attr, const char *buf,
			 size_t count)
{
	ssize_t ret = set_number(buf, count, &vl_scan_settings.run, VL_RUN_STOP, VL_RUN_UNMERGE);
	int err = 0;

	if (ret < 0)
		return ret;
	vl_scan_kick();
	if (READ_ONCE(vl_scan_settings.run) == VL_RUN_UNMERGE)
		err = vl_unmerge_all();
	return err ?: ret;
}

static struct kobj_attribute run_attr = __ATTR_RW(run);

static const char *const advisors[] = {
	[VL_ADVISOR_NONE]	= "none",
	[VL_ADVISOR_SCAN_TIME]	= "scan-time",
};

static ssize_t advisor_mode_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	unsigned int mode = READ_ONCE(vl_scan_settings.advisor);

	return sysfs_emit(buf, mode == VL_ADVISOR_NONE ? "[none] scan-time\n" :
			  "none [scan-time]\n");
}

static ssize_t advisor_mode_store(struct kobject *kobj, struct kobj_attribute *attr,
				  const char *buf, size_t count)
{
	int mode = sysfs_match_string(advisors, buf);

	if (mode < 0)
		return mode;
	WRITE_ONCE(vl_scan_settings.advisor, mode);
	return count;
}

static struct kobj_attribute advisor_mode_attr = __ATTR_RW(advisor_mode);

static struct attribute *vl_attrs[] = {
	&run_attr.attr,
	&pages_to_scan_attr.attr,
	&sleep_millisecs_attr.attr,
	&full_scans_attr.attr,
	&pages_scanned_attr.attr,
	&pages_shared_attr.attr,
	&pages_sharing_attr.attr,
	&pages_unshared_attr.attr,
	&pages_volatile_attr.attr,
	&pages_held_attr.attr,
	&zero_pages_attr.attr,
	&bytes_saved_attr.attr,
	&metadata_bytes_attr.attr,
	&general_profit_attr.attr,
	&scan_cpu_ns_attr.attr,
	&advisor_mode_attr.attr,
	&advisor_max_cpu_attr.attr,
	&advisor_target_scan_time_attr.attr,
	&advisor_min_pages_to_scan_attr.attr,
	&advisor_max_pages_to_scan_attr.attr,
	NULL
};

static const struct attribute_group vl_group = {
	.attrs = vl_attrs,
};

static struct kobject *vl_kobj;

int vl_sysfs_init(void)
{
	int err;

	vl_kobj = kobject_create_and_add("vellumfs", fs_kobj);
	if (!vl_kobj)
		return -ENOMEM;
	err = sysfs_create_group(vl_kobj, &vl_group);
	if (err)
		kobject_put(vl_kobj);
	return err;
}

void vl_sysfs_exit(void)
{
	kobject_put(vl_kobj);
}
