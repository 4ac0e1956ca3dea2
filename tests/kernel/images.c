/* SPDX-License-Identifier: MIT */
/*
 * Writes ring images to standard output: images SEED FIRST COUNT. Two in five are
 * rings without a fault. An image depends on its number and the seed alone.
 */
#include <stdlib.h>

#include "builder.h"

int main(int argc, char **argv)
{
	static struct builder builder;
	uint64_t seed;
	uint32_t first, count;

	if (argc != 4) {
		fprintf(stderr, "usage: images SEED FIRST COUNT\n");
		return 2;
	}
	seed = strtoull(argv[1], NULL, 0);
	first = (uint32_t)strtoul(argv[2], NULL, 0);
	count = (uint32_t)strtoul(argv[3], NULL, 0);
	for (uint32_t i = 0; i < count; i++) {
		build_valid(&builder, first + i, seed);
		if ((first + i) % 5 >= 2)
			mutate(&builder);
		image_write(&builder.image, stdout);
	}
	return fflush(stdout) ? 1 : 0;
}
