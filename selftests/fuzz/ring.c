// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the vhost ring code, by a block device, against any ring at all, split or packed as the
 * seed's second bit says. Each step builds a chain by a seeded random generator, mostly by the
 * rules and sometimes against one of them; a model decides what the device must do: answer it,
 * with which status, length and data, or stop the queue and fire its error eventfd. A second queue
 * must go on untouched, and bytes around the guest's buffers must stay as they are.
 *
 * ring [-s SEED] [-t SECONDS] [-n STEPS]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>

#include "kselftest.h"
#include "dev.h"

#define NUM		16
#define DISK_SECTORS	256u
#define SECTOR		512u
#define BUFS_MAX	(NUM + 4)
#define ARENA_SIZE	(256 << 10)
#define FILLER		0xa5
#define BURST		3

/* What the model expects. */
enum verdict { ANSWERED, BROKEN };

/**
 * struct chain - a chain as built, and what the model says of it
 * @kept: what the buffers to write held before
 */
struct chain {
	struct tbuf bufs[BUFS_MAX];
	unsigned int n;
	bool indirect;
	enum verdict verdict;
	uint8_t status;
	uint32_t type;
	uint64_t sector;
	uint32_t len;
};

static struct tblk blk;
static uint8_t disk_model[DISK_SECTORS * SECTOR];
static uint8_t *arena;
static size_t arena_used;
static uint64_t state;
static bool event_idx;
static bool packed;

/* splitmix64: small, and the same everywhere. */
static uint64_t rnd(void)
{
	uint64_t z = (state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static unsigned int below(unsigned int n)
{
	return rnd() % n;
}

static bool one_in(unsigned int n)
{
	return !below(n);
}

/* Guest memory for one step; with a gap before it that must not change. */
static uint8_t *take(size_t len)
{
	uint8_t *p = arena + arena_used + 1 + below(15);

	arena_used = p + len - arena;
	return p;
}

static void add(struct chain *c, const uint8_t *p, uint32_t len, bool write)
{
	c->bufs[c->n++] = (struct tbuf) { tmem_gpa(&blk.mem, p), len, write };
}

/* Lays @len bytes at @p out as up to @most buffers that touch each other, or as one. */
static void add_split(struct chain *c, const uint8_t *p, uint32_t len, bool write,
		      unsigned int most)
{
	uint32_t piece;

	while (most > 1 && len > 1 && !one_in(3)) {
		piece = 1 + below(len - 1);
		add(c, p, piece, write);
		p += piece;
		len -= piece;
		most--;
	}
	add(c, p, len, write);
}

static bool is_write(uint32_t type)
{
	return type == VIRTIO_BLK_T_OUT;
}

static uint32_t pick_type(void)
{
	static const uint32_t types[] = {
		VIRTIO_BLK_T_IN, VIRTIO_BLK_T_IN, VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_OUT,
		VIRTIO_BLK_T_FLUSH, VIRTIO_BLK_T_GET_ID,
	};

	return one_in(12) ? (uint32_t)rnd() | 64 : types[below(6)];
}

static uint32_t pick_len(uint32_t type)
{
	if (type == VIRTIO_BLK_T_FLUSH)
		return 0;
	if (type == VIRTIO_BLK_T_GET_ID)
		return VHOST_BLK_SERIAL_SIZE;
	return one_in(10) ? 1 + below(2000) : (1 + below(16)) * SECTOR;
}

/* The model: what a request by the rules gets. */
static uint8_t status_of(const struct chain *c)
{
	uint32_t sectors = c->len / SECTOR;

	switch (c->type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		if (c->len % SECTOR || c->sector > DISK_SECTORS ||
		    sectors > DISK_SECTORS - c->sector)
			return VIRTIO_BLK_S_IOERR;
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_FLUSH:
	case VIRTIO_BLK_T_GET_ID:
		return VIRTIO_BLK_S_OK;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

struct request {
	struct virtio_blk_outhdr *hdr;
	uint8_t *data;
	uint8_t *status;
};

static void build(struct chain *c, struct request *q)
{
	unsigned int i;

	memset(c, 0, sizeof(*c));
	c->type = pick_type();
	c->len = pick_len(c->type);
	c->sector = one_in(8) ? rnd() >> below(64) : below(DISK_SECTORS);
	c->indirect = one_in(3);
	q->hdr = (void *)take(sizeof(*q->hdr));
	q->data = take(c->len);
	q->status = take(1);
	memcpy(q->hdr, &(struct virtio_blk_outhdr) { .type = c->type, .sector = c->sector },
	       sizeof(*q->hdr));
	for (i = 0; is_write(c->type) && i < c->len; i++)
		q->data[i] = rnd();
	*q->status = 0xff;
	add_split(c, (uint8_t *)q->hdr, sizeof(*q->hdr), false, 5);
	if (c->len)
		add_split(c, q->data, c->len, !is_write(c->type), 8);
	add(c, q->status, 1, true);
	c->verdict = ANSWERED;
	c->status = status_of(c);
}

/* Breaks one rule of a chain's buffers. */
static void spoil(struct chain *c)
{
	struct tbuf *b = &c->bufs[below(c->n)];

	c->verdict = BROKEN;
	switch (below(6)) {
	case 0:
		b->gpa = RING_GPA_BASE - 1 - below(64);
		break;
	case 1:
		b->gpa = RING_GPA_BASE + blk.mem.size - below(b->len);
		break;
	case 2:
		b->gpa = UINT64_MAX - below(b->len);
		break;
	case 3:
		b->len = 0;
		break;
	case 4:
		b->len = UINT32_MAX - below(100);
		break;
	default:
		/* No buffer to write at all, and so no status. */
		for (b = c->bufs; b < c->bufs + c->n; b++)
			b->write = false;
	}
}

/* A table of two whose first entry has these flags, and leads to any other entry. */
static uint64_t bad_table(const struct tring *r, uint16_t flags)
{
	uint8_t *table = take(2 * sizeof(struct vring_desc));
	struct vring_desc d[2] = {};
	struct tbuf bufs[2] = { { tmem_gpa(&blk.mem, table), 16, false } };

	bufs[1] = bufs[0];
	tring_table(r, d, bufs, 2);
	*tring_table_flags(r, d, 0) |= flags;
	if (!r->packed)
		d[0].next = 2 + below(60000);
	memcpy(table, d, sizeof(d));
	return bufs[0].gpa;
}

/* A table with one entry more than the ring has. */
static uint64_t long_table(const struct tring *r)
{
	uint8_t *table = take((NUM + 1) * sizeof(struct vring_desc));
	struct vring_desc d[NUM + 1];
	struct tbuf bufs[NUM + 1];
	unsigned int i;

	for (i = 0; i <= NUM; i++)
		bufs[i] = (struct tbuf) { tmem_gpa(&blk.mem, table), 16, i == NUM };
	tring_table(r, d, bufs, NUM + 1);
	memcpy(table, d, sizeof(d));
	return bufs[0].gpa;
}

/* Breaks a rule of a split ring. What is to be made available, if anything. */
static int spoil_split(struct tring *r, uint64_t gpa)
{
	uint16_t head;

	switch (below(4)) {
	case 0:
		return NUM + below(60000);
	case 1:
		r->vr.avail->idx += NUM + 1 + below(30000);
		return -1;
	case 2:
		head = tring_one(r, gpa, 16, VRING_DESC_F_NEXT);
		r->vr.desc[head].next = one_in(2) ? head : NUM + below(60000);
		return head;
	default:
		return tring_one(r, bad_table(r, 0), 32, VRING_DESC_F_INDIRECT);
	}
}

/* The same of a packed ring: chains without an end, and those that run into what is not theirs. */
static int spoil_packed(struct tring *r, uint64_t gpa)
{
	static const uint16_t other_turn[] = { DESC_AVAIL, DESC_USED, DESC_AVAIL | DESC_USED };
	unsigned int i, n = one_in(2) ? NUM : 1 + below(NUM - 1);
	struct tbuf bufs[NUM];
	uint16_t head;

	for (i = 0; i < n; i++)
		bufs[i] = (struct tbuf) { gpa, 16, false };
	head = tring_chain(r, bufs, n);
	i = head + below(n);
	switch (n > 1 ? below(3) : 0) {
	case 0:
		*tring_flags(r, head + n - 1) |= VRING_DESC_F_NEXT;
		break;
	case 1:
		i = i % NUM == head ? i + 1 : i;
		*tring_flags(r, i) |= VRING_DESC_F_INDIRECT;
		break;
	default:
		i = i % NUM == head ? i + 1 : i;
		*tring_flags(r, i) ^= other_turn[below(3)];
	}
	return head;
}

/* Breaks a rule of the ring itself, so that nothing of the chain is seen. */
static void spoil_ring(struct tring *r)
{
	uint64_t gpa = tmem_gpa(&blk.mem, take(2 * sizeof(struct vring_desc)));
	int head;

	switch (below(5)) {
	case 0:
		head = tring_one(r, long_table(r), (NUM + 1) * 16, VRING_DESC_F_INDIRECT);
		break;
	case 1:
		head = tring_one(r, gpa, one_in(4) ? 0 : 32 + 1 + below(15), VRING_DESC_F_INDIRECT);
		break;
	case 2:
		head = tring_one(r, bad_table(r, VRING_DESC_F_INDIRECT), 32, VRING_DESC_F_INDIRECT);
		break;
	default:
		head = r->packed ? spoil_packed(r, gpa) : spoil_split(r, gpa);
	}
	if (head >= 0)
		tring_avail(r, head);
}

/* An indirect table out of the arena. */
static uint16_t put_indirect(struct tring *r, const struct chain *c)
{
	size_t size = c->n * sizeof(struct vring_desc);
	uint8_t *table = take(size);

	tring_table(r, table, c->bufs, c->n);
	return tring_one(r, tmem_gpa(&blk.mem, table), size, VRING_DESC_F_INDIRECT);
}

static int fail(const char *what)
{
	ksft_print_msg("%s\n", what);
	return -1;
}

/* The arena holds what the model says: the buffers of @n chains apart, it is as it was. */
static int check_gaps(const uint8_t *before, const struct chain *chains, unsigned int n)
{
	uint8_t *now = malloc(arena_used), *want = malloc(arena_used);
	const struct chain *c;
	unsigned int i;
	int ret;

	memcpy(now, arena, arena_used);
	memcpy(want, before, arena_used);
	for (c = chains; c < chains + n; c++)
		for (i = 0; i < c->n; i++) {
			uint64_t at = c->bufs[i].gpa - tmem_gpa(&blk.mem, arena);

			if (!c->bufs[i].write || at >= arena_used ||
			    c->bufs[i].len > arena_used - at)
				continue;
			memset(now + at, 0, c->bufs[i].len);
			memset(want + at, 0, c->bufs[i].len);
		}
	ret = memcmp(now, want, arena_used) ? fail("bytes beside the buffers changed") : 0;
	free(now);
	free(want);
	return ret;
}

static int check_answer(const struct chain *c, const struct request *q,
			const struct vring_used_elem *used)
{
	uint8_t *sector = disk_model + c->sector * SECTOR;

	if (*q->status != c->status) {
		ksft_print_msg("type %u sector %llu len %u: status %u, the model says %u\n",
			       c->type, (unsigned long long)c->sector, c->len, *q->status,
			       c->status);
		return -1;
	}
	if (c->status != VIRTIO_BLK_S_OK)
		return 0;
	if (c->type == VIRTIO_BLK_T_OUT)
		memcpy(sector, q->data, c->len);
	if (c->type == VIRTIO_BLK_T_IN && memcmp(sector, q->data, c->len))
		return fail("wrong data");
	if (used->len != 1 + (is_write(c->type) ? 0 : c->len))
		return fail("wrong length in the used ring");
	return 0;
}

/* Starts a stopped queue again, anew. */
static int restart(struct tring *r)
{
	if (tblk_running(&blk, 0))
		return fail("it does not stop");
	tring_restart(r, r->packed, rnd());
	if (dev_pair(blk.fd, VHOST_SET_VRING_BASE, 0, tring_base(r)) || tblk_running(&blk, 1))
		return fail("it does not start again");
	return 0;
}

static int expect_broken(struct tring *r)
{
	struct vring_used_elem used;
	struct treq other = {};
	size_t mark = blk.mem.used;
	int ret;

	if (!tevent(r->err, SOON))
		return fail("the queue did not stop");
	if (tring_used(r, &used, 0))
		return fail("a bad chain was used");
	ret = tblk_do(&blk, 1, &other, VIRTIO_BLK_T_GET_ID, 0, 20);
	blk.mem.used = mark;
	if (ret != VIRTIO_BLK_S_OK)
		return fail("the other queue stopped too");
	return restart(r);
}

static int expect_answer(struct tring *r, const struct chain *c, const struct request *q,
			 uint16_t head)
{
	struct vring_used_elem used;

	if (!tring_used(r, &used, SOON))
		return fail("no answer");
	if (used.id != head)
		return fail("an answer to another chain");
	if (tevent(r->err, 0))
		return fail("an error without a reason");
	return check_answer(c, q, &used);
}

static uint8_t before[ARENA_SIZE];

/* Several good chains at once, whose answers come in any order. */
static int burst(struct tring *r)
{
	unsigned int n, i, done, room = NUM;
	struct vring_used_elem used;
	struct request q[BURST];
	struct chain c[BURST];
	uint16_t head[BURST];

	for (n = 0; n < BURST; n++) {
		/* What is read and written at once has no order that a model could know. */
		do
			build(&c[n], &q[n]);
		while (is_write(c[n].type));
		c[n].indirect |= c[n].n > room - (BURST - n - 1);
		head[n] = c[n].indirect ? put_indirect(r, &c[n]) :
					  tring_chain(r, c[n].bufs, c[n].n);
		room -= c[n].indirect ? 1 : c[n].n;
	}
	memcpy(before, arena, arena_used);
	for (n = 0; n < BURST; n++)
		tring_avail(r, head[n]);
	tring_kick(r);
	for (done = 0; done != (1 << BURST) - 1; done |= 1 << i) {
		if (!tring_used(r, &used, SOON))
			return fail("no answer");
		for (i = 0; i < BURST && (head[i] != used.id || done & 1 << i); i++)
			;
		if (i == BURST)
			return fail("an answer to another chain");
		if (check_answer(&c[i], &q[i], &used))
			return -1;
	}
	return tevent(r->err, 0) ? fail("an error without a reason") : check_gaps(before, c, BURST);
}

static int step(struct tring *r)
{
	struct request q;
	struct chain c;
	uint16_t head;
	int ret;

	memset(arena, FILLER, ARENA_SIZE);
	arena_used = 0;
	if (one_in(4))
		return burst(r);
	build(&c, &q);
	if (one_in(12)) {
		spoil_ring(r);
		tring_kick(r);
		return expect_broken(r);
	}
	if (one_in(8))
		spoil(&c);
	if (c.indirect && one_in(2))
		head = put_indirect(r, &c);
	else
		head = tring_chain(r, c.bufs, c.n);
	memcpy(before, arena, arena_used);
	tring_avail(r, head);
	tring_kick(r);
	ret = c.verdict == BROKEN ? expect_broken(r) : expect_answer(r, &c, &q, head);
	return ret ?: check_gaps(before, &c, 1);
}

static void start_device(void)
{
	uint64_t features = BASE_FEATURES | BIT64(VIRTIO_BLK_F_FLUSH) |
			    (event_idx ? EVENT_IDX : 0) | (packed ? PACKED : 0);
	int disk = memfd_create("disk", 0);

	memset(disk_model, 0, sizeof(disk_model));
	if (disk < 0 || ftruncate(disk, sizeof(disk_model)) ||
	    !tblk_open(&blk, disk, 0, 2, NUM) || tblk_start(&blk, features))
		ksft_exit_fail_msg("the device does not run\n");
	arena = tmem_alloc(&blk.mem, ARENA_SIZE, 4096);
}

static void finish(void)
{
	tblk_close(&blk);
	close(blk.disk);
}

/* One run of the device: so many steps, or until the time is over. */
static int run(uint64_t seed, unsigned long steps, time_t end)
{
	unsigned long n;
	int ret = 0;

	state = seed;
	event_idx = seed & 1;
	packed = seed & 2;
	start_device();
	for (n = 0; n < steps && time(NULL) < end && !ret; n++)
		ret = step(&blk.rings[0]);
	if (ret)
		ksft_print_msg("to repeat: ring -s %llu -n %lu\n", (unsigned long long)seed, n);
	finish();
	return ret;
}

#define STEPS_OF_A_RUN	5000

int main(int argc, char **argv)
{
	unsigned long steps = 0, seconds = 120;
	uint64_t seed = 1;
	time_t end;
	int opt, ret = 0;

	while ((opt = getopt(argc, argv, "s:t:n:")) != -1) {
		if (opt == 's')
			seed = strtoull(optarg, NULL, 0);
		else if (opt == 't')
			seconds = strtoul(optarg, NULL, 0);
		else if (opt == 'n')
			steps = strtoul(optarg, NULL, 0);
		else
			return KSFT_FAIL;
	}
	ksft_print_header();
	ksft_set_plan(1);
	end = time(NULL) + seconds;
	if (steps)
		ret = run(seed, steps, end);
	for (; !steps && !ret && time(NULL) < end; seed++)
		ret = run(seed, STEPS_OF_A_RUN, end);
	ksft_print_msg("the last seed was %llu\n", (unsigned long long)seed - !steps);
	ksft_test_result(!ret, "random rings\n");
	ksft_finished();
}
