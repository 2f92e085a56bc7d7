/* SPDX-License-Identifier: GPL-2.0-only */
/* Standard input on its way to the guest's console. */
#ifndef VELLUM_VELLUM_INPUT_H
#define VELLUM_VELLUM_INPUT_H

#include "vellum/machine.h"

#define INPUT_SIZE	1024

/**
 * struct input - what was read and not yet taken by the guest
 * @m: the machine
 * @tty: stdin is a terminal: while it is ours it is raw and has the escape key
 * @open: there may be more to read
 * @away: the terminal is another job's now
 * @escape: Ctrl-A was typed
 * @len: bytes in @data
 * @data: the bytes
 */
struct input {
	struct machine *m;
	bool tty;
	bool open;
	bool away;
	bool escape;
	u32 len;
	u8 data[INPUT_SIZE];
};

void input_init(struct input *in, struct machine *m);
bool input_wants_read(const struct input *in);
void input_read(struct input *in);
void input_look_around(struct input *in);
int input_flush(struct input *in);

#endif
