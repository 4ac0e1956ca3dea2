/* SPDX-License-Identifier: MIT */
/* What the host finds in the plugin, by name. */
#ifndef PLUGIN_H
#define PLUGIN_H

#include <stdint.h>

typedef uint32_t (*vio_version_fn)(void);

vio_version_fn plugin_version(void);
int plugin_run(void);

#endif /* PLUGIN_H */
