// SPDX-License-Identifier: GPL-2.0-only
/*
 * The boot loader's half of the 64-bit boot protocol: kernel at its preferred address, initrd as
 * high as the kernel allows, boot_params ("zero page") with the E820 map, page tables and a GDT.
 */
#include "boot/linux.h"

#include <string.h>

#include "boot/bzimage.h"
#include "boot/entry.h"
#include "boot/layout.h"

#define LOADER_UNDEFINED	0xff
#define E820_RAM		1
#define E820_RESERVED		2
#define VID_MODE_NORMAL		0xffff
#define PAGE			4096ULL

static int too_small(const struct guest_ram *ram, u64 want, struct error *err)
{
	return error_set(err, STATUS_USAGE,
			 "--mem %lluM: too little for this kernel and initrd (give at least %lluM)",
			 ram->size / MIB, align_up(want, 2 * MIB) / MIB);
}

static int load_kernel(const struct guest_ram *ram, const struct bzimage *image, struct error *err)
{
	void *to = ram_ptr(ram, image->load, image->hdr.init_size);

	if (!to)
		return too_small(ram, bzimage_end(image), err);
	return boot_file_read(&image->file, image->code_offset, to, image->code_size, err);
}

static int place_initrd(const struct guest_ram *ram, const struct bzimage *image,
			const struct boot_file *initrd, struct boot_params *params,
			struct error *err)
{
	u64 limit = min_u64(ram->low, (u64)image->hdr.initrd_addr_max + 1);
	u64 need = align_up(initrd->size, PAGE);
	u64 start = align_up(bzimage_end(image), PAGE);
	u64 at;

	if (need > LAYOUT_LOW_MAX || start + need > (u64)image->hdr.initrd_addr_max + 1)
		return error_set(err, STATUS_DATA, "%s %s: too large for this kernel (shrink it)",
				 initrd->option, initrd->path);
	if (start + need > limit)
		return too_small(ram, start + need, err);
	at = align_down(limit - need, PAGE);
	params->hdr.ramdisk_image = (u32)at;
	params->hdr.ramdisk_size = (u32)initrd->size;
	return boot_file_read(initrd, 0, ram_ptr(ram, at, initrd->size), initrd->size, err);
}

static int load_initrd(const struct guest_ram *ram, const struct bzimage *image, const char *path,
		       struct boot_params *params, struct error *err)
{
	struct boot_file initrd;
	int r;

	if (!path)
		return 0;
	if (boot_file_open(&initrd, "--initrd", path, err))
		return -1;
	r = place_initrd(ram, image, &initrd, params, err);
	boot_file_close(&initrd);
	return r;
}

static int load_cmdline(const struct guest_ram *ram, const struct bzimage *image,
			const char *cmdline, struct boot_params *params, struct error *err)
{
	u64 max = min_u64(image->hdr.cmdline_size, LAYOUT_CMDLINE_MAX - 1);
	u64 len = strlen(cmdline);

	if (len > max)
		return error_set(err, STATUS_USAGE,
				 "--append: %llu bytes, the kernel takes %llu (shorten it)", len,
				 max);
	memcpy(ram_ptr(ram, LAYOUT_CMDLINE, len + 1), cmdline, len + 1);
	params->hdr.cmd_line_ptr = LAYOUT_CMDLINE;
	return 0;
}

static void add_e820(struct boot_params *params, u64 start, u64 end, u32 type)
{
	struct boot_e820_entry *e = &params->e820_table[params->e820_entries++];

	e->addr = start;
	e->size = end - start;
	e->type = type;
}

static void fill_e820(const struct guest_ram *ram, struct boot_params *params)
{
	add_e820(params, 0, LAYOUT_EBDA, E820_RAM);
	add_e820(params, LAYOUT_EBDA, LAYOUT_HIGH_RAM, E820_RESERVED);
	add_e820(params, LAYOUT_HIGH_RAM, ram->low, E820_RAM);
	add_e820(params, LAYOUT_IDENTITY_MAP, LAYOUT_4G, E820_RESERVED);
	if (ram->size > ram->low)
		add_e820(params, LAYOUT_4G, ram_end(ram), E820_RAM);
}

static struct boot_params *init_params(const struct guest_ram *ram, const struct bzimage *image,
				       u64 rsdp)
{
	struct boot_params *params = ram_ptr(ram, LAYOUT_BOOT_PARAMS, sizeof(*params));

	memset(params, 0, sizeof(*params));
	params->hdr = image->hdr;
	params->hdr.type_of_loader = LOADER_UNDEFINED;
	params->hdr.vid_mode = VID_MODE_NORMAL;
	params->hdr.code32_start = (u32)image->load;
	params->hdr.ramdisk_image = 0;
	params->hdr.ramdisk_size = 0;
	params->hdr.setup_data = 0;
	params->acpi_rsdp_addr = rsdp;
	fill_e820(ram, params);
	return params;
}

static int load_all(const struct guest_ram *ram, const struct linux_config *config,
		    const struct bzimage *image, struct error *err)
{
	struct boot_params *params = init_params(ram, image, config->rsdp);

	if (load_cmdline(ram, image, config->cmdline, params, err) ||
	    load_kernel(ram, image, err))
		return -1;
	return load_initrd(ram, image, config->initrd, params, err);
}

/**
 * linux_load() - put a kernel and all it needs in guest RAM
 * @ram: guest RAM of at least LAYOUT_RAM_MIN bytes
 * @config: what to boot
 * @state: filled in with the first vCPU's entry state
 * @err: filled in on failure
 *
 * Return: 0 or -1.
 */
int linux_load(const struct guest_ram *ram, const struct linux_config *config,
	       struct boot_state *state, struct error *err)
{
	struct bzimage image;
	int r;

	if (bzimage_open(&image, config->kernel, err))
		return -1;
	r = load_all(ram, config, &image, err);
	boot_file_close(&image.file);
	if (r)
		return -1;
	entry_tables(ram, state);
	state->entry = bzimage_entry(&image);
	state->boot_params = LAYOUT_BOOT_PARAMS;
	return 0;
}
