/* SPDX-License-Identifier: GPL-2.0-only */
/* A small machine for the emulator to act on: 64 KiB of memory, vector registers, a port. */
#ifndef WORLD_H
#define WORLD_H

#include "x86/emul_int.h"

#define WORLD_RAM	0x10000
#define WORLD_LOG	64
#define WORLD_PORTS	4096

/* Where the tests keep things; all reachable by 16-bit addresses. */
#define AT_CODE		0x1000
#define AT_DATA		0x2000
#define AT_DATA2	0x2100
#define AT_STACK	0x3000

enum world_kind { W_READ, W_WRITE, W_CMPXCHG, W_PIO_IN, W_PIO_OUT };

struct world_access {
	enum world_kind kind;
	u64 addr;
	unsigned int len;
	u8 data[EMUL_MAX_BATCH];
};

/**
 * struct world - what emul_ops act on
 * @ram: linear addresses 0 to WORLD_RAM; anything above is a page fault
 * @vec: vector registers
 * @port_out: everything written to any port
 * @port_in: next byte a port returns; counts up
 * @replay: every access first stops with EMUL_USER, and is answered from the log when the
 *	    instruction runs again
 * @bulk: is_ram says yes
 * @deny_ports: pio_allowed says no
 * @log: accesses since the last commit
 * @users: how often EMUL_USER was returned
 * @commits: how often the emulator committed
 * @mismatch: a replayed access was not the logged one
 */
struct world {
	u8 ram[WORLD_RAM];
	u8 vec[16][EMUL_MAX_VEC];
	u8 port_out[WORLD_PORTS];
	unsigned int port_out_len;
	u16 port_nr;
	u8 port_in;
	bool replay;
	bool bulk;
	bool deny_ports;
	struct world_access log[WORLD_LOG];
	unsigned int nr, pos;
	unsigned int users;
	unsigned int commits;
	unsigned int calls;
	bool mismatch;
};

extern const struct emul_ops world_ops;

/* Registers, flat segments and memory in the state every test starts from. */
void world_init(struct world *w);
void world_ctxt(struct world *w, struct emul_ctxt *c, enum emul_mode mode);
/* Decode and execute, again and again while EMUL_USER is the answer. */
int world_run(struct world *w, struct emul_ctxt *c);

#endif /* WORLD_H */
