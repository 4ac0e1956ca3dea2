/* SPDX-License-Identifier: MIT */
/*
 * The text of a uevent: "ACTION@DEVPATH", then "KEY=VALUE", each with its NUL. Only
 * what is whole counts; a key that is there twice counts the first time.
 *
 * An event that was asked for by a write to the attribute "uevent" says so with
 * SYNTH_UUID. It tells what is, and not what happened, and is left out.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "vf/events.h"

/* The parts that matter. All are in the message, with their NUL, or NULL. */
struct parts {
	const char *action;
	const char *devpath;
	const char *subsystem;
	const char *error;
	const char *synthetic;
};

struct name {
	const char *text;
	uint32_t type;
};

static const struct name actions[] = {
	{ "add", VIO_HOST_ADDED },          { "remove", VIO_HOST_REMOVED },
	{ "bind", VIO_HOST_BOUND },         { "unbind", VIO_HOST_UNBOUND },
	{ "change", VIO_HOST_VFS_CHANGED },
};

static const struct name errors[] = {
	{ "BEGIN_RECOVERY", VIO_HOST_AER_BEGIN },
	{ "FAILED_RECOVERY", VIO_HOST_AER_FAILED },
	{ "SUCCESSFUL_RECOVERY", VIO_HOST_AER_RECOVERED },
};

static uint32_t find_type(const struct name *names, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i].text, text))
			return names[i].type;
	return 0;
}

/* A value, if @line has @key, with the '=', and nobody had it before. */
static void take(const char *line, const char *key, const char **out)
{
	const size_t n = strlen(key);

	if (!*out && !strncmp(line, key, n))
		*out = line + n;
}

static int split(const char *text, size_t n, struct parts *parts)
{
	const char *const end = text + n;
	const char *line;

	/* Each line ends, so that no walk over one runs out of the message. */
	if (!n || text[n - 1])
		return -EBADMSG;
	parts->devpath = strchr(text, '@');
	if (!parts->devpath)
		return -EBADMSG;
	parts->devpath++;
	for (line = text + strlen(text) + 1; line < end; line += strlen(line) + 1) {
		take(line, "ACTION=", &parts->action);
		take(line, "SUBSYSTEM=", &parts->subsystem);
		take(line, "ERROR_EVENT=", &parts->error);
		take(line, "SYNTH_UUID=", &parts->synthetic);
	}
	return 0;
}

int vio_uevent_parse(const char *text, size_t n, struct vio_host_event *out)
{
	struct vio_host_event event = VIO_HOST_EVENT_INIT;
	struct parts parts = { 0 };
	const char *name;
	int ret;

	ret = split(text, n, &parts);
	if (ret)
		return ret;
	if (!parts.action || !parts.subsystem || strcmp(parts.subsystem, "pci") ||
	    parts.synthetic)
		return -ENOENT;
	event.type = find_type(actions, VIO_ARRAY_SIZE(actions), parts.action);
	if (event.type == VIO_HOST_VFS_CHANGED && parts.error)
		event.type = find_type(errors, VIO_ARRAY_SIZE(errors), parts.error);
	if (!event.type)
		return -ENOENT;
	name = strrchr(parts.devpath, '/');
	if (!name || vio_pci_addr_parse(name + 1, &event.addr))
		return -EBADMSG;
	*out = event;
	return 0;
}
