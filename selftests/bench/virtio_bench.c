// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disks and network cards as a guest's kernel sees them. Frames go by packet sockets, many by a
 * system call, and carry an ethertype that the kernel they get to drops, but for one in a window
 * that tells that they came; the host sends them past its queueing discipline. So little but the
 * driver and the device behind it is compared. Blocks go by asynchronous direct I/O. Each guest
 * command prints "figure NAME TICKS NANOSECONDS" for one frame or request over the whole run.
 *
 * In the guest:  tx|rx|rr NAME INTERFACE COUNT
 *                blk NAME DEVICE read|write rand|seq BYTES DEPTH COUNT [JOBS], of which each job
 *                does COUNT requests on a CPU of its own
 * On the host:   serve INTERFACE COUNT COUNT, the other end of one rx and then of one rr
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

/* IEEE 802, local experimental: frames the other end listens to, and those it ignores. */
#define ETHERTYPE		0x88b5
#define ETHERTYPE_IGNORED	0x88b6
#define FRAME	64
#define WINDOW	128		/* frames in flight from source to rx */
#define BATCH	(WINDOW / 2)	/* frames a system call, at most */
#define ALIGN		4096
#define DEPTH_MAX	64

struct stopwatch {
	uint64_t ticks;
	struct timespec at;
};

static void die(const char *what)
{
	fprintf(stderr, "virtio_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (n <= 0 || *end) {
		fprintf(stderr, "virtio_bench: %s: not a count\n", text);
		exit(2);
	}
	return n;
}

static void begin(struct stopwatch *w)
{
	clock_gettime(CLOCK_MONOTONIC, &w->at);
	w->ticks = __rdtsc();
}

static void report(const struct stopwatch *w, const char *name, long count)
{
	uint64_t ticks = __rdtsc() - w->ticks;
	struct timespec now;
	uint64_t ns;

	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (uint64_t)(now.tv_sec - w->at.tv_sec) * 1000000000 + now.tv_nsec - w->at.tv_nsec;
	printf("figure %s %lu %lu\n", name, (unsigned long)(ticks / count),
	       (unsigned long)(ns / count));
}

static void set_option(int fd, int option)
{
	int on = 1;

	if (setsockopt(fd, SOL_PACKET, option, &on, sizeof(on)))
		die("setsockopt");
}

static int open_link(const char *interface)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE),
		.sll_ifindex = (int)if_nametoindex(interface),
	};
	struct timeval patience = { .tv_sec = 900 };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETHERTYPE));

	if (fd < 0 || !addr.sll_ifindex || bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		die(interface);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	set_option(fd, PACKET_IGNORE_OUTGOING);
	return fd;
}

#define FRAME_OF(type) \
	{ 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, (type) >> 8, (type) & 0xff }

static uint8_t heard[FRAME] = FRAME_OF(ETHERTYPE), ignored[FRAME] = FRAME_OF(ETHERTYPE_IGNORED);

/* The last of them is @last, the others nobody listens to. */
static void send_frames(int fd, long count, uint8_t *last)
{
	struct iovec iov[2] = { { ignored, FRAME }, { last, FRAME } };
	struct mmsghdr batch[BATCH];
	long i, n;

	while (count > 0) {
		n = count < BATCH ? count : BATCH;
		for (i = 0; i < n; i++)
			batch[i].msg_hdr = (struct msghdr){
				.msg_iov = &iov[i + 1 == count], .msg_iovlen = 1,
			};
		n = sendmmsg(fd, batch, (unsigned int)n, 0);
		if (n < 0 && errno != ENOBUFS)
			die("sendmmsg");
		if (n > 0)
			count -= n;
	}
}

static void send_frame(int fd)
{
	send_frames(fd, 1, heard);
}

static void receive_frame(int fd)
{
	static uint8_t room[FRAME];

	while (recv(fd, room, sizeof(room), 0) < 0)
		/* A tap that was just made comes up a moment later. */
		if (errno != ENETDOWN)
			die("recv");
}

/* As fast as the driver takes them: its queue, when full, has the sender wait. */
static void do_tx(int fd, long count)
{
	send_frames(fd, count, ignored);
}

/* An answer for each half window: nothing is lost, and the link never runs dry. */
static void do_rx(int fd, long count)
{
	set_option(fd, PACKET_QDISC_BYPASS);
	send_frame(fd);
	for (; count > 0; count -= WINDOW / 2) {
		receive_frame(fd);
		send_frame(fd);
	}
}

static void do_rr(int fd, long count)
{
	set_option(fd, PACKET_QDISC_BYPASS);
	while (count--) {
		send_frame(fd);
		receive_frame(fd);
	}
}

static void do_source(int fd, long count)
{
	receive_frame(fd);
	send_frames(fd, WINDOW / 2, heard);
	send_frames(fd, WINDOW / 2, heard);
	for (count -= WINDOW; count > 0; count -= WINDOW / 2) {
		receive_frame(fd);
		send_frames(fd, WINDOW / 2, heard);
	}
	receive_frame(fd);
	receive_frame(fd);
}

static void do_echo(int fd, long count)
{
	while (count--) {
		receive_frame(fd);
		send_frame(fd);
	}
}

struct job {
	int fd;
	bool write, random;
	long size, depth, count;
	uint64_t blocks, next;
};

static uint64_t next_block(struct job *j)
{
	/* Donald Knuth's constants; the high bits are the random ones. */
	static uint64_t state = 1;

	if (!j->random)
		return j->next++ % j->blocks;
	state = state * 6364136223846793005 + 1442695040888963407;
	return (state >> 33) % j->blocks;
}

/* All of them by one system call, as programs with many requests do. */
static void submit(struct job *j, aio_context_t ctx, struct iocb **cbs, long n)
{
	long i, done;

	for (i = 0; i < n; i++)
		cbs[i]->aio_offset = (int64_t)(next_block(j) * j->size);
	while (n) {
		done = syscall(SYS_io_submit, ctx, n, cbs);
		if (done <= 0)
			die("io_submit");
		cbs += done;
		n -= done;
	}
}

static void prepare(const struct job *j, struct iocb *cb)
{
	void *buf = aligned_alloc(ALIGN, j->size);

	memset(buf, 1, j->size);
	*cb = (struct iocb){
		.aio_fildes = j->fd, .aio_nbytes = j->size, .aio_buf = (uintptr_t)buf,
		.aio_lio_opcode = j->write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
	};
}

static void run_job(struct job *j)
{
	static struct iocb cbs[DEPTH_MAX], *next[DEPTH_MAX];
	struct io_event events[DEPTH_MAX];
	aio_context_t ctx = 0;
	long i, n, begun, done = 0;

	if (syscall(SYS_io_setup, DEPTH_MAX, &ctx))
		die("io_setup");
	for (i = 0; i < j->depth; i++) {
		prepare(j, &cbs[i]);
		next[i] = &cbs[i];
	}
	begun = j->depth;
	submit(j, ctx, next, begun);
	while (done < j->count) {
		n = syscall(SYS_io_getevents, ctx, 1L, (long)DEPTH_MAX, events, NULL);
		for (i = 0; i < n; i++) {
			if (events[i].res != j->size)
				die("a request failed");
			next[i] = (struct iocb *)(uintptr_t)events[i].obj;
		}
		done += n;
		n = n < j->count - begun ? n : j->count - begun;
		if (n > 0)
			submit(j, ctx, next, n);
		begun += n > 0 ? n : 0;
	}
	syscall(SYS_io_destroy, ctx);
}

static void run_on(struct job *j, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
	run_job(j);
}

static void run_jobs(struct job *j, long jobs)
{
	int i, status;

	if (jobs == 1) {
		run_job(j);
		return;
	}
	for (i = 0; i < jobs; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid) {
			run_on(j, i);
			_exit(0);
		}
	}
	for (i = 0; i < jobs; i++)
		if (wait(&status) < 0 || status)
			die("a job");
}

static int blk(char **arg)
{
	struct job j = {
		.fd = open(arg[1], O_RDWR | O_DIRECT), .write = !strcmp(arg[2], "write"),
		.random = !strcmp(arg[3], "rand"), .size = number(arg[4]),
		.depth = number(arg[5]), .count = number(arg[6]),
	};
	long jobs = arg[7] ? number(arg[7]) : 1;
	struct stopwatch w;
	uint64_t bytes;

	if (j.fd < 0 || ioctl(j.fd, BLKGETSIZE64, &bytes) || j.depth > DEPTH_MAX)
		die(arg[1]);
	j.blocks = bytes / j.size;
	begin(&w);
	run_jobs(&j, jobs);
	report(&w, arg[0], j.count * jobs);
	return 0;
}

static int serve(char **arg)
{
	int fd = open_link(arg[0]);

	set_option(fd, PACKET_QDISC_BYPASS);
	do_source(fd, number(arg[1]));
	do_echo(fd, number(arg[2]));
	return 0;
}

static const struct {
	const char *name;
	void (*run)(int fd, long count);
} commands[] = { { "tx", do_tx }, { "rx", do_rx }, { "rr", do_rr } };

int main(int argc, char **argv)
{
	struct stopwatch w;
	size_t i;
	long count;
	int fd;

	if ((argc == 9 || argc == 10) && !strcmp(argv[1], "blk"))
		return blk(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "serve"))
		return serve(argv + 2);
	for (i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (argc != 5 || strcmp(argv[1], commands[i].name))
			continue;
		fd = open_link(argv[3]);
		count = number(argv[4]);
		begin(&w);
		commands[i].run(fd, count);
		report(&w, argv[2], count);
		return 0;
	}
	fprintf(stderr, "virtio_bench: see the head of its source\n");
	return 2;
}
