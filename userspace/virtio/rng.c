// SPDX-License-Identifier: GPL-2.0-only
/*
 * virtio 1.2, "Entropy Device": fill whatever buffers the driver offers from the host's random
 * number generator. The smallest device there is, and the template for others.
 */
#include "virtio/rng.h"

#include <linux/virtio_ids.h>
#include <sys/random.h>

enum { QUEUE_REQUEST, QUEUES };

#define CLASS_SYSTEM_OTHER	0x088000

/* One request gets no more than this, so that none keeps the thread for long; short is allowed. */
#define FILL_MAX		65536U

static int handle_request(struct virtio_device *dev, struct chain *chain, u32 *written)
{
	u32 i;

	(void)dev;
	for (i = 0; i < chain->ins && *written < FILL_MAX; i++) {
		u64 want = min_u64(chain->in[i].iov_len, FILL_MAX - *written);
		ssize_t got = getrandom(chain->in[i].iov_base, want, 0);

		if (got <= 0)
			break;
		*written += (u32)got;
		if ((u64)got < want)
			break;
	}
	return 0;
}

static int serve(struct virtio_device *dev)
{
	return virtio_drain(dev, &dev->queues[QUEUE_REQUEST], handle_request);
}

static const struct virtio_ops rng_ops = {
	.name = "virtio-rng",
	.type = VIRTIO_ID_RNG,
	.class_code = CLASS_SYSTEM_OTHER,
	.queues = QUEUES,
	.serve = serve,
};

int rng_init(struct virtio_rng *rng, const struct kvm *kvm, const struct guest_ram *ram,
	     struct error *err)
{
	return virtio_init(&rng->dev, &rng_ops, kvm, ram, err);
}
