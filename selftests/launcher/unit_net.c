// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the launcher's network device against its guest's rings: packets go through whole
 * however the driver cuts them into buffers; chains that are no packet or no receive buffer stop
 * the device; packets wait for buffers, and what does not fit in all there can be is lost; a tap
 * that goes away takes no buffers along; what waits in one is lost to the next driver. Random rings
 * must neither crash nor hand out what is outside RAM. A card goes without a vhost device that
 * cannot be had, unless it is asked for.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "net/link.h"
#include "vellum/vhost_choice.h"
#include "virtio/net.h"

#define RAM_SIZE	(4 * MIB)
#define DESC		0x10000ULL
#define AVAIL		0x20000ULL
#define USED		0x30000ULL
#define DATA		0x50000ULL
#define SIZE		16
#define BUDGET		8
#define FUZZ_ROUNDS	20000
#define PACKET		100

/* In place of the host's links: the taps here are none. */
int link_up(const char *name, const char *option, struct error *err)
{
	return -1;
}

int link_join(struct link_bridge *b, const char *name, const char *bridge, const char *option,
	      struct error *err)
{
	return -1;
}

void link_leave(struct link_bridge *b)
{
}

FIXTURE(net)
{
	struct guest_ram ram;
	struct queue q;
	struct net_receiver *r;
	struct vring_desc *desc;
	struct vring_avail *avail;
	int tap;	/* the device's end of the cable */
	int host;	/* the other one */
};

FIXTURE_SETUP(net)
{
	struct error err;
	int pair[2];

	ASSERT_EQ(0, ram_create(&self->ram, RAM_SIZE, NULL, &err));
	memset(&self->q, 0, sizeof(self->q));
	self->q.ram = &self->ram;
	queue_reset(&self->q);
	self->q.size = SIZE;
	self->q.desc_gpa = DESC;
	self->q.avail_gpa = AVAIL;
	self->q.used_gpa = USED;
	ASSERT_EQ(0, queue_enable(&self->q));
	self->desc = ram_ptr(&self->ram, DESC, 1);
	self->avail = ram_ptr(&self->ram, AVAIL, 1);
	self->r = calloc(1, sizeof(*self->r));
	ASSERT_NE(NULL, self->r);
	self->r->q = &self->q;
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair));
	self->tap = pair[0];
	self->host = pair[1];
}

FIXTURE_TEARDOWN(net)
{
	close(self->tap);
	close(self->host);
	free(self->r);
	ram_destroy(&self->ram);
}

static void offer(struct vring_avail *avail, __u16 head)
{
	avail->ring[avail->idx % SIZE] = head;
	avail->idx++;
}

static void set(struct vring_desc *d, __u64 addr, __u32 len, __u16 flags, __u16 next)
{
	*d = (struct vring_desc){ addr, len, flags, next };
}

static __u8 *fill(void *at, size_t len)
{
	__u8 *p = at;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (__u8)(i * 7 + 3);
	return p;
}

/* A packet arrives the same wherever its header and its bytes are cut in two. */
TEST_F(net, sends_split_anywhere)
{
	__u8 *data = fill(ram_ptr(&self->ram, DATA, PACKET), PACKET);
	__u8 got[2 * PACKET];
	__u32 cut;

	for (cut = 1; cut < PACKET; cut++) {
		set(&self->desc[0], DATA, cut, VRING_DESC_F_NEXT, 1);
		set(&self->desc[1], DATA + cut, PACKET - cut, 0, 0);
		offer(self->avail, 0);
		ASSERT_EQ(NET_IDLE, net_transmit(&self->q, self->tap, BUDGET));
		ASSERT_EQ(PACKET, read(self->host, got, sizeof(got)));
		ASSERT_EQ(0, memcmp(data, got, PACKET));
	}
	EXPECT_EQ(PACKET - 1, self->q.used->idx);
}

TEST_F(net, sends_no_more_than_its_budget)
{
	__u32 i;

	set(&self->desc[0], DATA, PACKET, 0, 0);
	for (i = 0; i < BUDGET + 1; i++)
		offer(self->avail, 0);
	EXPECT_EQ(NET_MORE, net_transmit(&self->q, self->tap, BUDGET));
	EXPECT_EQ(BUDGET, self->q.used->idx);
	EXPECT_EQ(NET_IDLE, net_transmit(&self->q, self->tap, BUDGET));
	EXPECT_EQ(BUDGET + 1, self->q.used->idx);
}

TEST_F(net, refuses_to_send_what_is_no_packet)
{
	static const struct { __u32 len; __u16 flags; } bad[] = {
		{ 0, 0 }, { 1, 0 }, { NET_HEADER - 1, 0 }, { PACKET, VRING_DESC_F_WRITE },
		{ ~0U, 0 },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		set(&self->desc[0], DATA, bad[i].len, bad[i].flags, 0);
		self->q.next_avail = self->avail->idx;
		offer(self->avail, 0);
		EXPECT_EQ(NET_BROKEN, net_transmit(&self->q, self->tap, BUDGET)) {
			TH_LOG("case %zu", i);
		}
	}
	EXPECT_EQ(0, self->q.used->idx);
}

/* A packet the tap refuses is lost, and the queue goes on. */
TEST_F(net, loses_what_the_tap_refuses)
{
	set(&self->desc[0], DATA, PACKET, 0, 0);
	offer(self->avail, 0);
	ASSERT_EQ(0, shutdown(self->tap, SHUT_WR));
	signal(SIGPIPE, SIG_IGN);
	EXPECT_EQ(NET_IDLE, net_transmit(&self->q, self->tap, BUDGET));
	EXPECT_EQ(1, self->q.used->idx);
	offer(self->avail, 0);
	EXPECT_EQ(NET_GONE, net_transmit(&self->q, -1, BUDGET));
}

TEST_F(net, receives_split_anywhere)
{
	__u8 *at = ram_ptr(&self->ram, DATA, PACKET);
	__u8 sent[PACKET];
	__u32 cut;

	fill(sent, sizeof(sent));
	for (cut = 1; cut < PACKET; cut++) {
		memset(at, 0, PACKET);
		set(&self->desc[0], DATA, cut, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
		set(&self->desc[1], DATA + cut, PACKET, VRING_DESC_F_WRITE, 0);
		offer(self->avail, 0);
		ASSERT_EQ(PACKET, write(self->host, sent, PACKET));
		ASSERT_EQ(NET_IDLE, net_receive(self->r, self->tap, BUDGET));
		ASSERT_EQ(cut, self->q.used->idx);
		ASSERT_EQ(PACKET, self->q.used->ring[(cut - 1) % SIZE].len);
		/* The header's last field counts buffers. */
		ASSERT_EQ(1, at[NET_HEADER - 2]);
		ASSERT_EQ(0, at[NET_HEADER - 1]);
		ASSERT_EQ(0, memcmp(at, sent, NET_HEADER - 2));
		ASSERT_EQ(0, memcmp(at + NET_HEADER, sent + NET_HEADER, PACKET - NET_HEADER));
	}
}

TEST_F(net, merges_buffers)
{
	__u8 sent[PACKET];
	__u32 i;

	fill(sent, sizeof(sent));
	self->r->merge = true;
	for (i = 0; i < 4; i++) {
		set(&self->desc[i], DATA + i * 0x1000, 40, VRING_DESC_F_WRITE, 0);
		offer(self->avail, (__u16)i);
	}
	ASSERT_EQ(PACKET, write(self->host, sent, PACKET));
	ASSERT_EQ(NET_IDLE, net_receive(self->r, self->tap, BUDGET));
	EXPECT_EQ(3, self->q.used->idx);
	EXPECT_EQ(40, self->q.used->ring[0].len);
	EXPECT_EQ(20, self->q.used->ring[2].len);
	EXPECT_EQ(3, *(__u8 *)ram_ptr(&self->ram, DATA + NET_HEADER - 2, 1));
	EXPECT_EQ(0, memcmp(sent + 80, ram_ptr(&self->ram, DATA + 0x2000, 20), 20));
}

TEST_F(net, waits_for_buffers)
{
	__u8 sent[PACKET];

	fill(sent, sizeof(sent));
	self->r->merge = true;
	self->q.event_idx = true;
	set(&self->desc[0], DATA, 40, VRING_DESC_F_WRITE, 0);
	set(&self->desc[1], DATA + 0x1000, 4096, VRING_DESC_F_WRITE, 0);
	offer(self->avail, 0);
	ASSERT_EQ(PACKET, write(self->host, sent, PACKET));
	ASSERT_EQ(NET_IDLE, net_receive(self->r, self->tap, BUDGET));
	EXPECT_EQ(0, self->q.used->idx);
	EXPECT_EQ(PACKET, self->r->len);
	/* The driver is asked to tell of the next buffer, the second one. */
	EXPECT_EQ(1, *(__u16 *)&self->q.used->ring[SIZE]);
	offer(self->avail, 1);
	ASSERT_EQ(NET_IDLE, net_receive(self->r, self->tap, BUDGET));
	EXPECT_EQ(2, self->q.used->idx);
	EXPECT_EQ(0, self->r->len);
}

TEST_F(net, loses_what_does_not_fit)
{
	__u8 sent[PACKET];

	fill(sent, sizeof(sent));
	set(&self->desc[0], DATA, 40, VRING_DESC_F_WRITE, 0);
	offer(self->avail, 0);
	ASSERT_EQ(PACKET, write(self->host, sent, PACKET));
	ASSERT_EQ(30, write(self->host, sent, 30));
	ASSERT_EQ(NET_IDLE, net_receive(self->r, self->tap, BUDGET));
	EXPECT_EQ(1, self->q.used->idx);
	EXPECT_EQ(30, self->q.used->ring[0].len);
}

TEST_F(net, refuses_what_is_no_receive_buffer)
{
	static const struct { __u32 len; __u16 flags; } bad[] = {
		{ 0, VRING_DESC_F_WRITE }, { 1, VRING_DESC_F_WRITE }, { PACKET, 0 },
		{ NET_HEADER - 1, VRING_DESC_F_WRITE }, { ~0U, VRING_DESC_F_WRITE },
	};
	__u8 sent[PACKET];
	size_t i;

	fill(sent, sizeof(sent));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		set(&self->desc[0], DATA, bad[i].len, bad[i].flags, 0);
		self->q.next_avail = self->avail->idx;
		self->r->len = 0;
		offer(self->avail, 0);
		ASSERT_EQ(PACKET, write(self->host, sent, PACKET));
		EXPECT_EQ(NET_BROKEN, net_receive(self->r, self->tap, BUDGET)) {
			TH_LOG("case %zu", i);
		}
	}
	EXPECT_EQ(0, self->q.used->idx);
}

/*
 * What all of the ring cannot hold is lost, as with vhost, and no list of the buffers taken may
 * overrun meanwhile. Buffers may have several descriptors.
 */
TEST_F(net, loses_what_the_ring_cannot_hold)
{
	__u8 sent[PACKET];
	__u32 i, each;

	fill(sent, sizeof(sent));
	self->r->merge = true;
	set(&self->desc[0], DATA, NET_HEADER, VRING_DESC_F_WRITE, 0);
	set(&self->desc[1], DATA, 1, VRING_DESC_F_WRITE, 0);
	set(&self->desc[2], DATA, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	set(&self->desc[3], DATA, NET_HEADER, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	for (each = 1; each <= 2; each++) {
		__u16 first = self->q.next_used;

		offer(self->avail, each == 1 ? 0 : 3);
		for (i = each; i < SIZE; i += each)
			offer(self->avail, (__u16)each);
		ASSERT_EQ(PACKET, write(self->host, sent, PACKET));
		ASSERT_EQ(NET_HEADER + 2, write(self->host, sent, NET_HEADER + 2));
		EXPECT_EQ(NET_IDLE, net_receive(self->r, self->tap, BUDGET));
		EXPECT_EQ(0, self->r->len);
		EXPECT_EQ(1 + 2 / each, (__u16)(self->q.used->idx - first));
		self->q.next_avail = self->avail->idx;
	}
}

static bool has_kick(const struct virtio_net *card)
{
	struct pollfd kick = { .fd = card->dev.kick_fd, .events = POLLIN };

	return poll(&kick, 1, 0) > 0;
}

/* The driver may never notify again for packets it has queued already. */
TEST_F(net, gives_buffers_back_without_a_tap)
{
	const struct kvm kvm = { .vm_fd = -1 };
	struct virtio_net *card = calloc(1, sizeof(*card));
	struct queue *tx = &card->dev.queues[NET_QUEUE_TRANSMIT];
	struct pci_bus bus;
	struct error err;
	eventfd_t kicks;
	__u32 i;

	ASSERT_NE(NULL, card);
	card->tap.fd = -1;
	ASSERT_EQ(0, net_init(card, NULL, &kvm, &self->ram, &err));
	pci_bus_init(&bus, NULL);
	ASSERT_EQ(0, virtio_plug(&card->dev, &bus, &err));
	card->receiver.q = &card->dev.queues[NET_QUEUE_RECEIVE];
	*tx = self->q;
	tx->event_idx = true;
	set(&self->desc[0], DATA, PACKET, 0, 0);
	for (i = 0; i < 3; i++)
		offer(self->avail, 0);
	/* As the device's thread: once for the driver's notification, then for the device's own. */
	virtio_kick(&card->dev);
	for (i = 0; i < 10 && has_kick(card); i++) {
		ASSERT_EQ(0, eventfd_read(card->dev.kick_fd, &kicks));
		ASSERT_EQ(0, card->dev.ops->serve(&card->dev));
	}
	EXPECT_EQ(0, card->config.status);
	EXPECT_EQ(3, tx->used->idx);
	/* Asked to be told of the fourth, and idle. */
	EXPECT_EQ(3, *(__u16 *)&tx->used->ring[SIZE]);
	EXPECT_GT(10, i);
	net_destroy(card);
	free(card);
}

/* Whoever comes when the tap is gone finds a card without a cable, not a broken one. */
TEST_F(net, is_there_without_a_tap)
{
	const struct kvm kvm = { .vm_fd = -1 };
	struct virtio_net *card = calloc(1, sizeof(*card));
	struct error err;

	ASSERT_NE(NULL, card);
	card->tap.fd = -1;
	ASSERT_EQ(0, net_init(card, NULL, &kvm, &self->ram, &err));
	EXPECT_EQ(VIRTIO_NET_S_LINK_UP, card->config.status);
	EXPECT_EQ(0, card->dev.ops->start(&card->dev));
	EXPECT_EQ(0, card->config.status);
	net_destroy(card);
	free(card);
}

/* The next driver may not have agreed to what came for the last one. */
TEST_F(net, loses_what_came_before_the_driver)
{
	const struct tap tap = { .fd = self->tap };
	__u8 packet[PACKET] = { 0 };
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(PACKET, write(self->host, packet, PACKET));
	tap_drain(&tap);
	EXPECT_EQ(-1, read(self->tap, packet, PACKET));
	EXPECT_EQ(EAGAIN, errno);
}

/* That it is there does not mean that it can be opened: /dev/null stands for one that cannot. */
TEST(goes_without_a_vhost_device)
{
	struct run_vhost how = { .mode = VHOST_AUTO };
	struct vhost vhost = { 0 };
	struct error err;

	EXPECT_EQ(0, vhost_choose(&vhost, &how, "/dev/null", "--net", &err));
	EXPECT_FALSE(vhost_is_open(&vhost));
	how.packed = true;
	EXPECT_EQ(-1, vhost_choose(&vhost, &how, "/dev/null", "--net", &err));
	how = (struct run_vhost){ .mode = VHOST_ON };
	EXPECT_EQ(-1, vhost_choose(&vhost, &how, "/dev/null", "--net", &err));
	EXPECT_FALSE(vhost_is_open(&vhost));
}

TEST_F(net, fuzz)
{
	__u8 packet[512];
	__u32 round, i, done = 0;

	srandom(2);
	fill(packet, sizeof(packet));
	for (round = 0; round < FUZZ_ROUNDS; round++) {
		for (i = 0; i < SIZE; i++)
			set(&self->desc[i], (__u64)random() % (RAM_SIZE + 0x1000),
			    (__u32)random() % 600, (__u16)(random() % 4),
			    (__u16)(random() % (SIZE + 1)));
		self->r->merge = random() % 2;
		self->r->len = 0;
		self->q.next_avail = self->avail->idx;
		/* The rings are in RAM, too, and may have been overwritten. */
		for (i = random() % SIZE; i; i--)
			offer(self->avail, (__u16)(random() % SIZE));
		if (random() % 2) {
			(void)!write(self->host, packet, 12 + random() % 500);
			done += net_receive(self->r, self->tap, BUDGET) != NET_BROKEN;
		} else {
			done += net_transmit(&self->q, self->tap, BUDGET) != NET_BROKEN;
			while (read(self->host, packet, sizeof(packet)) > 0)
				;
		}
	}
	EXPECT_GT(done, FUZZ_ROUNDS / 100);
}

TEST_HARNESS_MAIN
