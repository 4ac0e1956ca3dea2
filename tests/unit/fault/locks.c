/* SPDX-License-Identifier: MIT */
/*
 * A lock that cannot be made. No lock of this C library fails so, but POSIX lets
 * it: the linker puts this file's functions in the place of libc's, and the Nth
 * of them fails.
 */
#include <pthread.h>

#include <vio/dom.h>
#include <vio/mem.h>
#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/limit.h>

#include "fake/fault.h"
#include "fake/support.h"

static int fail_at; /* counted down; 0: none fails */

static int answer(void)
{
	return fail_at && !--fail_at ? EAGAIN : 0;
}

/* Names that the linker gives, for --wrap. */
int __real_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *how);
int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *how);
int __real_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *how);
int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *how);

int __wrap_pthread_mutex_init(pthread_mutex_t *lock, const pthread_mutexattr_t *how)
{
	int ret = answer();

	return ret ? ret : __real_pthread_mutex_init(lock, how);
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *how)
{
	int ret = answer();

	return ret ? ret : __real_pthread_cond_init(cond, how);
}

/* Each creates one object, and destroys it if that succeeded. */

static int try_ctx(struct vio_fault *fault)
{
	struct vio_ctx *ctx = VIO_FAULT_UNTOUCHED;
	int ret = vio_fault_create_ctx(fault, VIO_CTX_LENDS_THREAD, &ctx);

	if (ret)
		assert_ptr_equal(ctx, VIO_FAULT_UNTOUCHED);
	else
		assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return ret;
}

static int try_on_ctx(struct vio_fault *fault, int (*attempt)(struct vio_ctx *ctx))
{
	const int at = fail_at;
	struct vio_ctx *ctx;
	int ret;

	fail_at = 0;
	assert_int_equal(vio_fault_create_ctx(fault, 0, &ctx), 0);
	fail_at = at;
	ret = attempt(ctx);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return ret;
}

static int create_dom(struct vio_ctx *ctx)
{
	struct vio_dom *dom = VIO_FAULT_UNTOUCHED;
	int ret = vio_dom_create(ctx, "tenant", &dom);

	if (ret)
		assert_ptr_equal(dom, VIO_FAULT_UNTOUCHED);
	else
		assert_int_equal(vio_dom_destroy(dom, NULL), 0);
	return ret;
}

static int create_mem(struct vio_ctx *ctx)
{
	struct vio_mem *mem = VIO_FAULT_UNTOUCHED;
	int ret = vio_mem_create(ctx, &mem);

	if (ret)
		assert_ptr_equal(mem, VIO_FAULT_UNTOUCHED);
	else
		assert_int_equal(vio_mem_destroy(mem, NULL), 0);
	return ret;
}

static int create_limit(struct vio_ctx *ctx)
{
	const struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = VIO_FAULT_UNTOUCHED;
	int ret = vio_limit_create(ctx, &params, 1, &limit, NULL);

	if (ret)
		assert_ptr_equal(limit, VIO_FAULT_UNTOUCHED);
	else
		assert_int_equal(vio_limit_destroy(limit), 0);
	return ret;
}

static int try_dom(struct vio_fault *fault)
{
	return try_on_ctx(fault, create_dom);
}

static int try_mem(struct vio_fault *fault)
{
	return try_on_ctx(fault, create_mem);
}

static int try_limit(struct vio_fault *fault)
{
	return try_on_ctx(fault, create_limit);
}

/* Fails -ENOMEM for each of @n_locks, and then succeeds. */
static void fail_each(int (*attempt)(struct vio_fault *fault), int n_locks)
{
	for (int at = 1; at <= n_locks + 1; at++) {
		struct vio_fault *fault = test_malloc(sizeof(*fault));

		vio_fault_prepare(fault, NULL);
		fail_at = at;
		assert_int_equal(attempt(fault), at <= n_locks ? -ENOMEM : 0);
		fail_at = 0;
		vio_fault_verify(fault);
		test_free(fault);
	}
}

static void a_context_without_its_locks_is_not_created(void **state)
{
	(void)state;
	fail_each(try_ctx, 2);
}

static void a_tenant_without_its_lock_is_not_created(void **state)
{
	(void)state;
	fail_each(try_dom, 1);
}

static void a_memory_table_without_its_lock_is_not_created(void **state)
{
	(void)state;
	fail_each(try_mem, 1);
}

static void a_limit_without_its_lock_is_not_created(void **state)
{
	(void)state;
	fail_each(try_limit, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_without_its_locks_is_not_created),
		cmocka_unit_test(a_tenant_without_its_lock_is_not_created),
		cmocka_unit_test(a_memory_table_without_its_lock_is_not_created),
		cmocka_unit_test(a_limit_without_its_lock_is_not_created),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
