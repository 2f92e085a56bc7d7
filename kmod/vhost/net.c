// SPDX-License-Identifier: GPL-2.0-only
/* /dev/vellum-vhost-net: opening, and tying queues to sockets. */
#include <linux/file.h>
#include <linux/if_packet.h>
#include <linux/if_tap.h>
#include <linux/if_tun.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vellum.h>
#include <linux/vhost.h>
#include <net/sock.h>

#include "net.h"
#include "trace.h"

static u64 features(struct vh_dev *dev)
{
	return VH_FEATURES | BIT_ULL(VIRTIO_F_IN_ORDER) | BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) |
	       BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR);
}

/* The header has a count of buffers in modern devices and where buffers are merged. */
static void set_headers(struct vh_dev *dev, u64 features)
{
	u64 counted = BIT_ULL(VIRTIO_NET_F_MRG_RXBUF) | BIT_ULL(VIRTIO_F_VERSION_1);
	bool ours = features & BIT_ULL(VHOST_NET_F_VIRTIO_NET_HDR);
	unsigned int i;

	for (i = 0; i < NET_QUEUES; i++) {
		struct net_vq *nq = to_net_vq(dev->vqs[i]);

		vh_vq_lock(&nq->vq);
		nq->guest_hdr = features & counted ? sizeof(struct virtio_net_hdr_mrg_rxbuf) :
						     sizeof(struct virtio_net_hdr);
		nq->sock_hdr = ours ? 0 : nq->guest_hdr;
		vh_vq_unlock(&nq->vq);
	}
}

static void features_set(struct vh_dev *dev)
{
	set_headers(dev, dev->features);
}

static void handle(struct vh_vq *vq, unsigned long events)
{
	struct net_vq *nq = to_net_vq(vq);

	trace_vellum_vhost_handle(vq->dev->id, vq->index, events);
	if (events & VH_KICK)
		vq->stats.kicks++;
	if (!vh_vq_active(vq))
		return;
	if (vq->index == NET_RX)
		net_rx(nq);
	else
		net_tx(nq);
}

/* Called with vh_vq.lock held. The file that was in use is the caller's to put. */
static struct file *let_go(struct net_vq *nq)
{
	struct file *file = nq->file;

	if (!file)
		return NULL;
	vh_poll_stop(&nq->watch);
	vh_vq_stop(&nq->vq);
	if (nq->vq.index == NET_RX)
		net_rx_put(nq);
	else
		net_tx_put(nq);
	nq->file = NULL;
	nq->sock = NULL;
	return file;
}

/* The socket of a file, if it is of a kind that carries Ethernet frames. */
static struct socket *frames_socket(struct file *file)
{
	struct socket *sock = sock_from_file(file);

	if (sock) {
		if (sock->sk->sk_type != SOCK_RAW)
			return ERR_PTR(-ESOCKTNOSUPPORT);
		return sock->sk->sk_family == AF_PACKET ? sock : ERR_PTR(-EPFNOSUPPORT);
	}
	sock = tun_get_socket(file);
	if (IS_ERR(sock))
		sock = tap_get_socket(file);
	return IS_ERR(sock) ? ERR_PTR(-ENOTSOCK) : sock;
}

static struct ptr_ring *packets_of(struct file *file)
{
	struct ptr_ring *ring = tun_get_tx_ring(file);

	if (IS_ERR(ring))
		ring = tap_get_ptr_ring(file);
	return IS_ERR(ring) ? NULL : ring;
}

static int start(struct net_vq *nq, struct file *file, struct socket *sock)
{
	int ret;

	if (!vh_vq_ready(&nq->vq))
		return -EFAULT;
	nq->sock = sock;
	/* A tap that limits what is under way must count packets, which it does one by one. */
	nq->batches = packets_of(file) && READ_ONCE(sock->sk->sk_sndbuf) == INT_MAX;
	if (nq->vq.index == NET_RX) {
		nq->rx.ring = packets_of(file);
		/* A macvtap counts when it queues them. */
		nq->rx.counted = !IS_ERR(tun_get_tx_ring(file));
	}
	ret = vh_poll_start(&nq->watch, file);
	if (ret)
		return ret;
	ret = vh_vq_start(&nq->vq);
	if (ret) {
		vh_poll_stop(&nq->watch);
		return ret;
	}
	nq->file = file;
	return 0;
}

/* Keeps the file if it succeeds, and gives back the one before it in *@file. */
static int replace(struct net_vq *nq, struct file **file, struct socket *sock)
{
	struct file *old;
	int ret = 0;

	vh_vq_lock(&nq->vq);
	old = let_go(nq);
	if (*file)
		ret = start(nq, *file, sock);
	vh_vq_unlock(&nq->vq);
	if (ret) {
		if (old)
			fput(old);
		return ret;
	}
	*file = old;
	return 0;
}

static long set_backend(struct vh_dev *dev, void __user *arg)
{
	struct vhost_vring_file f;
	struct socket *sock = NULL;
	struct file *file = NULL;
	struct vh_vq *vq;
	long ret;

	if (copy_from_user(&f, arg, sizeof(f)))
		return -EFAULT;
	if (f.index >= NET_QUEUES)
		return -ENOBUFS;
	vq = dev->vqs[array_index_nospec(f.index, NET_QUEUES)];
	if (f.fd != VHOST_FILE_UNBIND) {
		file = fget(f.fd);
		if (!file)
			return -EBADF;
		sock = frames_socket(file);
		ret = IS_ERR(sock) ? PTR_ERR(sock) : vh_worker_of(vq);
		if (ret < 0)
			goto put;
	}
	ret = replace(to_net_vq(vq), &file, sock);
put:
	if (file)
		fput(file);
	return ret;
}

static void stop(struct vh_dev *dev)
{
	struct file *none;
	unsigned int i;

	for (i = 0; i < NET_QUEUES; i++) {
		none = NULL;
		replace(to_net_vq(dev->vqs[i]), &none, NULL);
		if (none)
			fput(none);
	}
	set_headers(dev, 0);
}

static long net_ioctl(struct vh_dev *dev, unsigned int ioctl, void __user *arg)
{
	return ioctl == VHOST_NET_SET_BACKEND ? set_backend(dev, arg) : -ENOIOCTLCMD;
}

static const struct vh_dev_ops net_ops = {
	.name = "net",
	.features = features,
	.features_set = features_set,
	.handle = handle,
	.stop = stop,
	.ioctl = net_ioctl,
};

static int net_open(struct inode *inode, struct file *file)
{
	struct vh_net *net = kvzalloc(sizeof(*net), GFP_KERNEL_ACCOUNT);
	unsigned int i;

	if (!net)
		return -ENOMEM;
	for (i = 0; i < NET_QUEUES; i++) {
		net->vqs[i] = &net->queues[i].vq;
		vh_poll_init(&net->queues[i].watch, net->vqs[i], VH_BACKEND,
			     i == NET_RX ? EPOLLIN : EPOLLOUT);
	}
	vh_dev_init(&net->dev, &net_ops, net->vqs, NET_QUEUES);
	set_headers(&net->dev, 0);
	file->private_data = &net->dev;
	return 0;
}

static int net_release(struct inode *inode, struct file *file)
{
	struct vh_net *net = container_of(file->private_data, struct vh_net, dev);

	vh_dev_release(&net->dev);
	kvfree(net);
	return 0;
}

static const struct file_operations net_fops = {
	.owner = THIS_MODULE,
	.open = net_open,
	.release = net_release,
	.unlocked_ioctl = vh_dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.read_iter = vh_iotlb_read_iter,
	.write_iter = vh_iotlb_write_iter,
	.poll = vh_iotlb_poll,
	.llseek = noop_llseek,
};

static struct miscdevice net_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = VELLUM_VHOST_NET_DEVICE_NAME,
	.fops = &net_fops,
	.mode = 0660,
};

int vh_net_init(void)
{
	return misc_register(&net_device);
}

void vh_net_exit(void)
{
	misc_deregister(&net_device);
}
