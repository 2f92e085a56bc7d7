/* SPDX-License-Identifier: GPL-2.0-only */
/* The split ring's side of ring.h, and nothing else. */
#ifndef VELLUM_VHOST_SPLIT_H
#define VELLUM_VHOST_SPLIT_H

#include "ring.h"

int vh_split_pop(struct vh_vq *vq, struct vh_chain *chain);
int vh_split_flush(struct vh_vq *vq);
int vh_split_wants_call(struct vh_vq *vq);
int vh_split_kick_off(struct vh_vq *vq);
int vh_split_kick_on(struct vh_vq *vq);
int vh_split_more(struct vh_vq *vq);
int vh_split_start(struct vh_vq *vq);

#endif /* VELLUM_VHOST_SPLIT_H */
