// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the console's ends towards the user: all output reaches a terminal that is slow but takes
 * some, and one that takes nothing is given up, last words included; output that is lost is told of
 * even when the guest powered off; signals that were ignored stay so; a terminal that another job
 * has is neither read nor changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vellum_types_undef.h"
#include "vellum/loop.h"
#include "vellum/output.h"
#include "vellum/terminal.h"

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
	EXPECT_FALSE(stop_requested(&self->stop));
}

TEST_F(output, gives_a_stopped_terminal_up)
{
	stop_request(&self->stop, STATUS_OK, "%s", "");
	EXPECT_FALSE(output_finish(self->out));
	EXPECT_EQ(STATUS_IO, self->stop.why.status);
	EXPECT_EQ(0, strncmp("stdout: ", self->stop.why.text, 8));
}

TEST_F(output, tells_what_a_closed_terminal_did_not_take)
{
	signal(SIGPIPE, SIG_IGN);
	stop_request(&self->stop, STATUS_OK, "%s", "");
	close(self->reader);
	EXPECT_TRUE(output_finish(self->out));
	EXPECT_EQ(STATUS_IO, self->stop.why.status);
	EXPECT_EQ(0, strncmp("stdout: ", self->stop.why.text, 8));
}

/* Whoever stopped the guest knows of the end already. */
TEST_F(output, does_not_hide_what_stopped_the_guest)
{
	stop_request(&self->stop, STATUS_SIGNAL + SIGTERM, "SIGTERM: guest stopped");
	EXPECT_FALSE(output_finish(self->out));
	EXPECT_EQ(STATUS_SIGNAL + SIGTERM, self->stop.why.status);
}

/* Nor are the last words worth waiting for. */
TEST(last_words_do_not_wait)
{
	const struct error err = { .status = STATUS_OS, .text = "memory: gone" };
	static const char junk[PIPE_SIZE];
	int fds[2], status;
	pid_t pid;

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(PIPE_SIZE, fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE));
	ASSERT_EQ(PIPE_SIZE, write(fds[1], junk, PIPE_SIZE));
	pid = fork();
	if (!pid) {
		alarm(10);
		dup2(fds[1], STDERR_FILENO);
		_exit(error_print(&err, 10));
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_OS);
	close(fds[0]);
	close(fds[1]);
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

/* What the launcher does with its terminal, as a job of this process. Does not return. */
static void run_job(int terminal, bool in_front)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct error err;
	int fd;

	setpgid(0, 0);
	dup2(terminal, STDIN_FILENO);
	m->rtc.timer_fd = -1;
	m->want_input_fd = -1;
	if (stop_init(&m->stop, &err))
		_exit(1);
	fd = loop_block_signals(&err);
	if (in_front)
		tcsetpgrp(STDIN_FILENO, getpgrp());
	loop_run(m, fd);
	terminal_restore();
	_exit(m->stop.why.status);
}

static bool is_raw(int terminal)
{
	struct termios now;

	return !tcgetattr(terminal, &now) && !(now.c_lflag & (ICANON | ECHO | ISIG));
}

static bool wait_raw(int terminal)
{
	int i;

	for (i = 0; i < 500 && !is_raw(terminal); i++)
		usleep(10000);
	return is_raw(terminal);
}

FIXTURE(job)
{
	int user;	/* who sits at the terminal */
	int terminal;
	struct termios before;
	pid_t pid;
};

/* This process is the shell, of a session that has a terminal, with the launcher in front. */
FIXTURE_SETUP(job)
{
	setsid();
	signal(SIGTTOU, SIG_IGN);
	ASSERT_EQ(0, openpty(&self->user, &self->terminal, NULL, NULL, NULL));
	ASSERT_EQ(0, ioctl(self->terminal, TIOCSCTTY, 0));
	ASSERT_EQ(0, tcgetattr(self->terminal, &self->before));
	self->pid = fork();
	if (!self->pid)
		run_job(self->terminal, true);
	ASSERT_TRUE(wait_raw(self->terminal));
	/* Now the shell takes the terminal back. */
	ASSERT_EQ(0, tcsetpgrp(self->terminal, getpgrp()));
	ASSERT_EQ(0, tcsetattr(self->terminal, TCSANOW, &self->before));
}

FIXTURE_TEARDOWN(job)
{
	kill(self->pid, SIGKILL);
}

static int job_status(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(job, goes_on_in_the_background)
{
	struct termios now = self->before;

	now.c_lflag &= ~(tcflag_t)ECHO;
	ASSERT_EQ(0, tcsetattr(self->terminal, TCSANOW, &now));
	ASSERT_EQ(1, write(self->user, "\n", 1));
	usleep(300000);
	EXPECT_EQ(0, waitpid(self->pid, NULL, WNOHANG));
	kill(self->pid, SIGTERM);
	EXPECT_EQ(128 + SIGTERM, job_status(self->pid));
	/* What it found is not what the one in front wants. */
	tcgetattr(self->terminal, &now);
	EXPECT_FALSE(now.c_lflag & ECHO);
}

TEST_F(job, comes_to_the_front_again)
{
	ASSERT_EQ(1, write(self->user, "\n", 1));
	usleep(300000);
	ASSERT_EQ(0, tcsetpgrp(self->terminal, self->pid));
	kill(self->pid, SIGCONT);
	ASSERT_TRUE(wait_raw(self->terminal));
	ASSERT_EQ(2, write(self->user, "\001x", 2));
	EXPECT_EQ(128 + SIGINT, job_status(self->pid));
	EXPECT_FALSE(is_raw(self->terminal));
}

/* A shell sends no SIGCONT to a job that runs already. */
TEST_F(job, comes_to_the_front_untold)
{
	kill(self->pid, SIGCONT);
	usleep(300000);
	EXPECT_FALSE(is_raw(self->terminal));
	ASSERT_EQ(0, tcsetpgrp(self->terminal, self->pid));
	ASSERT_TRUE(wait_raw(self->terminal));
	ASSERT_EQ(2, write(self->user, "\001x", 2));
	EXPECT_EQ(128 + SIGINT, job_status(self->pid));
	EXPECT_FALSE(is_raw(self->terminal));
}

TEST_F(job, comes_to_the_front_for_the_first_time)
{
	pid_t pid = fork();

	if (!pid)
		run_job(self->terminal, false);
	usleep(300000);
	EXPECT_FALSE(is_raw(self->terminal));
	ASSERT_EQ(0, tcsetpgrp(self->terminal, pid));
	EXPECT_TRUE(wait_raw(self->terminal));
	EXPECT_EQ(2, write(self->user, "\001x", 2));
	/* the harness ends a test that does not return from here */
	EXPECT_EQ(128 + SIGINT, job_status(pid));
	EXPECT_FALSE(is_raw(self->terminal));
}

TEST_HARNESS_MAIN
