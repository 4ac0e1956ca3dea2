/* SPDX-License-Identifier: MIT */
/*
 * Options by a table: --name VALUE, --name=VALUE, -n VALUE. A table and a struct
 * for the values is all a command gives. Nothing is kept between calls.
 */
#ifndef VIOCTL_OPTIONS_H
#define VIOCTL_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

/* What a value is, and what it becomes in the struct. */
enum option_kind {
	OPTION_FLAG,    /* none; int: 1 */
	OPTION_TEXT,    /* const char * */
	OPTION_NUMBER,  /* uint32_t from min to max */
	OPTION_SIGNED,  /* int32_t from 0 to max */
	OPTION_ADDRESS, /* struct vio_pci_addr */
	OPTION_MAC,     /* uint8_t[6] */
	OPTION_CHOICE,  /* uint32_t: place in choices, which are divided by commas */
	OPTION_SET,     /* uint32_t: bit n for the nth of choices, several by commas */
};

struct option_spec {
	const char *name; /* NULL ends a table */
	char letter;      /* 0: has none */
	enum option_kind kind;
	size_t offset; /* in the struct of values */
	const char *choices;
	uint32_t min, max;
	uint32_t mark;  /* bits that it sets ... */
	size_t mark_at; /* ... in the uint32_t there */
};

struct option_table {
	const struct option_spec *specs;
	void *values;
};

/*
 * Takes options from @argv until "--" or, if @is_strict, the first word that is
 * none. The other words are moved to the front. Returns how many there are, -1 after
 * a complaint. Tables are searched in order; there are @n_tables.
 */
int options_parse(const struct option_table *tables, size_t n_tables, int is_strict,
		  int argc, char **argv);

/* A whole word as a number from @min to @max. 0 or -1, and no complaint. */
int number_parse(const char *text, uint32_t min, uint32_t max, uint32_t *out);

#endif /* VIOCTL_OPTIONS_H */
