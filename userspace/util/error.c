// SPDX-License-Identifier: GPL-2.0-only
/* One-line errors. */
#include "util/error.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/**
 * error_set() - describe a failure
 * @err: filled in
 * @status: exit status
 * @fmt: printf format of the line, without the program's name
 *
 * Return: always -1, so that callers can write "return error_set(...)".
 */
int error_set(struct error *err, int status, const char *fmt, ...)
{
	va_list ap;

	err->status = status;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return -1;
}

/**
 * error_print() - print "vellum: <text>" on stderr, control characters replaced
 * @err: the failure
 * @patience_msec: how long to wait for a stderr that is stopped; the line is lost then
 *
 * Return: the failure's status.
 */
int error_print(const struct error *err, int patience_msec)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[ERROR_TEXT_MAX];
	size_t i;

	if (poll(&room, 1, patience_msec) <= 0)
		return err->status;

	/* File names come from the user: a newline in one must not break the one-line promise. */
	for (i = 0; err->text[i] && i < sizeof(line) - 1; i++)
		line[i] = (unsigned char)err->text[i] < ' ' || err->text[i] == 0x7f ?
			  '?' : err->text[i];
	line[i] = '\0';
	fprintf(stderr, "vellum: %s\n", line);
	return err->status;
}
