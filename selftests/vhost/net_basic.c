// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the network device on a tap, a macvtap and a packet socket: frames both ways unharmed, in
 * order and by the batch, headers added and stripped, buffers merged, a backend that is taken
 * away and comes back, a new owner, too small buffers, too short frames, buffers that are not
 * there at once; received frames with offloads, of several pages and with VLAN tags, and the tap's
 * count of them.
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
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "dev.h"

enum { RX, TX };

#define NUM		64
#define HDR		sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define OUR_PROTO	0x88b5	/* for local experiments */
#define MERGED		BIT64(VIRTIO_NET_F_MRG_RXBUF)
#define OUR_HEADER	BIT64(VHOST_NET_F_VIRTIO_NET_HDR)
#define MEM_SIZE	(16 << 20)
#define PAGE		4096
#define LONG		4000	/* bytes of a frame that no batch takes */
#define LATE		200	/* of one whose end comes late */

FIXTURE(net) {
	int fd;
	int tap;
	int packet;
	int backend;
	int macvtap;
	int host;	/* the other side: a packet socket on the tap, or the tap itself */
	struct tmem mem;
	struct tring r[2];
	struct tiommu iommu;
	int uffd[2];
};

FIXTURE_VARIANT(net) {
	bool tap;
	uint64_t features;
	bool macvtap;	/* on the tap */
};

FIXTURE_VARIANT_ADD(net, tap) { true, MERGED };
FIXTURE_VARIANT_ADD(net, tap_event_idx) { true, MERGED | EVENT_IDX };
FIXTURE_VARIANT_ADD(net, tap_our_header) { true, MERGED | OUR_HEADER };
FIXTURE_VARIANT_ADD(net, tap_not_merged) { true, 0 };
FIXTURE_VARIANT_ADD(net, packet) { false, MERGED | OUR_HEADER };
FIXTURE_VARIANT_ADD(net, tap_packed) { true, MERGED | PACKED };
FIXTURE_VARIANT_ADD(net, tap_packed_event_idx) { true, MERGED | PACKED | EVENT_IDX };
FIXTURE_VARIANT_ADD(net, tap_packed_not_merged) { true, PACKED };
FIXTURE_VARIANT_ADD(net, tap_iommu) { true, MERGED | PLATFORM | EVENT_IDX };
FIXTURE_VARIANT_ADD(net, tap_packed_iommu) { true, MERGED | PACKED | PLATFORM };
FIXTURE_VARIANT_ADD(net, tap_in_order) { true, MERGED | IN_ORDER | EVENT_IDX };
FIXTURE_VARIANT_ADD(net, tap_packed_in_order) { true, MERGED | PACKED | IN_ORDER };
FIXTURE_VARIANT_ADD(net, packet_packed) { false, MERGED | OUR_HEADER | PACKED };

static int open_tap(const char *name, bool vnet_hdr)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | (vnet_hdr ? IFF_VNET_HDR : 0) };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK), size = HDR;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr))
		return -1;
	if (vnet_hdr && ioctl(fd, TUNSETVNETHDRSZ, &size))
		return -1;
	return fd;
}

static int open_macvtap(void)
{
	char path[40];
	int fd, size = HDR;

	if (system("modprobe macvtap; ip link add link vt0 name vt1 type macvtap") ||
	    system("ip link set vt1 up"))
		return -1;
	snprintf(path, sizeof(path), "/dev/tap%u", if_nametoindex("vt1"));
	fd = open(path, O_RDWR | O_NONBLOCK);
	return fd < 0 || ioctl(fd, TUNSETVNETHDRSZ, &size) ? -1 : fd;
}

FIXTURE_VARIANT_ADD(net, macvtap) { true, MERGED, true };
FIXTURE_VARIANT_ADD(net, macvtap_event_idx) {
	true, MERGED | BIT64(VIRTIO_RING_F_EVENT_IDX), true
};

static int packet_socket(const char *name)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(OUR_PROTO) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(OUR_PROTO));

	ll.sll_ifindex = if_nametoindex(name);
	if (fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		return -1;
	return fd;
}

static int set_backend(int fd, unsigned int index, int backend)
{
	return dev_pair(fd, VHOST_NET_SET_BACKEND, index, backend);
}

FIXTURE_SETUP(net)
{
	uint64_t features = BASE_FEATURES | variant->features;
	bool ours = variant->features & BIT64(VHOST_NET_F_VIRTIO_NET_HDR);
	unsigned int i;

	self->uffd[0] = -1;
	self->uffd[1] = -1;
	self->fd = dev_open(VELLUM_VHOST_NET_DEVICE_PATH);
	ASSERT_LE(0, self->fd);
	/* No frames but ours. */
	put("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	self->macvtap = -1;
	self->tap = open_tap("vt0", variant->tap && !ours && !variant->macvtap);
	ASSERT_LE(0, self->tap);
	ASSERT_EQ(0, system("ip link set vt0 up"));
	self->packet = packet_socket("vt0");
	ASSERT_LE(0, self->packet);
	self->backend = variant->tap ? self->tap : self->packet;
	self->host = variant->tap ? self->packet : self->tap;
	if (variant->macvtap) {
		self->macvtap = open_macvtap();
		ASSERT_LE(0, self->macvtap);
		self->backend = self->macvtap;
		self->host = self->tap;
	}
	tmem_init(&self->mem, MEM_SIZE);
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_SET_FEATURES, &features));
	ASSERT_EQ(0, dev_mem(self->fd, &self->mem));
	for (i = 0; i < 2; i++) {
		tring_init(&self->r[i], &self->mem, NUM);
		tring_restart(&self->r[i], features & PACKED, 0);
		self->r[i].in_order = features & IN_ORDER;
		ASSERT_EQ(0, dev_ring(self->fd, i, &self->r[i]));
		ASSERT_EQ(0, set_backend(self->fd, i, self->backend));
	}
	if (features & PLATFORM)
		tiommu_start(&self->iommu, self->fd, &self->mem);
}

FIXTURE_TEARDOWN(net)
{
	close(self->uffd[0]);
	close(self->uffd[1]);
	tiommu_stop(&self->iommu);
	close(self->fd);
	close(self->macvtap);
	close(self->tap);
	close(self->packet);
	if (!self->mem.base)
		return;
	tring_destroy(&self->r[RX]);
	tring_destroy(&self->r[TX]);
	tmem_destroy(&self->mem);
}

static void frame(uint8_t *p, size_t len, unsigned int seed)
{
	size_t i;

	memset(p, 0xff, ETH_ALEN);
	memcpy(p + ETH_ALEN, "\x02\0\0\0\0\1", ETH_ALEN);
	p[12] = OUR_PROTO >> 8;
	p[13] = OUR_PROTO & 0xff;
	for (i = ETH_HLEN; i < len; i++)
		p[i] = seed * 13 + i;
}

static bool same_frame(const uint8_t *p, size_t len, unsigned int seed)
{
	uint8_t want[2048];

	frame(want, len, seed);
	return !memcmp(p, want, len);
}

static void send_frame(struct tmem *mem, struct tring *r, size_t len, unsigned int seed)
{
	uint8_t *p = tmem_alloc(mem, HDR + len, 16);
	struct tbuf buf = { tmem_gpa(mem, p), HDR + len, false };

	frame(p + HDR, len, seed);
	tring_avail(r, tring_chain(r, &buf, 1));
}

/* The length of the next frame on the host side, or -1. */
static int host_receive(int fd, uint8_t *p, size_t size, int ms)
{
	struct pollfd f = { .fd = fd, .events = POLLIN };

	return poll(&f, 1, ms) == 1 ? read(fd, p, size) : -1;
}

static uint8_t *offer(struct tmem *mem, struct tring *r, size_t len)
{
	uint8_t *p = tmem_alloc(mem, len, 16);
	struct tbuf buf = { tmem_gpa(mem, p), len, true };

	tring_avail(r, tring_chain(r, &buf, 1));
	return p;
}

static bool host_send(int fd, size_t len, unsigned int seed)
{
	uint8_t p[2048];

	frame(p, len, seed);
	return write(fd, p, len) == (ssize_t)len;
}

TEST_F(net, transmit)
{
	static const unsigned int sizes[] = { 60, 61, 700, 1514 };
	struct vring_used_elem used;
	uint8_t p[2048];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		send_frame(&self->mem, &self->r[TX], sizes[i], i);
		tring_kick(&self->r[TX]);
		ASSERT_TRUE(tring_used(&self->r[TX], &used, SOON));
		EXPECT_EQ(0, used.len);
		ASSERT_EQ(sizes[i], host_receive(self->host, p, sizeof(p), SOON));
		EXPECT_TRUE(same_frame(p, sizes[i], i));
	}
}

TEST_F(net, transmit_by_the_batch)
{
	struct vring_used_elem used;
	uint8_t p[2048];
	unsigned int i;

	for (i = 0; i < NUM; i++)
		send_frame(&self->mem, &self->r[TX], 100 + i, i);
	tring_kick(&self->r[TX]);
	for (i = 0; i < NUM; i++) {
		ASSERT_TRUE(tring_used(&self->r[TX], &used, SOON));
		EXPECT_EQ(i, used.id);
		ASSERT_EQ(100 + i, host_receive(self->host, p, sizeof(p), SOON));
		EXPECT_TRUE(same_frame(p, 100 + i, i));
	}
	EXPECT_EQ(NUM, counter("net", TX, "chains"));
	EXPECT_GE(NUM, counter("net", TX, "batches"));
}

/* Of frames sent together the ring names the last alone, at the place of the first. */
TEST_F(net, used_in_order)
{
	const struct vring_packed_desc *packed = (void *)self->r[TX].vr.desc;
	struct vring_used_elem used;
	uint8_t p[2048];
	unsigned int i;

	if (!(variant->features & IN_ORDER))
		SKIP(return, "for devices that use in order");
	/* Stopped, so that none is seen before all are there. */
	ASSERT_EQ(0, set_backend(self->fd, TX, -1));
	for (i = 0; i < NUM; i++)
		send_frame(&self->mem, &self->r[TX], 100 + i, i);
	ASSERT_EQ(0, set_backend(self->fd, TX, self->backend));
	for (i = 0; i < NUM; i++) {
		ASSERT_TRUE(tring_used(&self->r[TX], &used, SOON));
		ASSERT_EQ(100 + i, host_receive(self->host, p, sizeof(p), SOON));
	}
	EXPECT_EQ(NUM - 1, variant->features & PACKED ? packed[0].id :
							self->r[TX].vr.used->ring[0].id);
	EXPECT_EQ(1, counter("net", TX, "batches"));
}

/* A frame in pieces, the header cut anywhere. */
TEST_F(net, transmit_split_at_every_byte)
{
	struct vring_used_elem used;
	uint8_t p[2048];
	unsigned int at;

	for (at = 1; at < HDR + 16; at++) {
		uint8_t *q = tmem_alloc(&self->mem, HDR + 200, 16);
		struct tbuf buf[2] = {
			{ tmem_gpa(&self->mem, q), at, false },
			{ tmem_gpa(&self->mem, q) + at, HDR + 200 - at, false },
		};

		frame(q + HDR, 200, at);
		tring_avail(&self->r[TX], tring_chain(&self->r[TX], buf, 2));
		tring_kick(&self->r[TX]);
		ASSERT_TRUE(tring_used(&self->r[TX], &used, SOON));
		ASSERT_EQ(200, host_receive(self->host, p, sizeof(p), SOON));
		EXPECT_TRUE(same_frame(p, 200, at));
	}
}

static unsigned int count_of(const uint8_t *p)
{
	return ((const struct virtio_net_hdr_mrg_rxbuf *)p)->num_buffers;
}

TEST_F(net, receive)
{
	struct vring_used_elem used;
	unsigned int i;

	for (i = 0; i < 200; i++) {
		uint8_t *p = offer(&self->mem, &self->r[RX], 2048);
		size_t len = 60 + i * 7;

		memset(p, 0xaa, HDR);
		tring_kick(&self->r[RX]);
		ASSERT_TRUE(host_send(self->host, len, i));
		ASSERT_TRUE(tring_used(&self->r[RX], &used, SOON));
		ASSERT_EQ(HDR + len, used.len);
		EXPECT_EQ(1, count_of(p));
		EXPECT_EQ(0, ((struct virtio_net_hdr *)p)->gso_type);
		EXPECT_TRUE(same_frame(p + HDR, len, i));
	}
	EXPECT_TRUE(tevent(self->r[RX].call, SOON));
}

TEST_F(net, receive_later)
{
	struct vring_used_elem used;
	uint8_t *p;

	/* Packets wait for buffers... */
	ASSERT_TRUE(host_send(self->host, 300, 1));
	EXPECT_FALSE(tring_used(&self->r[RX], &used, NEVER));
	p = offer(&self->mem, &self->r[RX], 2048);
	tring_kick(&self->r[RX]);
	ASSERT_TRUE(tring_used(&self->r[RX], &used, SOON));
	EXPECT_TRUE(same_frame(p + HDR, 300, 1));
	/* ...and buffers for packets. */
	p = offer(&self->mem, &self->r[RX], 2048);
	tring_kick(&self->r[RX]);
	EXPECT_FALSE(tring_used(&self->r[RX], &used, NEVER));
	ASSERT_TRUE(host_send(self->host, 400, 2));
	ASSERT_TRUE(tring_used(&self->r[RX], &used, SOON));
	EXPECT_TRUE(same_frame(p + HDR, 400, 2));
}

TEST_F(net, receive_merged)
{
	bool merged = variant->features & BIT64(VIRTIO_NET_F_MRG_RXBUF);
	struct vring_used_elem used;
	uint8_t *p[4], all[2048];
	unsigned int i;

	/* 1000 bytes with their header into buffers of 300. */
	for (i = 0; i < 3; i++)
		p[i] = offer(&self->mem, &self->r[RX], 300);
	tring_kick(&self->r[RX]);
	ASSERT_TRUE(host_send(self->host, 1000, 3));
	/* Too few: nothing is used until there is one more. */
	EXPECT_FALSE(tring_used(&self->r[RX], &used, NEVER));
	p[3] = offer(&self->mem, &self->r[RX], 300);
	tring_kick(&self->r[RX]);
	if (!merged) {
		/* Dropped, and the buffers serve what fits. */
		EXPECT_FALSE(tring_used(&self->r[RX], &used, NEVER));
		ASSERT_TRUE(host_send(self->host, 100, 4));
		ASSERT_TRUE(tring_used(&self->r[RX], &used, SOON));
		EXPECT_TRUE(same_frame(p[0] + HDR, 100, 4));
		return;
	}
	for (i = 0; i < 4; i++) {
		ASSERT_TRUE(tring_used(&self->r[RX], &used, SOON));
		EXPECT_EQ(i < 3 ? 300 : 1000 + HDR - 900, used.len);
		memcpy(all + i * 300, p[i], used.len);
	}
	EXPECT_EQ(4, count_of(all));
	EXPECT_TRUE(same_frame(all + HDR, 1000, 3));
}

#define TCP_AT		34	/* behind the headers of Ethernet and IPv4 */
#define TCP_FRAME_HDR	(TCP_AT + 20)
#define SEGMENT		1000

/* A frame that the tap's reader is to cut into segments, and to sum. */
static size_t segmented_frame(uint8_t *p, size_t len)
{
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = TCP_FRAME_HDR, .gso_size = SEGMENT,
		.csum_start = TCP_AT, .csum_offset = 16,
	};
	uint8_t *eth = p + sizeof(hdr), *ip = eth + ETH_HLEN;

	memcpy(p, &hdr, sizeof(hdr));
	frame(eth, len, 5);
	eth[12] = ETH_P_IP >> 8;
	eth[13] = ETH_P_IP & 0xff;
	memset(ip, 0, 40);
	ip[0] = 0x45;
	ip[2] = (len - ETH_HLEN) >> 8;
	ip[3] = (len - ETH_HLEN) & 0xff;
	ip[8] = 64;
	ip[9] = IPPROTO_TCP;
	/* TCP's header has five words. */
	eth[TCP_AT + 12] = 0x50;
	return sizeof(hdr) + len;
}

/* Puts the pieces of one frame together. Its length with the header. */
static size_t gather(struct tring *r, uint8_t *const *piece, uint8_t *to)
{
	struct vring_used_elem used;
	unsigned int i, n = 1;
	size_t len = 0;

	for (i = 0; i < n; i++) {
		if (!tring_used(r, &used, SOON))
			return 0;
		memcpy(to + len, piece[i], used.len);
		len += used.len;
		n = count_of(to);
	}
	return len;
}

/* In one page and in several; into one buffer and, where they are merged, into several. */
TEST_F(net, receive_segmented)
{
	static uint8_t sent[8192], got[8192];
	const struct virtio_net_hdr_mrg_rxbuf *hdr = (void *)got;
	const size_t room[] = { 8192, variant->features & MERGED ? 2048 : 8192 };
	struct sockaddr_ll ipv4 = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	uint8_t *piece[4];
	unsigned int i, j;
	int on = 1;

	if (self->backend != self->tap || (variant->features & OUR_HEADER))
		SKIP(return, "for taps that have headers");
	ipv4.sll_ifindex = if_nametoindex("vt0");
	ASSERT_EQ(0, ioctl(self->tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4));
	ASSERT_EQ(0, setsockopt(self->host, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)));
	for (i = 0; i < 4; i++) {
		size_t len = i % 2 ? 6000 : 3000, all = segmented_frame(sent, len);
		size_t n = (HDR + len + room[i / 2] - 1) / room[i / 2];

		for (j = 0; j < n; j++)
			piece[j] = offer(&self->mem, &self->r[RX], room[i / 2]);
		tring_kick(&self->r[RX]);
		ASSERT_EQ((ssize_t)all, sendto(self->host, sent, all, 0,
					       (struct sockaddr *)&ipv4, sizeof(ipv4)));
		ASSERT_EQ(HDR + len, gather(&self->r[RX], piece, got));
		EXPECT_EQ(n, count_of(got));
		EXPECT_EQ(VIRTIO_NET_HDR_F_NEEDS_CSUM, hdr->hdr.flags);
		EXPECT_EQ(VIRTIO_NET_HDR_GSO_TCPV4, hdr->hdr.gso_type);
		EXPECT_EQ(SEGMENT, hdr->hdr.gso_size);
		EXPECT_EQ(TCP_AT, hdr->hdr.csum_start);
		EXPECT_EQ(16, hdr->hdr.csum_offset);
		EXPECT_EQ(0, memcmp(got + HDR, sent + sizeof(hdr->hdr), len));
	}
}

static long packets_sent(void)
{
	char text[32] = "";
	int fd = open("/sys/class/net/vt0/statistics/tx_packets", O_RDONLY);

	if (read(fd, text, sizeof(text) - 1) < 0)
		text[0] = 0;
	close(fd);
	return atol(text);
}

/* Frames with a tag beside them, which taps leave to their readers to put in, among plain ones. */
TEST_F(net, receive_tagged)
{
	struct vring_used_elem used;
	uint8_t *p[6], want[200];
	long before, i;
	int tagged;

	if (self->backend != self->tap)
		SKIP(return, "for taps");
	if (system("modprobe 8021q"))
		SKIP(return, "no VLANs in this kernel");
	ASSERT_EQ(0, system("ip link add link vt0 name vt5 type vlan id 5"));
	ASSERT_EQ(0, system("ip link set vt5 up"));
	tagged = packet_socket("vt5");
	ASSERT_LE(0, tagged);
	for (i = 0; i < 6; i++)
		p[i] = offer(&self->mem, &self->r[RX], 2048);
	before = packets_sent();
	for (i = 0; i < 6; i++)
		ASSERT_TRUE(host_send(i % 2 ? tagged : self->host, 200, i));
	tring_kick(&self->r[RX]);
	for (i = 0; i < 6; i++) {
		ASSERT_TRUE(tring_used(&self->r[RX], &used, SOON));
		EXPECT_EQ(HDR + 200 + (i % 2 ? 4 : 0), used.len);
		if (i % 2) {
			EXPECT_EQ(0, memcmp(p[i] + HDR + 2 * ETH_ALEN, "\x81\0\0\x05", 4));
			memmove(p[i] + HDR + 4, p[i] + HDR, 2 * ETH_ALEN);
		}
		frame(want, sizeof(want), i);
		EXPECT_EQ(0, memcmp(p[i] + HDR + (i % 2 ? 4 : 0), want, sizeof(want)));
	}
	EXPECT_EQ(before + 6, packets_sent());
	close(tagged);
}

/*
 * A packet that was taken and put back outlives the interface that it came by, whose memory must
 * not be looked for by it when it is taken again.
 */
TEST_F(net, interface_deleted_and_made_anew)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	struct vring_used_elem used;
	uint8_t *p;

	if (self->backend != self->tap || (variant->features & OUR_HEADER))
		SKIP(return, "for taps that have headers");
	ASSERT_TRUE(host_send(self->host, 200, 1));
	EXPECT_FALSE(tring_used(&self->r[RX], &used, NEVER));
	ASSERT_EQ(0, system("ip link del vt0"));
	ASSERT_EQ(0, set_backend(self->fd, RX, -1));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "vt0");
	ASSERT_EQ(0, ioctl(self->tap, TUNSETIFF, &ifr));
	ASSERT_EQ(0, system("ip link set vt0 up"));
	ASSERT_EQ(0, set_backend(self->fd, RX, self->tap));
	p = offer(&self->mem, &self->r[RX], 2048);
	tring_kick(&self->r[RX]);
	ASSERT_TRUE(tring_used(&self->r[RX], &used, SOON));
	EXPECT_TRUE(same_frame(p + HDR, 200, 1));
	EXPECT_EQ(0, packets_sent());
}

TEST_F(net, backend_goes_and_comes)
{
	struct vhost_vring_state s = { .index = TX };
	struct vring_used_elem used;
	uint8_t p[2048];
	int i;

	for (i = 0; i < 3; i++) {
		send_frame(&self->mem, &self->r[TX], 100, i);
		tring_kick(&self->r[TX]);
		ASSERT_TRUE(tring_used(&self->r[TX], &used, SOON));
		ASSERT_EQ(100, host_receive(self->host, p, sizeof(p), SOON));
		ASSERT_EQ(0, set_backend(self->fd, TX, -1));
		ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_GET_VRING_BASE, &s));
		EXPECT_EQ(tring_base(&self->r[TX]), s.num);
		ASSERT_EQ(0, set_backend(self->fd, TX, self->backend));
	}
}

/* What a driver accepted is forgotten with its owner: headers are short again. */
TEST_F(net, owner_anew)
{
	int size = sizeof(struct virtio_net_hdr);
	struct vring_used_elem used;
	uint8_t *q, p[2048];
	struct tbuf buf;

	if (self->backend != self->tap || (variant->features & OUR_HEADER))
		SKIP(return, "for taps that have headers");
	tiommu_stop(&self->iommu);
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_RESET_OWNER, NULL));
	ASSERT_EQ(0, dev_ioctl(self->fd, VHOST_SET_OWNER, NULL));
	ASSERT_EQ(0, ioctl(self->tap, TUNSETVNETHDRSZ, &size));
	ASSERT_EQ(0, dev_mem(self->fd, &self->mem));
	tring_restart(&self->r[TX], false, 0);
	self->r[TX].in_order = false;
	ASSERT_EQ(0, dev_ring(self->fd, TX, &self->r[TX]));
	ASSERT_EQ(0, set_backend(self->fd, TX, self->tap));
	q = tmem_alloc(&self->mem, size + 100, 16);
	frame(q + size, 100, 1);
	buf = (struct tbuf) { tmem_gpa(&self->mem, q), size + 100, false };
	tring_avail(&self->r[TX], tring_chain(&self->r[TX], &buf, 1));
	tring_kick(&self->r[TX]);
	ASSERT_TRUE(tring_used(&self->r[TX], &used, SOON));
	ASSERT_EQ(100, host_receive(self->host, p, sizeof(p), SOON));
	EXPECT_TRUE(same_frame(p, 100, 1));
}

TEST_F(net, wrong_backends)
{
	int sock = socket(AF_INET, SOCK_DGRAM, 0), null = open("/dev/null", O_RDWR);
	struct vring_used_elem used;

	EXPECT_EQ(-ESOCKTNOSUPPORT, set_backend(self->fd, TX, sock));
	EXPECT_EQ(-ENOTSOCK, set_backend(self->fd, TX, null));
	EXPECT_EQ(-EBADF, set_backend(self->fd, TX, 999));
	EXPECT_EQ(-ENOBUFS, set_backend(self->fd, 2, self->backend));
	/* The one it had goes on. */
	send_frame(&self->mem, &self->r[TX], 100, 1);
	tring_kick(&self->r[TX]);
	EXPECT_TRUE(tring_used(&self->r[TX], &used, SOON));
	close(sock);
	close(null);
}

/* Half a transmit buffer, a buffer to write: this queue stops, the other goes on. */
TEST_F(net, bad_frames)
{
	uint8_t *p = tmem_alloc(&self->mem, 2048, 16);
	struct tbuf buf[2] = {
		{ tmem_gpa(&self->mem, p), HDR - 1, false },
		{ tmem_gpa(&self->mem, p), 100, true },
	};
	struct vring_used_elem used;

	tring_avail(&self->r[TX], tring_chain(&self->r[TX], buf, 1));
	tring_kick(&self->r[TX]);
	EXPECT_TRUE(tevent(self->r[TX].err, SOON));
	EXPECT_FALSE(tring_used(&self->r[TX], &used, 0));
	offer(&self->mem, &self->r[RX], 2048);
	tring_kick(&self->r[RX]);
	ASSERT_TRUE(host_send(self->host, 300, 1));
	ASSERT_TRUE(tring_used(&self->r[RX], &used, SOON));
	/* And a receive buffer that is to read. */
	buf[0].len = 100;
	tring_avail(&self->r[RX], tring_chain(&self->r[RX], buf, 2));
	tring_kick(&self->r[RX]);
	ASSERT_TRUE(host_send(self->host, 300, 1));
	EXPECT_TRUE(tevent(self->r[RX].err, SOON));
}

/* Too short for a frame: an error of its own, and nothing to the frames around it. */
TEST_F(net, short_of_a_frame)
{
	struct vring_used_elem used;
	uint8_t p[2048];
	unsigned int i;

	if (!variant->tap)
		SKIP(return, "for taps");
	/* Stopped, so that all are taken together. */
	ASSERT_EQ(0, set_backend(self->fd, TX, -1));
	for (i = 0; i < 3; i++)
		send_frame(&self->mem, &self->r[TX], i == 1 ? ETH_HLEN - 1 : 100, i);
	ASSERT_EQ(0, set_backend(self->fd, TX, self->backend));
	for (i = 0; i < 3; i++)
		ASSERT_TRUE(tring_used(&self->r[TX], &used, SOON));
	for (i = 0; i < 3; i += 2) {
		ASSERT_EQ(100, host_receive(self->host, p, sizeof(p), SOON));
		EXPECT_TRUE(same_frame(p, 100, i));
	}
	EXPECT_EQ(1, counter("net", TX, "errors"));
}

/* Too long to be copied into a batch: its pieces are what the device saw last. */
static bool send_long(struct tmem *mem, struct tring *r, int host)
{
	/* Apart, so that they stay three. */
	uint8_t *q = tmem_alloc(mem, 3 * PAGE, PAGE), p[2048];
	struct tbuf buf[3] = {
		{ tmem_gpa(mem, q), HDR, false },
		{ tmem_gpa(mem, q) + PAGE, LONG / 2, false },
		{ tmem_gpa(mem, q) + 2 * PAGE, LONG / 2, false },
	};
	struct vring_used_elem used;

	frame(q + PAGE, LONG / 2, 9);
	frame(q + 2 * PAGE, LONG / 2, 9);
	tring_avail(r, tring_chain(r, buf, 3));
	tring_kick(r);
	return tring_used(r, &used, SOON) && host_receive(host, p, sizeof(p), SOON) > 0;
}

/*
 * A frame whose second piece, at @late, would be taken for a header and a frame itself; @want is
 * the whole. The pieces become available.
 */
static void send_late(struct tmem *mem, struct tring *r, uint8_t *late, uint8_t *want)
{
	uint8_t *q = tmem_alloc(mem, HDR + ETH_HLEN, 16);
	struct tbuf buf[2] = {
		{ tmem_gpa(mem, q), HDR + ETH_HLEN, false },
		{ tmem_gpa(mem, late), LATE - ETH_HLEN, false },
	};

	frame(want, ETH_HLEN, 0);
	memset(want + ETH_HLEN, 0, HDR);
	frame(want + ETH_HLEN + HDR, LATE - ETH_HLEN - HDR, 2);
	memcpy(q + HDR, want, ETH_HLEN);
	tring_avail(r, tring_chain(r, buf, 2));
}

/* Not there when the frame is copied for a batch, but when it is sent by itself. */
TEST_F(net, buffer_comes_late)
{
	struct tring *r = &self->r[TX];
	struct vring_used_elem used;
	uint8_t *late, p[2048], want[LATE];

	/* Those whose device writes nothing to the ring before it gives back a frame. */
	if (variant->features != (MERGED | EVENT_IDX) || variant->macvtap)
		SKIP(return, "for a tap with event indices");
	ASSERT_TRUE(send_long(&self->mem, r, self->host));
	EXPECT_FALSE(tring_used(r, &used, NEVER));
	late = tmem_alloc(&self->mem, PAGE, PAGE);
	self->uffd[0] = tmem_hold(late);
	self->uffd[1] = tmem_hold(r->vr.used);
	send_frame(&self->mem, r, 100, 1);
	send_late(&self->mem, r, late, want);
	tring_kick(r);
	ASSERT_TRUE(tmem_waits(self->uffd[0], SOON));
	ASSERT_EQ(0, munmap(late, PAGE));
	close(self->uffd[0]);
	self->uffd[0] = -1;
	/* The frame before is given back. */
	ASSERT_TRUE(tmem_waits(self->uffd[1], SOON));
	ASSERT_EQ(late, mmap(late, PAGE, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memcpy(late, want + ETH_HLEN, LATE - ETH_HLEN);
	close(self->uffd[1]);
	self->uffd[1] = -1;
	ASSERT_TRUE(tring_used(r, &used, SOON));
	ASSERT_TRUE(tring_used(r, &used, SOON));
	ASSERT_EQ(100, host_receive(self->host, p, sizeof(p), SOON));
	EXPECT_TRUE(same_frame(p, 100, 1));
	ASSERT_EQ(LATE, host_receive(self->host, p, sizeof(p), SOON));
	EXPECT_EQ(0, memcmp(p, want, LATE));
}

TEST_F(net, interface_down_and_up)
{
	struct vring_used_elem used;
	uint8_t p[2048];

	if (!variant->tap)
		SKIP(return, "for taps");
	ASSERT_EQ(0, system("ip link set vt0 down"));
	send_frame(&self->mem, &self->r[TX], 100, 1);
	tring_kick(&self->r[TX]);
	EXPECT_TRUE(tring_used(&self->r[TX], &used, SOON));
	ASSERT_EQ(0, system("ip link set vt0 up"));
	while (host_receive(self->host, p, sizeof(p), NEVER) >= 0 || errno == ENETDOWN)
		errno = 0;
	send_frame(&self->mem, &self->r[TX], 100, 2);
	tring_kick(&self->r[TX]);
	ASSERT_TRUE(tring_used(&self->r[TX], &used, SOON));
	ASSERT_EQ(100, host_receive(self->host, p, sizeof(p), SOON));
	EXPECT_TRUE(same_frame(p, 100, 2));
}

TEST_F(net, busy_polling)
{
	struct vring_used_elem used;
	unsigned int i;

	ASSERT_EQ(0, dev_pair(self->fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, RX, 50000));
	ASSERT_EQ(0, dev_pair(self->fd, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, TX, 50000));
	for (i = 0; i < 10; i++) {
		offer(&self->mem, &self->r[RX], 2048);
		tring_kick(&self->r[RX]);
		ASSERT_TRUE(host_send(self->host, 300, i));
		ASSERT_TRUE(tring_used(&self->r[RX], &used, SOON));
		send_frame(&self->mem, &self->r[TX], 100, i);
		tring_kick(&self->r[TX]);
		ASSERT_TRUE(tring_used(&self->r[TX], &used, SOON));
	}
}

TEST_HARNESS_MAIN
