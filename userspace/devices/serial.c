// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 16550A whose transmitter is always empty: a byte written is a byte gone. Input is offered only
 * while the receive interrupt can reach the guest, so that nothing typed before its driver is up
 * gets lost when the driver probes the UART and clears the FIFO.
 */
#include "devices/serial.h"

#include <string.h>

#include "devices/ports.h"

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

#define IER_RECEIVE		BIT(0)
#define IER_TRANSMIT		BIT(1)
#define IER_MASK		0x0f
#define IIR_NONE		0x01
#define IIR_TRANSMIT		0x02
#define IIR_RECEIVE		0x04
#define IIR_FIFO		0xc0
#define FCR_ENABLE		BIT(0)
#define FCR_CLEAR_RX		BIT(1)
#define LCR_DLAB		BIT(7)
#define MCR_DTR			BIT(0)
#define MCR_RTS			BIT(1)
#define MCR_OUT1		BIT(2)
#define MCR_OUT2		BIT(3)	/* gates the interrupt on a PC */
#define MCR_LOOP		BIT(4)
#define MCR_MASK		0x1f
#define LSR_DATA		BIT(0)
#define LSR_IDLE		0x60	/* holding and shift register empty */
#define MSR_CTS			BIT(4)
#define MSR_DSR			BIT(5)
#define MSR_RI			BIT(6)
#define MSR_DCD			BIT(7)

static u8 pending(const struct serial *s)
{
	if ((s->ier & IER_RECEIVE) && s->rx_len)
		return IIR_RECEIVE;
	if ((s->ier & IER_TRANSMIT) && s->thr_empty)
		return IIR_TRANSMIT;
	return IIR_NONE;
}

static void update_irq(struct serial *s)
{
	bool wired = (s->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	irq_line_set(&s->irq, wired && pending(s) != IIR_NONE);
}

static u8 read_data(struct serial *s)
{
	u8 byte;

	if (!s->rx_len)
		return 0;
	byte = s->rx[0];
	s->rx_len--;
	memmove(s->rx, s->rx + 1, s->rx_len);
	return byte;
}

static u8 read_iir(struct serial *s)
{
	u8 iir = pending(s);

	/* Reading the identification acknowledges the transmit interrupt, and only that one. */
	if (iir == IIR_TRANSMIT)
		s->thr_empty = false;
	return iir | (s->fcr & FCR_ENABLE ? IIR_FIFO : 0);
}

/* In loop-back the modem outputs appear as modem inputs; drivers probe for it. */
static u8 read_msr(const struct serial *s)
{
	u8 msr = 0;

	if (!(s->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	if (s->mcr & MCR_RTS)
		msr |= MSR_CTS;
	if (s->mcr & MCR_DTR)
		msr |= MSR_DSR;
	if (s->mcr & MCR_OUT1)
		msr |= MSR_RI;
	if (s->mcr & MCR_OUT2)
		msr |= MSR_DCD;
	return msr;
}

static u8 read_reg(struct serial *s, u16 reg)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		return dlab ? s->dll : read_data(s);
	case REG_IER:
		return dlab ? s->dlm : s->ier;
	case REG_IIR_FCR:
		return read_iir(s);
	case REG_LCR:
		return s->lcr;
	case REG_MCR:
		return s->mcr;
	case REG_LSR:
		return LSR_IDLE | (s->rx_len ? LSR_DATA : 0);
	case REG_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

static void write_data(struct serial *s, u8 value)
{
	s->thr_empty = true;
	if ((s->mcr & MCR_LOOP) && s->rx_len < SERIAL_FIFO)
		s->rx[s->rx_len++] = value;
}

static void write_ier(struct serial *s, u8 value)
{
	/* Enabling the transmit interrupt raises it at once while the transmitter is empty. */
	if ((value & IER_TRANSMIT) && !(s->ier & IER_TRANSMIT))
		s->thr_empty = true;
	s->ier = value & IER_MASK;
}

static void write_fcr(struct serial *s, u8 value)
{
	/*
	 * A real one forgets its input when the FIFO is switched on, too. Linux does that after it
	 * enabled the receive interrupt, so what came in between would be lost for no good.
	 */
	if ((value & FCR_CLEAR_RX) || !(value & FCR_ENABLE))
		s->rx_len = 0;
	s->fcr = value;
}

static void write_reg(struct serial *s, u16 reg, u8 value)
{
	bool dlab = s->lcr & LCR_DLAB;

	switch (reg) {
	case REG_DATA:
		if (dlab)
			s->dll = value;
		else
			write_data(s, value);
		break;
	case REG_IER:
		if (dlab)
			s->dlm = value;
		else
			write_ier(s, value);
		break;
	case REG_IIR_FCR:
		write_fcr(s, value);
		break;
	case REG_LCR:
		s->lcr = value;
		break;
	case REG_MCR:
		s->mcr = value & MCR_MASK;
		break;
	case REG_SCR:
		s->scr = value;
		break;
	}
}

/* Called with the lock held. */
static bool wants_input(const struct serial *s)
{
	bool wired = (s->mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;

	return wired && !s->rx_len && (s->ier & IER_RECEIVE);
}

/* Only somebody who waits for room is told of it. Called with the lock held. */
static bool take_waiter(struct serial *s)
{
	bool tell = s->input_waits && wants_input(s);

	if (tell)
		s->input_waits = false;
	return tell;
}

static u32 serial_in(void *dev, u16 offset, u32 len)
{
	struct serial *s = dev;
	bool tell;
	u8 value;

	(void)len;
	pthread_mutex_lock(&s->lock);
	value = read_reg(s, offset);
	update_irq(s);
	tell = take_waiter(s);
	pthread_mutex_unlock(&s->lock);
	if (tell)
		s->port->want_input(s->port_ctx);
	return value;
}

static bool transmits(const struct serial *s, u16 reg)
{
	return reg == REG_DATA && !(s->lcr & LCR_DLAB) && !(s->mcr & MCR_LOOP);
}

static void serial_out(void *dev, u16 offset, u32 len, u32 value)
{
	struct serial *s = dev;
	bool tell, sends;

	(void)len;
	pthread_mutex_lock(&s->lock);
	sends = transmits(s, offset);
	write_reg(s, offset, (u8)value);
	update_irq(s);
	tell = take_waiter(s);
	pthread_mutex_unlock(&s->lock);
	/* Outside the lock: a stuck terminal may hold up this vCPU, but not the input side. */
	if (sends)
		s->port->transmit(s->port_ctx, (u8)value);
	if (tell)
		s->port->want_input(s->port_ctx);
}

const struct pio_ops serial_ops = { serial_in, serial_out };

void serial_init(struct serial *s, const struct kvm *kvm, const struct serial_port *port,
		 void *port_ctx)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->irq = (struct irq_line){ .kvm = kvm, .gsi = GSI_COM1 };
	s->port = port;
	s->port_ctx = port_ctx;
	s->thr_empty = true;
}

/**
 * serial_room() - how much input the guest can take now
 * @s: the UART
 *
 * Return: bytes; 0 when it is not ready. want_input is called once when that changes.
 */
u32 serial_room(struct serial *s)
{
	u32 room;

	pthread_mutex_lock(&s->lock);
	room = wants_input(s) ? SERIAL_FIFO : 0;
	s->input_waits = !room;
	pthread_mutex_unlock(&s->lock);
	return room;
}

void serial_receive(struct serial *s, const u8 *data, u32 len)
{
	pthread_mutex_lock(&s->lock);
	len = (u32)min_u64(len, SERIAL_FIFO - s->rx_len);
	memcpy(s->rx + s->rx_len, data, len);
	s->rx_len += len;
	update_irq(s);
	pthread_mutex_unlock(&s->lock);
}
