/* SPDX-License-Identifier: MIT */
/*
 * Log lines. The level is checked before anything is formatted, so that silence
 * costs a comparison.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/log.h"

#define LINE_BYTES      256 /* an error's text and a name fit */

#define BRAKE_WINDOW_NS UINT64_C(10000000000)
#define BRAKE_LINES     10u

void vio_log(const struct vio_env *env, uint32_t level, const char *subsystem,
	     const char *format, ...)
{
	char text[LINE_BYTES];
	va_list args;

	if (!env->log || level > env->log_level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	env->log(env->log_opaque, level, subsystem, text);
}

int vio_log_allows(const struct vio_env *env, struct vio_log_brake *brake,
		   const char *subsystem)
{
	uint64_t now_ns;

	if (!env->log)
		return 0;
	now_ns = vio_now(env);
	if (!brake->n_lines || now_ns - brake->window_start_ns >= BRAKE_WINDOW_NS) {
		if (brake->n_dropped)
			vio_log(env, VIO_LOG_WARNING, subsystem,
				"%u similar lines were not logged", brake->n_dropped);
		*brake = (struct vio_log_brake){ .window_start_ns = now_ns };
	}
	if (brake->n_lines >= BRAKE_LINES) {
		brake->n_dropped++;
		return 0;
	}
	brake->n_lines++;
	return 1;
}
