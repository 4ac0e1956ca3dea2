/* SPDX-License-Identifier: MIT */
/* What a test program ends with if it leaves a descriptor open. */
#ifndef TESTS_LEAKS_H
#define TESTS_LEAKS_H

#define VIO_LEAKS_STATUS 97

#endif /* TESTS_LEAKS_H */
