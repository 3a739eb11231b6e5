/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci.h - a PCI function: configuration space, BARs, and interrupts (PCI Local Bus 3.0).
 *
 * A controller describes itself with pci_init and pci_add_*; the front end reads and writes its
 * configuration space, tells which kind of interrupt is on, and delivers interrupts. What the guest
 * does to configuration space is kept here: a controller looks at pci_bus_master() only.
 *
 * Threads     The controller's thread alone.
 */
#ifndef VIMG_PCI_H
#define VIMG_PCI_H

#include <stdbool.h>
#include <stdint.h>

#define PCI_BARS 6
#define PCI_CONFIG_SIZE 256

struct pci_ids {
	uint16_t vendor, device;
	uint16_t subsystem_vendor, subsystem;
	uint8_t revision;
	uint32_t class_code;		/* 0x010802: class, subclass, programming interface */
};

enum pci_bar_kind {
	PCI_BAR_NONE,
	PCI_BAR_IO,
	PCI_BAR_MEMORY,			/* 32 bits */
	PCI_BAR_MEMORY64,		/* takes two BARs */
};

enum pci_irq_kind {			/* as vfio numbers them */
	PCI_IRQ_INTX,
	PCI_IRQ_MSI,
	PCI_IRQ_MSIX,
	PCI_IRQ_KINDS,
};

struct pci;

/* The front end's: delivers. Both may be called at any time in the controller's thread. */
struct pci_host {
	/* A message of a vector of MSI or MSI-X. */
	void (*message)(struct pci_host *host, enum pci_irq_kind kind, unsigned vector);
	/* The level of INTx changed. */
	void (*level)(struct pci_host *host, bool high);
};

struct pci_msix {
	unsigned vectors;
	unsigned bar;
	uint64_t table, pba;		/* offsets in that BAR */
};

struct pci {
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE];	/* masks */
	uint8_t clears[PCI_CONFIG_SIZE];	/* bits that a written 1 clears */
	struct {
		enum pci_bar_kind kind;
		uint64_t size;			/* bytes */
	} bar[PCI_BARS];
	uint8_t last_capability;	/* where the next one is linked from */
	uint8_t msi, msix, pm, pcie, advanced;	/* offsets of capabilities, 0: none */
	unsigned msi_vectors;
	struct pci_msix msix_info;

	/* What the front end switched on; INTx otherwise. */
	enum pci_irq_kind irq;
	unsigned vectors;		/* of that kind that are assigned */
	bool intx_level;
	struct pci_host *host;		/* NULL: nobody is connected */

	/* Told when the guest asks for a function-level reset, and when the kind of interrupt
	 * changed. May be NULL. */
	void (*function_reset)(struct pci *p);
	void (*irq_changed)(struct pci *p);
	/* For a capability that is a window to registers: told before configuration space is read,
	 * and after it was written. May be NULL. */
	void (*config_read)(struct pci *p, uint32_t offset, uint32_t length);
	void (*config_written)(struct pci *p, uint32_t offset, uint32_t length);
	uint8_t window;			/* its offset: whose they are decides */
};

void pci_init(struct pci *p, const struct pci_ids *ids);
/* Sizes are rounded up to powers of two, memory to 4 KiB at least (8 bytes for I/O). */
void pci_add_bar(struct pci *p, unsigned bar, enum pci_bar_kind kind, uint64_t size);
/* A capability of `length` bytes with that id, all read-only; `at` 0: the next free place. Returns
 * its offset. They are linked in the order of the calls. */
uint8_t pci_add_capability(struct pci *p, uint8_t id, uint8_t at, uint8_t length);
void pci_add_power_management(struct pci *p, uint8_t at);
/* 64-bit, without masks. vectors: a power of two up to 32. */
void pci_add_msi(struct pci *p, uint8_t at, unsigned vectors);
/* Table and pending bits lie in a BAR of the controller's, which passes accesses to them on to
 * pci_msix_read and pci_msix_write (the client of vfio-user keeps the real table). */
void pci_add_msix(struct pci *p, uint8_t at, const struct pci_msix *info);
/* Takes MSI-X off again: for guests and tests that want to do without. */
void pci_remove_msix(struct pci *p);
/* PCI Express endpoint capability with function-level reset. */
void pci_add_express(struct pci *p, uint8_t at);
/* Function-level reset for one that is not on PCI Express: Advanced Features. */
void pci_add_advanced(struct pci *p, uint8_t at);

/* Front end. Accesses past the end read as ones and write nothing. */
void pci_config_read(struct pci *p, uint32_t offset, void *buf, uint32_t length);
void pci_config_write(struct pci *p, uint32_t offset, const void *buf, uint32_t length);
/* Everything that the guest wrote is undone; capabilities stay. */
void pci_reset(struct pci *p);
/* Transactions Pending: a reset was begun, and waits for I/O. */
void pci_set_pending(struct pci *p, bool pending);
/* Which interrupts are on from now on; INTX with 0 vectors: none but INTx. */
void pci_set_irq(struct pci *p, enum pci_irq_kind kind, unsigned vectors);

/* Is the area of a BAR one of MSI-X's? Then the two below serve it. */
bool pci_is_msix(const struct pci *p, unsigned bar, uint64_t offset);

/* Controller. */
bool pci_bus_master(const struct pci *p);
/* Interrupts by messages are on: pci_message() is to be used; else pci_set_level(). */
bool pci_uses_messages(const struct pci *p);
/* A message of that vector; modulo the vectors that are assigned where there are fewer of them. */
void pci_message(struct pci *p, unsigned vector);
/* Level of INTx. Kept also while messages are on, but then not delivered. */
void pci_set_level(struct pci *p, bool high);

#endif
