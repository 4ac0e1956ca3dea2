/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target once over each input it is given, files or directories of
 * files, so that a corpus is a test wherever there is a C compiler. No input at
 * all is a failure: it would pass for the wrong reason.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define INPUT_MAX (1u << 20) /* the largest corpus as a whole */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(INPUT_MAX), *exact;
	size_t size;

	if (!file || !data) {
		perror(path);
		exit(1);
	}
	size = fread(data, 1, INPUT_MAX, file);
	fclose(file);
	/* Exactly as long as the input, so that a sanitizer sees its end. */
	exact = realloc(data, size ? size : 1);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 1;
}

static int replay(const char *path);

static int replay_directory(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	char name[4096];
	int n = 0;

	if (!dir) {
		perror(path);
		exit(1);
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		n += replay(name);
	}
	closedir(dir);
	return n;
}

static int replay(const char *path)
{
	struct stat status;

	if (stat(path, &status)) {
		perror(path);
		exit(1);
	}
	return S_ISDIR(status.st_mode) ? replay_directory(path) : replay_file(path);
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++)
		n += replay(argv[i]);
	printf("%d inputs replayed\n", n);
	return n ? 0 : 1;
}
