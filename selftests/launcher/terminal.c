// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards the user's terminal: raw while a guest runs, restored by the escape key, by signals, by
 * errors and when the terminal goes away; and a shell in the guest can be typed at. Runs in a
 * machine of the lab; VELLUM_DEVICE, GUEST_KERNEL and GUEST_INITRD as in tap.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "kselftest_harness.h"

#define BOOT_SECONDS	400
#define SHORT_SECONDS	120
#define OUTPUT_MAX	0x100000

/**
 * struct session - a launcher on its own terminal
 * @pid: the launcher
 * @master: our end of the terminal
 * @slave: the launcher's end, kept open to look at its settings afterwards
 * @before: settings the launcher found
 * @text: all output so far, @len bytes
 */
struct session {
	pid_t pid;
	int master;
	int slave;
	struct termios before;
	char *text;
	size_t len;
};

static const char *setting(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

static void exec_launcher(const char *kernel)
{
	execlp("vellum", "vellum", "run", "--device", setting("VELLUM_DEVICE", "/dev/vellum"),
	       "--kernel", kernel, "--initrd", setting("GUEST_INITRD", "/lab/guest/initrd"),
	       NULL);
	_exit(127);
}

static void start(struct session *s, const char *kernel)
{
	char name[64];

	memset(s, 0, sizeof(*s));
	s->text = calloc(1, OUTPUT_MAX);
	if (openpty(&s->master, &s->slave, name, NULL, NULL) || !s->text)
		exit(KSFT_FAIL);
	tcgetattr(s->slave, &s->before);
	s->pid = fork();
	if (s->pid)
		return;
	setsid();
	ioctl(s->slave, TIOCSCTTY, 0);
	dup2(s->slave, 0);
	dup2(s->slave, 1);
	dup2(s->slave, 2);
	close(s->master);
	if (s->slave > 2)
		close(s->slave);
	exec_launcher(kernel);
}

static void start_guest(struct session *s)
{
	start(s, setting("GUEST_KERNEL", "/lab/guest/vmlinuz"));
}

/* Read what there is; false when nothing came for a second. */
static bool drain(struct session *s)
{
	struct pollfd p = { .fd = s->master, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, 1000) <= 0)
		return false;
	n = read(s->master, s->text + s->len, OUTPUT_MAX - 1 - s->len);
	if (n > 0)
		s->len += (size_t)n;
	return n > 0;
}

static bool wait_for(struct session *s, const char *text)
{
	int idle = 0;

	while (!memmem(s->text, s->len, text, strlen(text))) {
		if (!drain(s) && (++idle > BOOT_SECONDS || waitpid(s->pid, NULL, WNOHANG)))
			return false;
	}
	return true;
}

static bool is_raw(struct session *s)
{
	struct termios now;

	tcgetattr(s->slave, &now);
	return !(now.c_lflag & (ICANON | ECHO | ISIG));
}

static bool wait_raw(struct session *s)
{
	int i;

	for (i = 0; i < 30 && !is_raw(s); i++)
		drain(s);
	return is_raw(s);
}

static bool is_restored(struct session *s)
{
	struct termios now;

	tcgetattr(s->slave, &now);
	/* Field by field: the struct has padding. */
	return now.c_iflag == s->before.c_iflag && now.c_oflag == s->before.c_oflag &&
	       now.c_cflag == s->before.c_cflag && now.c_lflag == s->before.c_lflag &&
	       !memcmp(now.c_cc, s->before.c_cc, sizeof(now.c_cc));
}

/* Exit status of the launcher, its output read meanwhile so that it cannot block on it. */
static int finish(struct session *s)
{
	int status;

	while (waitpid(s->pid, &status, WNOHANG) == 0)
		drain(s);
	drain(s);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void end(struct session *s)
{
	close(s->slave);
	if (s->master >= 0)
		close(s->master);
	free(s->text);
}

/* Only a fixture can have a timeout of its own; every test owns its session. */
FIXTURE(terminal)
{
};

FIXTURE_SETUP(terminal)
{
}

FIXTURE_TEARDOWN(terminal)
{
}

static void type(struct session *s, const char *keys)
{
	if (write(s->master, keys, strlen(keys)) < 0)
		exit(KSFT_FAIL);
}

TEST_F_TIMEOUT(terminal, escape_key, SHORT_SECONDS)
{
	struct session s;

	start_guest(&s);
	ASSERT_TRUE(wait_raw(&s));
	type(&s, "\001x");
	EXPECT_EQ(130, finish(&s));
	EXPECT_TRUE(is_restored(&s));
	EXPECT_NE(NULL, memmem(s.text, s.len, "vellum: console: ", 17));
	end(&s);
}

TEST_F_TIMEOUT(terminal, signals, SHORT_SECONDS)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct session s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(signals); i++) {
		start_guest(&s);
		ASSERT_TRUE(wait_raw(&s));
		kill(s.pid, signals[i]);
		EXPECT_EQ(128 + signals[i], finish(&s));
		EXPECT_TRUE(is_restored(&s));
		EXPECT_NE(NULL, memmem(s.text, s.len, "guest stopped before", 20));
		end(&s);
	}
}

TEST_F_TIMEOUT(terminal, error_leaves_it_alone, SHORT_SECONDS)
{
	struct session s;

	start(&s, "/nowhere");
	EXPECT_EQ(66, finish(&s));
	EXPECT_TRUE(is_restored(&s));
	end(&s);
}

/* Without the test's own descriptor of the slave the terminal really goes away. */
TEST_F_TIMEOUT(terminal, closed_terminal, SHORT_SECONDS)
{
	struct session s;
	int status;

	start_guest(&s);
	ASSERT_TRUE(wait_raw(&s));
	close(s.slave);
	close(s.master);
	s.master = -1;
	ASSERT_EQ(s.pid, waitpid(s.pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	/* The hangup signal and the end of the file race; each has its status. */
	EXPECT_TRUE(WEXITSTATUS(status) == 128 + SIGHUP || WEXITSTATUS(status) == 74);
	free(s.text);
}

/* Write to the terminal, past the launcher, until it takes no more. */
static void fill(struct session *s)
{
	static const char junk[4096];
	int fd = open(ttyname(s->slave), O_WRONLY | O_NONBLOCK | O_NOCTTY);

	while (write(fd, junk, sizeof(junk)) > 0)
		;
	close(fd);
}

/* Nobody reads the terminal: a signal must still end the launcher, and its last words not block. */
TEST_F_TIMEOUT(terminal, stuck_terminal, SHORT_SECONDS)
{
	struct session s;
	int status, i, r = 0;

	start_guest(&s);
	ASSERT_TRUE(wait_raw(&s));
	fill(&s);
	sleep(10);
	fill(&s);
	kill(s.pid, SIGTERM);
	for (i = 0; i < 300 && !r; i++) {
		usleep(100000);
		r = waitpid(s.pid, &status, WNOHANG);
	}
	EXPECT_EQ(s.pid, r);
	if (!r)
		kill(s.pid, SIGKILL);
	else
		EXPECT_EQ(128 + SIGTERM, WEXITSTATUS(status));
	EXPECT_TRUE(is_restored(&s));
	end(&s);
}

/* Ctrl-C is the guest's; Ctrl-A twice sends one. */
TEST_F_TIMEOUT(terminal, shell, BOOT_SECONDS * 2)
{
	struct session s;

	start_guest(&s);
	ASSERT_TRUE(wait_for(&s, "guest: no guest.cmd="));
	type(&s, "echo a$((40+2))b\r");
	EXPECT_TRUE(wait_for(&s, "a42b"));
	type(&s, "sleep 1000\r");
	sleep(1);
	type(&s, "\003");
	type(&s, "echo c$((40+3))d\r");
	EXPECT_TRUE(wait_for(&s, "c43d"));
	type(&s, "exit\r");
	EXPECT_EQ(0, finish(&s));
	EXPECT_TRUE(is_restored(&s));
	end(&s);
}

TEST_HARNESS_MAIN
