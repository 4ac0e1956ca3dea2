/* SPDX-License-Identifier: MIT */
/**
 * @file vio/common.h
 * @defgroup abi Conventions and ABI
 * What every header of libvio relies on.
 *
 * - Functions return 0 or a count on success and a negative errno on failure;
 *   errno itself is not part of the contract. Outputs stay untouched on
 *   failure, except where a function names the errno that fills one.
 * - A parameter struct begins with @c size and @c flags. Start it from its
 *   INIT macro: it sets @c size and zeroes the rest, and 0 always means "the
 *   default". A library older than the program answers -E2BIG if a field it
 *   does not know is non-zero; a library newer than the program reads the
 *   fields the program lacks as 0. An unknown bit in @c flags is -EINVAL.
 * - Every create takes a context first. NULL means malloc(), no log and no
 *   events.
 * - The @c Threads line of a function is one of: @b Any, from any threads at
 *   any time; @b One @b per @b object, calls on one object exclude each other;
 *   @b One @b per @b context, the thread that dispatches the context; @b Setup,
 *   before the object is shared with other threads.
 * @{
 */
#ifndef VIO_COMMON_H
#define VIO_COMMON_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define VIO_BEGIN_DECLS extern "C" {
#define VIO_END_DECLS   }
#else
#define VIO_BEGIN_DECLS
#define VIO_END_DECLS
#endif

/** Part of the ABI: exported by the shared library, hidden in the static one. */
#ifdef VIO_STATIC_BUILD
#define VIO_API
#else
#define VIO_API __attribute__((visibility("default")))
#endif

/** Ignoring the result is a bug. */
#define VIO_MUST_CHECK __attribute__((warn_unused_result))

VIO_BEGIN_DECLS

struct vio_backend;
struct vio_chain;
struct vio_ctx;
struct vio_dom;
struct vio_driver;
struct vio_heap;
struct vio_mem;
struct vio_queue;
struct vio_stop;

VIO_END_DECLS
/** @} */
#endif /* VIO_COMMON_H */
