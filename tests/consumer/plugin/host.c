/* SPDX-License-Identifier: MIT */
/*
 * A program with the static library inside, linked -rdynamic as programs with
 * plugins are: all it does not hide is offered to what it loads. Were the
 * library not hidden, the plugin's calls would land in the host's copy, of
 * another release perhaps.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include <vio/vio.h>

#include "plugin.h"

static int fail(const char *what)
{
	fprintf(stderr, "host: %s\n", what);
	return 1;
}

/* ISO C has no cast from dlsym()'s pointer to that of a function. */
static void find(void *plugin, const char *name, void *function)
{
	void *found = dlsym(plugin, name);

	memcpy(function, &found, sizeof(found));
}

int main(int argc, char **argv)
{
	vio_version_fn (*version)(void);
	int (*run)(void);
	struct vio_ctx *ctx;
	void *plugin;

	if (argc != 2)
		return fail("usage: host PLUGIN");
	if (dlsym(RTLD_DEFAULT, "vio_version"))
		return fail("the program offers its copy");
	if (vio_ctx_create(NULL, &ctx, NULL) < 0)
		return fail("no context");

	plugin = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
	if (!plugin)
		return fail(dlerror());
	find(plugin, "plugin_version", &version);
	find(plugin, "plugin_run", &run);
	if (!version || !run)
		return fail("not the plugin");

	if (version() == vio_version)
		return fail("the plugin uses the program's copy");
	if (version()() != VIO_VERSION || run())
		return fail("the plugin does not work");
	if (vio_ctx_destroy(ctx, NULL))
		return fail("the plugin disturbed the context");
	return 0;
}
