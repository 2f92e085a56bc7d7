// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the tracepoints: a kick, a request, its answer and the end of a queue that breaks the
 * rules are in the trace, with what they are about, and nothing is while tracing is off.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

#define TRACING	"/sys/kernel/tracing/"
#define NUM	16
#define DISK_SIZE	0x100000
/* A header, a sector and a status byte. */
#define BYTES	(sizeof(struct virtio_blk_outhdr) + 512 + 1)
#define WRITE_SECTOR	3

FIXTURE(trace) {
	struct tblk b;
	int disk;
};

static bool clear(void)
{
	int fd = open(TRACING "trace", O_WRONLY | O_TRUNC);

	return fd >= 0 && !close(fd);
}

FIXTURE_SETUP(trace)
{
	self->disk = memfd_create("disk", 0);
	ASSERT_EQ(0, ftruncate(self->disk, DISK_SIZE));
	ASSERT_TRUE(tblk_open(&self->b, self->disk, 0, 1, NUM));
	ASSERT_TRUE(clear());
	ASSERT_TRUE(put(TRACING "tracing_on", "1"));
	ASSERT_TRUE(put(TRACING "events/vellum_vhost/enable", "1"));
	ASSERT_EQ(0, tblk_start(&self->b, BASE_FEATURES));
}

FIXTURE_TEARDOWN(trace)
{
	put(TRACING "events/vellum_vhost/enable", "0");
	tblk_close(&self->b);
	close(self->disk);
}

/* How many lines have both. */
static unsigned int lines(const char *event, const char *what)
{
	FILE *f = fopen(TRACING "trace", "r");
	unsigned int n = 0;
	char line[400];

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, event) && strstr(line, what);
	if (f)
		fclose(f);
	return n;
}

/* A worker goes on after the driver sees its answer. */
static bool comes(const char *event, const char *what)
{
	unsigned int i;

	for (i = 0; i < SOON; i++) {
		if (lines(event, what) == 1)
			return true;
		usleep(1000);
	}
	return false;
}

TEST_F(trace, requests)
{
	char want[100];

	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_OUT,
					   WRITE_SECTOR, 512));
	EXPECT_LT(0, lines("vellum_vhost_handle:", "queue 0 events 0x"));
	snprintf(want, sizeof(want), "queue 0 type %u sector %u bytes %zu", VIRTIO_BLK_T_OUT,
		 WRITE_SECTOR, BYTES);
	EXPECT_TRUE(comes("vellum_vhost_blk_request:", want));
	snprintf(want, sizeof(want), "queue 0 type %u status %u", VIRTIO_BLK_T_OUT,
		 VIRTIO_BLK_S_OK);
	EXPECT_TRUE(comes("vellum_vhost_blk_done:", want));
	EXPECT_EQ(VIRTIO_BLK_S_IOERR, tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_IN,
					      DISK_SIZE, 512));
	snprintf(want, sizeof(want), "queue 0 type %u status %u", VIRTIO_BLK_T_IN,
		 VIRTIO_BLK_S_IOERR);
	EXPECT_TRUE(comes("vellum_vhost_blk_done:", want));
	EXPECT_EQ(0, lines("vellum_vhost_break:", ""));
}

TEST_F(trace, a_broken_queue)
{
	tring_avail(&self->b.rings[0], NUM);
	tring_kick(&self->b.rings[0]);
	ASSERT_TRUE(tevent(self->b.rings[0].err, SOON));
	EXPECT_TRUE(comes("vellum_vhost_break:", "queue 0: an index outside the descriptor table"));
}

TEST_F(trace, off)
{
	ASSERT_TRUE(put(TRACING "events/vellum_vhost/enable", "0"));
	ASSERT_TRUE(clear());
	ASSERT_EQ(VIRTIO_BLK_S_OK, tblk_do(&self->b, 0, &(struct treq) {}, VIRTIO_BLK_T_OUT,
					   WRITE_SECTOR, 512));
	EXPECT_EQ(0, lines("vellum_vhost_", ""));
}

TEST_HARNESS_MAIN
