// SPDX-License-Identifier: GPL-2.0-only
/*
 * A terminal is always read, so that the escape key works with a guest that listens to nothing;
 * what overflows is lost, as on a real terminal. Pipes and files are read only as fast as the guest
 * takes it, and their end ends nothing but the input. Another job's terminal is not ours to read,
 * and no signal tells when a shell gives it to a job that runs: that has to be looked at.
 */
#include "vellum/input.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "vellum/terminal.h"

#define KEY_ESCAPE	0x01	/* Ctrl-A */
#define KEY_EXIT	'x'
#define CHUNK		256

void input_init(struct input *in, struct machine *m)
{
	memset(in, 0, sizeof(*in));
	in->m = m;
	in->tty = isatty(STDIN_FILENO);
	in->open = true;
	input_look_around(in);
}

bool input_wants_read(const struct input *in)
{
	return in->open && !in->away && (in->tty || !in->len);
}

static void append(struct input *in, u8 byte)
{
	if (in->len < INPUT_SIZE)
		in->data[in->len++] = byte;
}

static void handle_key(struct input *in, u8 key)
{
	if (!in->escape && key == KEY_ESCAPE) {
		in->escape = true;
		return;
	}
	if (in->escape && (key == KEY_EXIT || key == 'X')) {
		stop_request(&in->m->stop, STATUS_SIGNAL + SIGINT,
			     "console: guest stopped by Ctrl-A x");
	} else if (in->escape && key != KEY_ESCAPE) {
		append(in, KEY_ESCAPE);
		append(in, key);
	} else {
		append(in, key);
	}
	in->escape = false;
}

static void handle_end(struct input *in)
{
	in->open = false;
	if (in->tty)
		stop_request(&in->m->stop, STATUS_IO,
			     "console: the terminal was closed, the guest stopped");
}

void input_read(struct input *in)
{
	u8 chunk[CHUNK];
	ssize_t i, n = read(STDIN_FILENO, chunk, sizeof(chunk));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	/* Somebody stopped the launcher and let it go on in the background. */
	if (n < 0 && errno == EIO && in->tty && terminal_is_anothers()) {
		in->away = true;
		return;
	}
	if (n <= 0) {
		handle_end(in);
		return;
	}
	for (i = 0; i < n; i++) {
		if (in->tty)
			handle_key(in, chunk[i]);
		else
			append(in, chunk[i]);
	}
}

/*
 * The terminal may be ours again, with the settings the shell gave it meanwhile, or another's. One
 * that is gone is as it was: its end is read, or nobody cares. To be called after SIGCONT, and once
 * in a while when the terminal is another's.
 */
void input_look_around(struct input *in)
{
	if (!in->tty)
		return;
	if (terminal_is_ours()) {
		in->away = false;
		terminal_make_raw();
	} else if (terminal_is_anothers()) {
		in->away = true;
	}
}

/**
 * input_flush() - give the guest what it takes now
 * @in: the input
 *
 * Return: 0, or -1 when the console was busy and this is to be called again soon.
 */
int input_flush(struct input *in)
{
	u32 n;
	int room;

	while (in->len) {
		room = machine_input_room(in->m);
		if (room <= 0)
			return room;
		n = (u32)min_u64(in->len, (u64)room);
		if (!machine_input(in->m, in->data, n))
			return -1;
		in->len -= n;
		memmove(in->data, in->data + n, in->len);
	}
	return 0;
}
