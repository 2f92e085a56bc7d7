// SPDX-License-Identifier: GPL-2.0-only
/*
 * The emulator's view of the guest: linear memory, devices, ports and vector registers.
 *
 * An access is cut at page boundaries; each part is logged. Memory and in-kernel devices complete
 * at once. A read from a device in user space stops the instruction; after KVM_RUN brought the data
 * it runs again and the log answers what has been done already. A write to user space is posted:
 * the instruction goes on as if it were done, and KVM_RUN returns after it, unless it needs user
 * space a second time.
 */
#include <linux/kernel.h>
#include <linux/string.h>

#include "core/iobus.h"
#include "irqchip/lapic.h"
#include "memory/guest.h"
#include "memory/memslot.h"
#include "memory/tdp.h"
#include "x86/emulate_int.h"
#include "x86/fpu.h"
#include "x86/regs.h"
#include "x86/walk.h"

#define USER_CPL	3
#define TSS_IO_MAP	0x66	/* SDM "Task-State Segment (TSS)": I/O map base address */
#define TSS_TYPE_32	9	/* available; busy has bit 1 too */
#define TSS_TYPE_BUSY	BIT(1)

/* The parts of an access in at most two pages. */
struct span {
	u64 gpa[2];
	unsigned int len[2];
	unsigned int nr;
};

static struct hv_emul *emul_of(struct emul_ctxt *c)
{
	struct hv_vcpu *vcpu = c->priv;

	return vcpu->emul;
}

static int give_up(struct hv_emul *e, int error)
{
	e->error = error;
	return EMUL_UNHANDLED;
}

static u32 walk_access(const struct emul_ctxt *c, unsigned int acc)
{
	u32 access = 0;

	if (acc & EMUL_ACC_WRITE)
		access |= HV_ACCESS_WRITE;
	if (acc & EMUL_ACC_FETCH)
		access |= HV_ACCESS_EXEC;
	if (acc & EMUL_ACC_IMPLICIT)
		access |= HV_ACCESS_IMPLICIT;
	else if (c->cpl == USER_CPL)
		access |= HV_ACCESS_USER;
	return access;
}

/* Hardware translated the address that caused the exit; it did not check more than that access. */
static bool hinted(const struct hv_emul *e, u64 la, unsigned int acc)
{
	if (!e->hint_valid || (la & PAGE_MASK) != e->hint_gva || acc & ~EMUL_ACC_WRITE)
		return false;
	return !(acc & EMUL_ACC_WRITE) || e->hint_write;
}

static int translate(struct emul_ctxt *c, u64 la, unsigned int acc, u64 *gpa)
{
	struct hv_emul *e = emul_of(c);
	struct hv_walk data, *walk = acc & EMUL_ACC_FETCH ? &e->fetch : &data;
	int rc;

	if (hinted(e, la, acc)) {
		*gpa = e->hint_gpa | offset_in_page(la);
		return EMUL_OK;
	}
	rc = hv_walk(c->priv, la, walk_access(c, acc), walk);
	if (rc < 0)
		return EMUL_UNHANDLED;
	if (rc) {
		c->exception = (struct emul_exception) {
			.vector = EMUL_VEC_PF, .has_error = true,
			.error = walk->error, .address = la,
		};
		return EMUL_FAULT;
	}
	*gpa = walk->gpa;
	return EMUL_OK;
}

/* Both pages are translated before either is touched. */
static int map_span(struct emul_ctxt *c, u64 la, unsigned int len, unsigned int acc,
		    struct span *s)
{
	unsigned int i;
	int rc;

	s->len[0] = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(la));
	s->len[1] = len - s->len[0];
	s->nr = s->len[1] ? 2 : 1;
	for (i = 0; i < s->nr; i++) {
		rc = translate(c, i ? la + s->len[0] : la, acc, &s->gpa[i]);
		if (rc)
			return rc;
	}
	return EMUL_OK;
}

/* The log entry of the next access: an old one, or a new one at the end. */
static struct hv_emul_access *log_entry(struct hv_emul *e, enum hv_emul_kind kind, u64 addr,
					unsigned int len)
{
	struct hv_emul_access *a = &e->log[e->pos];

	if (e->pos >= HV_EMUL_ACCESSES)
		return NULL;
	if (e->pos == e->nr) {
		a->addr = addr;
		a->len = len;
		a->done = 0;
		a->kind = kind;
		e->nr++;
		return a;
	}
	/* The emulator is deterministic, but user space could have changed what it stands on. */
	return a->addr == addr && a->len == len && a->kind == kind ? a : NULL;
}

void hv_mmio_exit(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, const void *data)
{
	struct kvm_run *run = vcpu->run;

	vcpu->stat.mmio_exits++;
	run->exit_reason = KVM_EXIT_MMIO;
	run->mmio.phys_addr = gpa;
	run->mmio.len = len;
	run->mmio.is_write = !!data;
	memset(run->mmio.data, 0, sizeof(run->mmio.data));
	if (data)
		memcpy(run->mmio.data, data, len);
}

/* Hand one device access to user space. */
static int exit_mmio(struct hv_vcpu *vcpu, struct hv_emul_access *a, u64 gpa, unsigned int len)
{
	struct hv_emul *e = vcpu->emul;
	bool write = a->kind == HV_EMUL_WRITE;

	if (e->posted)
		return EMUL_USER;
	hv_mmio_exit(vcpu, gpa, len, write ? a->data + a->done : NULL);
	if (!write) {
		e->pending = a;
		e->pending_len = len;
		return EMUL_USER;
	}
	e->posted = true;
	e->c.stop = true;
	return EMUL_OK;
}

static bool lapic_owns(struct hv_vcpu *vcpu, u64 gpa)
{
	return vcpu->lapic && hv_lapic_owns(vcpu, gpa);
}

int hv_mmio_access(struct hv_vcpu *vcpu, u64 gpa, unsigned int len, void *data, bool write)
{
	int rc = -EOPNOTSUPP;

	if (lapic_owns(vcpu, gpa))
		rc = write ? hv_lapic_mmio_write(vcpu, gpa, len, data) :
			     hv_lapic_mmio_read(vcpu, gpa, len, data);
	if (rc == -EOPNOTSUPP)
		rc = write ? hv_iobus_write(vcpu, HV_MMIO_BUS, gpa, len, data) :
			     hv_iobus_read(vcpu, HV_MMIO_BUS, gpa, len, data);
	return rc;
}

static int device_access(struct hv_vcpu *vcpu, struct hv_emul_access *a, u64 gpa,
			 unsigned int len)
{
	bool write = a->kind == HV_EMUL_WRITE;

	if (!hv_mmio_access(vcpu, gpa, len, a->data + a->done, write))
		return EMUL_OK;
	return exit_mmio(vcpu, a, gpa, len);
}

static int device_part(struct hv_vcpu *vcpu, struct hv_emul_access *a, u64 gpa)
{
	unsigned int len;
	int rc;

	while (a->done < a->len) {
		len = min_t(unsigned int, a->len - a->done, HV_EMUL_MMIO_MAX);
		rc = device_access(vcpu, a, gpa + a->done, len);
		if (rc)
			return rc;
		a->done += len;
	}
	return EMUL_OK;
}

enum ram_result { RAM_OK, RAM_NONE, RAM_FAULT };

/* RAM_FAULT: a slot is there, but nothing behind its user address. */
static enum ram_result ram_access(struct hv_vcpu *vcpu, u64 gpa, void *data, unsigned int len,
				  bool write)
{
	u64 seen, slots = 0;

	/* A slot that came after an access in vain was none then. */
	do {
		seen = slots;
		if (!(write ? hv_guest_write(vcpu, gpa, data, len) :
			      hv_guest_read(vcpu, gpa, data, len)))
			return RAM_OK;
		if (!hv_guest_backed(vcpu, gpa, len, write))
			return RAM_NONE;
		slots = hv_vcpu_slots_generation(vcpu);
	} while (slots != seen);
	return RAM_FAULT;
}

static int ram_fault(struct hv_vcpu *vcpu, u64 gpa)
{
	hv_memory_fault_exit(vcpu, gpa, 0);
	return give_up(vcpu->emul, -EFAULT);
}

/* Memory if there is any, else a device. What was begun on a device stays there. */
static int do_part(struct hv_vcpu *vcpu, struct hv_emul_access *a, u64 gpa)
{
	bool write = a->kind == HV_EMUL_WRITE;

	if (a->done == a->len)
		return EMUL_OK;
	if (!a->done && !lapic_owns(vcpu, gpa)) {
		switch (ram_access(vcpu, gpa, a->data, a->len, write)) {
		case RAM_OK:
			a->done = a->len;
			return EMUL_OK;
		case RAM_FAULT:
			return ram_fault(vcpu, gpa);
		case RAM_NONE:
			break;
		}
	}
	return device_part(vcpu, a, gpa);
}

/* All parts of one access, logged. */
static int logged_access(struct emul_ctxt *c, enum hv_emul_kind kind, u64 la, void *data,
			 unsigned int len, unsigned int acc)
{
	struct hv_emul *e = emul_of(c);
	struct hv_emul_access *a;
	unsigned int i;
	struct span s;
	int rc = map_span(c, la, len, acc, &s);

	for (i = 0; !rc && i < s.nr; i++) {
		a = log_entry(e, kind, la, s.len[i]);
		if (!a)
			return give_up(e, -EIO);
		if (kind == HV_EMUL_WRITE)
			memcpy(a->data, data, a->len);
		rc = do_part(c->priv, a, s.gpa[i]);
		if (rc)
			return rc;
		if (kind == HV_EMUL_READ)
			memcpy(data, a->data, a->len);
		e->pos++;
		la += s.len[i];
		data += s.len[i];
	}
	return rc;
}

/* Instruction bytes and string I/O batches: memory only, never logged. */
static int ram_only(struct emul_ctxt *c, u64 la, void *data, unsigned int len, unsigned int acc,
		    bool write)
{
	struct hv_vcpu *vcpu = c->priv;
	struct span s;
	int rc = map_span(c, la, len, acc, &s);

	if (rc)
		return rc;
	if (s.nr > 1)
		return EMUL_UNHANDLED;
	switch (ram_access(vcpu, s.gpa[0], data, len, write)) {
	case RAM_OK:
		return EMUL_OK;
	case RAM_FAULT:
		return ram_fault(vcpu, s.gpa[0]);
	default:
		return EMUL_UNHANDLED;
	}
}

static int op_read(struct emul_ctxt *c, u64 la, void *data, unsigned int len, unsigned int acc)
{
	if (acc & EMUL_ACC_FETCH || len > EMUL_MAX_VEC)
		return ram_only(c, la, data, len, acc, false);
	return logged_access(c, HV_EMUL_READ, la, data, len, acc);
}

static int op_write(struct emul_ctxt *c, u64 la, const void *data, unsigned int len,
		    unsigned int acc)
{
	if (len > EMUL_MAX_VEC)
		return ram_only(c, la, (void *)data, len, acc, true);
	return logged_access(c, HV_EMUL_WRITE, la, (void *)data, len, acc);
}

/*
 * Atomic in memory. Across a page, misaligned, or on a device there is nothing atomic to be had,
 * and it becomes a write.
 */
static int op_cmpxchg(struct emul_ctxt *c, u64 la, const void *old, const void *new,
		      unsigned int len)
{
	struct hv_vcpu *vcpu = c->priv;
	struct hv_emul *e = vcpu->emul;
	u8 expect[2 * sizeof(u64)] __aligned(2 * sizeof(u64));
	u8 desired[2 * sizeof(u64)] __aligned(2 * sizeof(u64));
	u64 gpa;
	int rc;

	if (e->pos < e->nr || la % len)
		return op_write(c, la, new, len, EMUL_ACC_WRITE);
	rc = translate(c, la, EMUL_ACC_WRITE, &gpa);
	if (rc)
		return rc;
	memcpy(expect, old, len);
	memcpy(desired, new, len);
	rc = -EFAULT;
	if (!lapic_owns(vcpu, gpa))
		rc = hv_guest_cmpxchg(vcpu, gpa, expect, desired, len);
	if (rc == -EFAULT)
		return op_write(c, la, new, len, EMUL_ACC_WRITE);
	return rc ? EMUL_RETRY : EMUL_OK;
}

static int op_probe(struct emul_ctxt *c, u64 la, unsigned int len, unsigned int acc)
{
	struct span s;

	return map_span(c, la, len, acc, &s);
}

/* One page only: the emulator never asks for more. */
static bool op_is_ram(struct emul_ctxt *c, u64 la, unsigned int len, unsigned int acc)
{
	struct hv_vcpu *vcpu = c->priv;
	struct span s;

	if (map_span(c, la, len, acc, &s) || s.nr > 1 || lapic_owns(vcpu, s.gpa[0]))
		return false;
	return hv_guest_backed(vcpu, s.gpa[0], len, acc & EMUL_ACC_WRITE);
}

/* In-kernel devices first, element by element; what none of them takes goes to user space. */
static int port_access(struct hv_vcpu *vcpu, struct hv_emul_access *a, unsigned int size)
{
	struct hv_emul *e = vcpu->emul;
	bool in = a->kind == HV_EMUL_PIO_IN;
	int rc;

	while (a->done < a->len) {
		void *data = e->pio_buf + a->done;

		rc = in ? hv_iobus_read(vcpu, HV_PIO_BUS, a->addr, size, data) :
			  hv_iobus_write(vcpu, HV_PIO_BUS, a->addr, size, data);
		if (rc)
			break;
		a->done += size;
	}
	if (a->done == a->len)
		return EMUL_OK;
	if (e->posted)
		return EMUL_USER;
	hv_pio_exit(vcpu, a->addr, size, (a->len - a->done) / size, in);
	if (in) {
		e->pending = a;
		e->pending_len = a->len - a->done;
		return EMUL_USER;
	}
	memcpy(vcpu->pio_data, e->pio_buf + a->done, a->len - a->done);
	a->done = a->len;
	e->posted = true;
	e->c.stop = true;
	return EMUL_OK;
}

static int op_pio_in(struct emul_ctxt *c, u16 port, unsigned int size, void *data,
		     unsigned int count)
{
	struct hv_emul *e = emul_of(c);
	struct hv_emul_access *a = log_entry(e, HV_EMUL_PIO_IN, port, size * count);
	int rc;

	if (!a)
		return give_up(e, -EIO);
	rc = port_access(c->priv, a, size);
	if (rc)
		return rc;
	memcpy(data, e->pio_buf, a->len);
	e->pos++;
	return EMUL_OK;
}

static int op_pio_out(struct emul_ctxt *c, u16 port, unsigned int size, const void *data,
		      unsigned int count)
{
	struct hv_emul *e = emul_of(c);
	struct hv_emul_access *a = log_entry(e, HV_EMUL_PIO_OUT, port, size * count);
	int rc;

	if (!a)
		return give_up(e, -EIO);
	memcpy(e->pio_buf, data, a->len);
	rc = port_access(c->priv, a, size);
	if (!rc)
		e->pos++;
	return rc;
}

/* One byte of the TSS, which may cross pages and has no limit beyond that of TR. */
static bool read_tss(struct emul_ctxt *c, const struct kvm_segment *tr, u32 offset, u8 *byte)
{
	struct hv_vcpu *vcpu = c->priv;
	struct hv_walk walk;

	if (offset > tr->limit)
		return false;
	if (hv_walk(vcpu, tr->base + offset, HV_ACCESS_IMPLICIT, &walk))
		return false;
	return !hv_guest_read(vcpu, walk.gpa, byte, 1);
}

/* SDM "I/O Permission Bit Map": two bytes are read, a set bit forbids. */
static bool op_pio_allowed(struct emul_ctxt *c, u16 port, unsigned int size)
{
	unsigned int mask = (1 << size) - 1;
	struct kvm_segment tr;
	u8 base[2], bits[2];
	u32 at;

	hv_ops->get_segment(c->priv, HV_TR, &tr);
	if (tr.unusable || !tr.present || (tr.type & ~TSS_TYPE_BUSY) != TSS_TYPE_32)
		return false;
	if (!read_tss(c, &tr, TSS_IO_MAP, &base[0]) || !read_tss(c, &tr, TSS_IO_MAP + 1, &base[1]))
		return false;
	at = (base[0] | base[1] << 8) + port / 8;
	if (!read_tss(c, &tr, at, &bits[0]) || !read_tss(c, &tr, at + 1, &bits[1]))
		return false;
	return !((bits[0] | bits[1] << 8) >> port % 8 & mask);
}

static int op_read_vec(struct emul_ctxt *c, unsigned int n, void *data, unsigned int len)
{
	hv_vec_read(c->priv, n, data, len);
	return EMUL_OK;
}

static int op_write_vec(struct emul_ctxt *c, unsigned int n, const void *data, unsigned int len)
{
	hv_vec_write(c->priv, n, data, len);
	return EMUL_OK;
}

static void op_commit(struct emul_ctxt *c)
{
	struct hv_emul *e = emul_of(c);

	e->nr = 0;
	e->pos = 0;
	e->pending = NULL;
}

const struct emul_ops hv_emul_ops = {
	.read = op_read,
	.write = op_write,
	.compare_exchange = op_cmpxchg,
	.probe = op_probe,
	.is_ram = op_is_ram,
	.pio_in = op_pio_in,
	.pio_out = op_pio_out,
	.pio_allowed = op_pio_allowed,
	.read_vec = op_read_vec,
	.write_vec = op_write_vec,
	.commit = op_commit,
};
