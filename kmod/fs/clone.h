/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One clone of a range of pages.
 */
#ifndef VELLUMFS_CLONE_H
#define VELLUMFS_CLONE_H

#include "leaf.h"

/**
 * struct vl_clone - what is cloned, and how far it went
 * @src: from this file
 * @dst: into this one; both may be the same
 * @src_start: first page there
 * @dst_start: and here
 * @pages: how many; at least one
 * @dedupe: they are equal already: pages that somebody holds stay as they are
 * @dst_leaf: the leaf of @dst that was used last
 * @cleaned: pages of a leaf of @src that count as written no more
 * @spares: frames for pages that are held, linked by page->private
 * @reserved: pages of space taken beforehand
 * @made_shared: private frames of @src that became shared
 * @unindexed: of them, those that were in the index
 * @shared: pages of @dst that refer to a shared frame now
 * @copied: pages of @dst that got a frame of their own
 * @kept: pages of @dst that stayed, because they are held or those of @src are
 * @unused: of them, those that space was reserved for
 * @zeroes: pages of @dst that are zeroes now
 */
struct vl_clone {
	struct vl_inode *src;
	struct vl_inode *dst;
	pgoff_t src_start;
	pgoff_t dst_start;
	unsigned long pages;
	bool dedupe;
	struct vl_leaf *dst_leaf;
	unsigned long cleaned;
	struct page *spares;
	unsigned long reserved;
	long made_shared;
	long unindexed;
	long shared;
	long copied;
	long kept;
	unsigned long unused;
	long zeroes;
};

void vl_clone_begin(struct vl_clone *c);
int vl_clone_pages(struct vl_clone *c);

#endif /* VELLUMFS_CLONE_H */
