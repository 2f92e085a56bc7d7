// SPDX-License-Identifier: GPL-2.0-only
/* What ip(8) would do to a guest's tap, by libnl-route. */
#include "net/link.h"

#include <errno.h>
#include <fcntl.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

/* How the last guest to leave a bridge knows that one of its kind made it. */
#define BRIDGE_ALIAS	"made by vellum run"
/* Held while a guest joins a bridge or leaves it; in a folder where only root makes files. */
#define BRIDGE_LOCK	"/run/vellum-bridge.lock"
/* No guest needs it for long, and nothing can be done about one that does not let go of it. */
#define LOCK_SECONDS	5
#define LOCK_USEC	20000

static int link_fail(const char *option, const char *what, int nl_error, struct error *err)
{
	bool forbidden = nl_error == -NLE_PERM || nl_error == -NLE_NOACCESS;

	return error_set(err, forbidden ? STATUS_NOPERM : STATUS_OS, "%s: %s: %s%s", option, what,
			 nl_geterror(nl_error), forbidden ? " (become root)" : "");
}

static struct nl_sock *link_connect(const char *option, struct error *err)
{
	struct nl_sock *sk = nl_socket_alloc();
	int r = sk ? nl_connect(sk, NETLINK_ROUTE) : -NLE_NOMEM;

	if (!r)
		return sk;
	nl_socket_free(sk);
	link_fail(option, "netlink", r, err);
	return NULL;
}

/* Bring a link up, and make it a port of @master unless that is NULL. Return: a libnl error. */
static int change(struct nl_sock *sk, const char *name, struct rtnl_link *master)
{
	struct rtnl_link *old, *new;
	int r = rtnl_link_get_kernel(sk, 0, name, &old);

	if (r)
		return r;
	new = rtnl_link_alloc();
	if (new) {
		rtnl_link_set_flags(new, IFF_UP);
		if (master) {
			rtnl_link_set_master(new, rtnl_link_get_ifindex(master));
			rtnl_link_set_mtu(new, rtnl_link_get_mtu(master));
		}
		r = rtnl_link_change(sk, old, new, 0);
		rtnl_link_put(new);
	} else {
		r = -NLE_NOMEM;
	}
	rtnl_link_put(old);
	return r;
}

int link_up(const char *name, const char *option, struct error *err)
{
	struct nl_sock *sk = link_connect(option, err);
	int r;

	if (!sk)
		return -1;
	r = change(sk, name, NULL);
	nl_socket_free(sk);
	return r ? link_fail(option, "cannot be brought up", r, err) : 0;
}

static int make_bridge(struct nl_sock *sk, const char *name)
{
	struct rtnl_link *link = rtnl_link_alloc();
	int r;

	if (!link)
		return -NLE_NOMEM;
	rtnl_link_set_name(link, name);
	r = rtnl_link_set_type(link, "bridge");
	if (!r) {
		rtnl_link_set_flags(link, IFF_UP);
		r = rtnl_link_add(sk, link, NLM_F_CREATE | NLM_F_EXCL);
	}
	rtnl_link_put(link);
	return r;
}

/* The kernel takes no alias for a link that is only being made. */
static void mark(struct nl_sock *sk, struct rtnl_link *bridge)
{
	struct rtnl_link *new = rtnl_link_alloc();

	if (!new)
		return;
	rtnl_link_set_ifalias(new, BRIDGE_ALIAS);
	(void)rtnl_link_change(sk, bridge, new, 0);
	rtnl_link_put(new);
}

/* Return: the bridge, made if there is none, or NULL with a libnl error in @r. */
static struct rtnl_link *get_bridge(struct nl_sock *sk, const char *name, int *r)
{
	struct rtnl_link *link = NULL;
	bool made;

	*r = rtnl_link_get_kernel(sk, 0, name, &link);
	if (!*r)
		return link;
	*r = make_bridge(sk, name);
	made = !*r;
	/* Another guest may have been faster. */
	if (made || *r == -NLE_EXIST)
		*r = rtnl_link_get_kernel(sk, 0, name, &link);
	if (*r)
		return NULL;
	if (made)
		mark(sk, link);
	return link;
}

/*
 * The last guest must not remove a bridge that another one is about to join. Who may change links
 * but not have the lock goes without. Return: the lock, or -1.
 */
static int open_lock(void)
{
	return open(BRIDGE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static time_t seconds_up(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Return: false when somebody else has the lock all the time. */
static bool lock_bridges(int fd)
{
	time_t end = seconds_up() + LOCK_SECONDS;

	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			break;
		if (seconds_up() > end)
			return false;
		usleep(LOCK_USEC);
	}
	return true;
}

static void unlock_bridges(int fd)
{
	if (fd >= 0)
		(void)flock(fd, LOCK_UN);
}

static int join(struct nl_sock *sk, const char *name, const char *bridge, const char *option,
		struct error *err)
{
	struct rtnl_link *link;
	const char *type;
	int r;

	link = get_bridge(sk, bridge, &r);
	if (!link)
		return link_fail(option, "cannot be made", r, err);
	type = rtnl_link_get_type(link);
	if (!type || strcmp(type, "bridge"))
		r = error_set(err, STATUS_NOINPUT, "%s: not a bridge (name another)", option);
	else if (change(sk, name, link))
		r = error_set(err, STATUS_OS, "%s: %s cannot become a port", option, name);
	rtnl_link_put(link);
	return r;
}

static void forget(struct link_bridge *b)
{
	if (b->lock >= 0)
		close(b->lock);
	nl_socket_free(b->sk);
	b->sk = NULL;
}

/**
 * link_join() - bring a tap up as a port of a bridge
 * @b: filled in, for link_leave()
 * @name: the tap
 * @bridge: the bridge, made if there is none
 * @option: option to name in @err
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int link_join(struct link_bridge *b, const char *name, const char *bridge, const char *option,
	      struct error *err)
{
	int r;

	b->sk = link_connect(option, err);
	if (!b->sk)
		return -1;
	snprintf(b->name, sizeof(b->name), "%s", bridge);
	b->lock = open_lock();
	if (!lock_bridges(b->lock)) {
		forget(b);
		return error_set(err, STATUS_OS, "%s: %s: somebody keeps it (see who, by lsof)",
				 option, BRIDGE_LOCK);
	}
	r = join(b->sk, name, bridge, option, err);
	unlock_bridges(b->lock);
	return r;
}

static bool is_marked(struct rtnl_link *link)
{
	const char *alias = rtnl_link_get_ifalias(link);

	return alias && !strcmp(alias, BRIDGE_ALIAS);
}

/* Not known counts as yes. */
static bool has_ports(struct nl_sock *sk, struct rtnl_link *bridge)
{
	struct nl_cache *links;
	struct nl_object *o;
	bool found = false;

	if (rtnl_link_alloc_cache(sk, AF_UNSPEC, &links))
		return true;
	for (o = nl_cache_get_first(links); o && !found; o = nl_cache_get_next(o))
		found = rtnl_link_get_master((struct rtnl_link *)o) ==
			rtnl_link_get_ifindex(bridge);
	nl_cache_free(links);
	return found;
}

static void remove_if_empty(const struct link_bridge *b)
{
	struct rtnl_link *link;

	if (rtnl_link_get_kernel(b->sk, 0, b->name, &link))
		return;
	if (is_marked(link) && !has_ports(b->sk, link))
		(void)rtnl_link_delete(b->sk, link);
	rtnl_link_put(link);
}

/**
 * link_leave() - remove a bridge that link_join() made, here or in another launcher, if it is empty
 * @b: zeroed, or given to link_join(), whatever that returned; the tap is gone
 *
 * Nothing is opened: a launcher that has shut itself in can do it. Who cannot have the lock leaves
 * the bridge to others.
 */
void link_leave(struct link_bridge *b)
{
	if (!b->sk)
		return;
	if (lock_bridges(b->lock)) {
		remove_if_empty(b);
		unlock_bridges(b->lock);
	}
	forget(b);
}
