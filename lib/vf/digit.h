/* SPDX-License-Identifier: MIT */
/* Digits, whatever the locale of the host program says a digit is. */
#ifndef VIO_VF_DIGIT_H
#define VIO_VF_DIGIT_H

/* 0 to 15; 16: not a hexadecimal digit. */
static inline unsigned int vio_digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned int)(c - '0');
	if (c >= 'a' && c <= 'f')
		return (unsigned int)(c - 'a') + 10;
	if (c >= 'A' && c <= 'F')
		return (unsigned int)(c - 'A') + 10;
	return 16;
}

#endif /* VIO_VF_DIGIT_H */
