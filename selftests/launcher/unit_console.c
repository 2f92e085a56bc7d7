// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the console's ends towards the user: all output reaches a terminal that is slow but takes
 * some, and one that takes nothing is given up; signals that were ignored stay so.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "vellum/loop.h"
#include "vellum/output.h"

#define PIPE_SIZE	4096
#define SLOW_BYTES	512	/* every 25 ms: all of the output takes some three seconds */
#define SLOW_USEC	25000

/* In place of the machine's: a guest that listens to nothing. */
int machine_input_room(struct machine *m)
{
	return 0;
}

bool machine_input(struct machine *m, const u8 *data, u32 len)
{
	return false;
}

FIXTURE(output)
{
	struct stopper stop;
	struct output *out;
	int reader;
};

/* Standard output becomes a pipe, as short as they are. */
FIXTURE_SETUP(output)
{
	static const u8 text[OUTPUT_SIZE];
	struct error err;
	int fds[2];

	ASSERT_EQ(0, stop_init(&self->stop, &err));
	self->out = calloc(1, sizeof(*self->out));
	ASSERT_NE(NULL, self->out);
	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(PIPE_SIZE, fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE));
	ASSERT_EQ(STDOUT_FILENO, dup2(fds[1], STDOUT_FILENO));
	close(fds[1]);
	self->reader = fds[0];
	ASSERT_EQ(0, output_start(self->out, &self->stop, &err));
	output_write(self->out, text, sizeof(text));
	output_close(self->out);
}

/* The thread may be stuck: what it uses goes with the process. */
FIXTURE_TEARDOWN(output)
{
}

static void *read_slowly(void *arg)
{
	const int *fd = arg;
	size_t total = 0;
	u8 some[SLOW_BYTES];
	ssize_t n = 1;

	while (n > 0 && total < OUTPUT_SIZE) {
		usleep(SLOW_USEC);
		n = read(*fd, some, sizeof(some));
		total += n > 0 ? (size_t)n : 0;
	}
	return (void *)total;
}

TEST_F(output, waits_for_a_slow_terminal)
{
	pthread_t thread;
	void *total;

	ASSERT_EQ(0, pthread_create(&thread, NULL, read_slowly, &self->reader));
	EXPECT_TRUE(output_finish(self->out));
	ASSERT_EQ(0, pthread_join(thread, &total));
	EXPECT_EQ(OUTPUT_SIZE, (size_t)total);
}

TEST_F(output, gives_a_stopped_terminal_up)
{
	EXPECT_FALSE(output_finish(self->out));
}

TEST(ignored_signals_stay_ignored)
{
	struct signalfd_siginfo info;
	struct error err;
	int fd;

	signal(SIGHUP, SIG_IGN);
	fd = loop_block_signals(&err);
	ASSERT_LE(0, fd);
	kill(getpid(), SIGHUP);
	kill(getpid(), SIGTERM);
	ASSERT_EQ(sizeof(info), read(fd, &info, sizeof(info)));
	EXPECT_EQ(SIGTERM, info.ssi_signo);
	EXPECT_EQ(-1, read(fd, &info, sizeof(info)));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_HARNESS_MAIN
