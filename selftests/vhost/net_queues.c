// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards a network device of several pairs of queues: each is an open device of its own on a
 * queue of one tap. Frames come from each, reach each exactly once between them, go to those
 * that are left when a queue is detached or its device is closed, and to all when it is back.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

enum { RX, TX, QUEUES };

#define PAIRS		2
#define NUM		64
#define HDR		sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define FRAME		100
#define NAME		"vtq0"
#define MEM_SIZE	(4 << 20)
#define FLOWS		32
/* Where a UDP packet has its source port, which tells flows apart. */
#define PORT_AT		(ETH_HLEN + 20)

struct pair {
	int tap;
	int fd;
	struct tmem mem;
	struct tring r[QUEUES];
};

FIXTURE(queues) {
	struct pair p[PAIRS];
	int packet;
};

static bool open_tap(struct pair *p)
{
	struct ifreq ifr = {
		.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE,
		.ifr_name = NAME,
	};
	int size = HDR;

	p->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	return p->tap >= 0 && !ioctl(p->tap, TUNSETIFF, &ifr) &&
	       !ioctl(p->tap, TUNSETVNETHDRSZ, &size);
}

static bool open_pair(struct pair *p)
{
	uint64_t features = BASE_FEATURES | BIT64(VIRTIO_NET_F_MRG_RXBUF);
	unsigned int i;
	int ret;

	p->fd = dev_open(VELLUM_VHOST_NET_DEVICE_PATH);
	if (p->fd < 0)
		return false;
	tmem_init(&p->mem, MEM_SIZE);
	ret = dev_ioctl(p->fd, VHOST_SET_OWNER, NULL);
	ret = ret ?: dev_ioctl(p->fd, VHOST_SET_FEATURES, &features);
	ret = ret ?: dev_mem(p->fd, &p->mem);
	for (i = 0; i < QUEUES; i++) {
		tring_init(&p->r[i], &p->mem, NUM);
		ret = ret ?: dev_ring(p->fd, i, &p->r[i]);
		ret = ret ?: dev_pair(p->fd, VHOST_NET_SET_BACKEND, i, p->tap);
	}
	return !ret;
}

static void close_pair(struct pair *p)
{
	close(p->fd);
	tring_destroy(&p->r[RX]);
	tring_destroy(&p->r[TX]);
	tmem_destroy(&p->mem);
}

static int packet_socket(void)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

	ll.sll_ifindex = if_nametoindex(NAME);
	return fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)) ? -1 : fd;
}

FIXTURE_SETUP(queues)
{
	unsigned int i;

	put("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	for (i = 0; i < PAIRS; i++)
		ASSERT_TRUE(open_tap(&self->p[i]));
	ASSERT_EQ(0, system("ip link set " NAME " up"));
	self->packet = packet_socket();
	ASSERT_LE(0, self->packet);
	for (i = 0; i < PAIRS; i++)
		ASSERT_TRUE(open_pair(&self->p[i]));
}

FIXTURE_TEARDOWN(queues)
{
	unsigned int i;

	close(self->packet);
	for (i = 0; i < PAIRS; i++) {
		close_pair(&self->p[i]);
		close(self->p[i].tap);
	}
}

/* A UDP packet of one of many flows, so that the tap spreads them over its queues. */
static void fill_frame(uint8_t *f, unsigned int flow)
{
	static const uint8_t head[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, ETH_P_IP >> 8, 0,
		0x45, 0, 0, FRAME - ETH_HLEN, 0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0,
		10, 9, 8, 1, 10, 9, 8, 2,
	};

	memset(f, 0, FRAME);
	memcpy(f, head, sizeof(head));
	f[PORT_AT] = 0x40;
	f[PORT_AT + 1] = flow;
	f[PORT_AT + 5] = FRAME - PORT_AT;
}

static void offer(struct pair *p, unsigned int n)
{
	while (n--) {
		struct tbuf buf = { tmem_gpa(&p->mem, tmem_alloc(&p->mem, HDR + FRAME, 16)),
				    HDR + FRAME, true };

		tring_avail(&p->r[RX], tring_chain(&p->r[RX], &buf, 1));
	}
	tring_kick(&p->r[RX]);
}

/* Frames of every flow, from the host. */
static bool send_flows(int packet)
{
	uint8_t f[FRAME];
	unsigned int i;

	for (i = 0; i < FLOWS; i++) {
		fill_frame(f, i);
		if (write(packet, f, FRAME) != FRAME)
			return false;
	}
	return true;
}

/* How many the pair receives until no more come. */
static unsigned int received(struct pair *p)
{
	struct vring_used_elem used;
	unsigned int n = 0;

	while (n < FLOWS && tring_used(&p->r[RX], &used, NEVER))
		n++;
	return n;
}

/* All that was sent came to the pairs, and each of the @n had some. */
static bool shared(struct pair *p, unsigned int n)
{
	unsigned int i, got, total = 0;

	for (i = 0; i < n; i++) {
		got = received(&p[i]);
		if (!got)
			return false;
		total += got;
	}
	return total == FLOWS;
}

TEST_F(queues, transmit)
{
	unsigned int i, n;

	for (i = 0; i < PAIRS; i++) {
		struct pair *p = &self->p[i];
		uint8_t *q = tmem_alloc(&p->mem, HDR + FRAME, 16), got[2048];
		struct tbuf buf = { tmem_gpa(&p->mem, q), HDR + FRAME, false };
		struct pollfd f = { .fd = self->packet, .events = POLLIN };
		struct vring_used_elem used;

		fill_frame(q + HDR, i);
		tring_avail(&p->r[TX], tring_chain(&p->r[TX], &buf, 1));
		tring_kick(&p->r[TX]);
		ASSERT_TRUE(tring_used(&p->r[TX], &used, SOON));
		ASSERT_EQ(1, poll(&f, 1, SOON));
		n = read(self->packet, got, sizeof(got));
		EXPECT_EQ(FRAME, n);
		EXPECT_EQ(0, memcmp(got, q + HDR, FRAME));
	}
}

TEST_F(queues, receive)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++)
		offer(&self->p[i], FLOWS);
	ASSERT_TRUE(send_flows(self->packet));
	EXPECT_TRUE(shared(self->p, PAIRS));
}

TEST_F(queues, detach_and_attach)
{
	struct ifreq ifr = { .ifr_flags = IFF_DETACH_QUEUE };
	unsigned int i;

	ASSERT_EQ(0, ioctl(self->p[1].tap, TUNSETQUEUE, &ifr));
	offer(&self->p[0], FLOWS);
	ASSERT_TRUE(send_flows(self->packet));
	EXPECT_TRUE(shared(self->p, 1));
	ifr.ifr_flags = IFF_ATTACH_QUEUE;
	ASSERT_EQ(0, ioctl(self->p[1].tap, TUNSETQUEUE, &ifr));
	for (i = 0; i < PAIRS; i++)
		offer(&self->p[i], FLOWS);
	ASSERT_TRUE(send_flows(self->packet));
	EXPECT_TRUE(shared(self->p, PAIRS));
}

/* The other pair does not notice. */
TEST_F(queues, a_device_closes)
{
	struct ifreq ifr = { .ifr_flags = IFF_DETACH_QUEUE };

	close_pair(&self->p[1]);
	ASSERT_EQ(0, ioctl(self->p[1].tap, TUNSETQUEUE, &ifr));
	offer(&self->p[0], FLOWS);
	ASSERT_TRUE(send_flows(self->packet));
	EXPECT_TRUE(shared(self->p, 1));
	ASSERT_TRUE(open_pair(&self->p[1]));
}

TEST_HARNESS_MAIN
