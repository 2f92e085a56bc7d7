// SPDX-License-Identifier: GPL-2.0-only
/* --disk and --net: a device, and behind commas how it is to be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vellum/run_options.h"

#define TAP_PREFIX	"tap="
#define BRIDGE_PREFIX	"bridge="
#define MAC_PREFIX	"mac="
#define VHOST_PREFIX	"vhost="
#define PACKED_PREFIX	"packed="
#define MAC_GROUP	0x01

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static int set_vhost(struct run_vhost *v, const char *text, const char *option, struct error *err)
{
	v->mode = VHOST_ON;
	v->path = NULL;
	if (!strcmp(text, "off"))
		v->mode = VHOST_OFF;
	else if (!strcmp(text, "auto"))
		v->mode = VHOST_AUTO;
	else if (*text == '/')
		v->path = text;
	else if (strcmp(text, "on"))
		return error_set(err, STATUS_USAGE,
				 "%s: vhost=%s: unknown (write on, off, auto or a device)", option,
				 text);
	return 0;
}

static int set_packed(struct run_vhost *v, const char *text, const char *option, struct error *err)
{
	v->packed = !strcmp(text, "on");
	if (v->packed || !strcmp(text, "off"))
		return 0;
	return error_set(err, STATUS_USAGE, "%s: packed=%s: unknown (write on or off)", option,
			 text);
}

/* Return: 1 for a word that disks and cards share, 0 for another, -1 for a bad one. */
static int vhost_word(struct run_vhost *v, const char *word, const char *option, struct error *err)
{
	if (starts_with(word, VHOST_PREFIX))
		return set_vhost(v, word + strlen(VHOST_PREFIX), option, err) ? -1 : 1;
	if (starts_with(word, PACKED_PREFIX))
		return set_packed(v, word + strlen(PACKED_PREFIX), option, err) ? -1 : 1;
	return 0;
}

/* Return: 1 for a word of a disk's, 0 for a part of the file's name, -1 for a bad word. */
static int disk_word(struct run_disk *disk, const char *word, struct error *err)
{
	if (!strcmp(word, "readonly") || !strcmp(word, "ro")) {
		disk->readonly = true;
		return 1;
	}
	return vhost_word(&disk->vhost, word, "--disk", err);
}

/**
 * device_options_disk() - read one --disk
 * @o: a disk is added
 * @text: FILE[,ro][,readonly][,vhost=...][,packed=...], kept by reference and cut at the commas;
 *	other commas are part of the name
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int device_options_disk(struct run_options *o, char *text, struct error *err)
{
	struct run_disk *disk = &o->disks[o->disk_count];
	char *comma;
	int r;

	if (o->disk_count == RUN_DISKS_MAX)
		return error_set(err, STATUS_USAGE, "--disk %s: too many disks (give at most %d)",
				 text, RUN_DISKS_MAX);
	while ((comma = strrchr(text, ',')) && comma != text) {
		r = disk_word(disk, comma + 1, err);
		if (r < 0)
			return -1;
		if (!r)
			break;
		*comma = '\0';
	}
	disk->path = text;
	o->disk_count++;
	return 0;
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

static bool parse_mac(const char *text, u8 *mac)
{
	int i, high, low;

	for (i = 0; i < RUN_MAC_SIZE; i++, text += 3) {
		high = hex_digit(text[0]);
		low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0 || text[2] != (i < RUN_MAC_SIZE - 1 ? ':' : '\0'))
			return false;
		mac[i] = (u8)(high << 4 | low);
	}
	return !(mac[0] & MAC_GROUP);
}

static int set_mac(struct run_net *net, const char *text, struct error *err)
{
	net->has_mac = true;
	if (parse_mac(text, net->mac))
		return 0;
	return error_set(err, STATUS_USAGE,
			 "--net: mac=%s: not the address of one card (write 02:00:00:00:00:01)",
			 text);
}

/* What the kernel takes as the name of a link, and a percent sign it would make into a number. */
static bool good_name(const char *name)
{
	size_t len = strlen(name);

	return len && len <= RUN_NET_NAME_MAX && strcspn(name, "/: \t\n%") == len &&
	       strcmp(name, ".") && strcmp(name, "..");
}

static int set_name(struct run_net *net, const char *word, struct error *err)
{
	const char *name = strchr(word, '=') + 1;

	if (net->name)
		return error_set(err, STATUS_USAGE, "--net: %s: a second tap or bridge (give one)",
				 word);
	if (!good_name(name))
		return error_set(err, STATUS_USAGE,
				 "--net: %s: not the name of a link (give 1 to %d characters)",
				 word, RUN_NET_NAME_MAX);
	net->is_bridge = starts_with(word, BRIDGE_PREFIX);
	snprintf(net->option, sizeof(net->option), "--net %s", word);
	net->name = strchr(net->option, '=') + 1;
	return 0;
}

static int net_word(struct run_net *net, const char *word, struct error *err)
{
	int r = vhost_word(&net->vhost, word, "--net", err);

	if (r)
		return r < 0 ? -1 : 0;
	if (starts_with(word, TAP_PREFIX) || starts_with(word, BRIDGE_PREFIX))
		return set_name(net, word, err);
	if (starts_with(word, MAC_PREFIX))
		return set_mac(net, word + strlen(MAC_PREFIX), err);
	return error_set(err, STATUS_USAGE,
			 "--net: %s: unknown (write tap=, bridge=, mac=, vhost= or packed=)", word);
}

/**
 * device_options_net() - read one --net
 * @o: a card is added
 * @text: words separated by commas, kept by reference and changed
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int device_options_net(struct run_options *o, char *text, struct error *err)
{
	struct run_net *net = &o->nets[o->net_count];
	char *word;

	if (o->net_count == RUN_NETS_MAX)
		return error_set(err, STATUS_USAGE, "--net %s: too many cards (give at most %d)",
				 text, RUN_NETS_MAX);
	while ((word = strsep(&text, ",")))
		if (net_word(net, word, err))
			return -1;
	if (!net->name)
		return error_set(err, STATUS_USAGE,
				 "--net: no tap and no bridge (write tap=NAME or bridge=NAME)");
	o->net_count++;
	return 0;
}
