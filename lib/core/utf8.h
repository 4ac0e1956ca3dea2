/* SPDX-License-Identifier: MIT */
/* Text that others will show: is it UTF-8 (RFC 3629)? */
#ifndef VIO_CORE_UTF8_H
#define VIO_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Of @n bytes. No surrogates, nothing over U+10FFFF, no form longer than needed. */
bool vio_is_utf8(const char *text, size_t n);

#endif /* VIO_CORE_UTF8_H */
