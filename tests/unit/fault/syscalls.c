/* SPDX-License-Identifier: MIT */
/*
 * doc/syscalls.md against what is asked of the kernel. Each case of the runner beside
 * this file is made once, without a failure, and told call by call: what is made while
 * its function runs must be in the function's group, and what a group says must be made
 * by somebody in it, there or in what goes before and after.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fake/syscall_page.h"
#include "unit/fault/fault_case.h"

#define ROWS_MAX 512u
#define LOOP     "loop" /* its calls may be in any */

/* Atomic: calls are told by two threads. */
static uint32_t is_made[ROWS_MAX];

/* A case under way. */
struct watch {
	const struct fault_case *the_case;
	uint32_t is_running; /* the function itself; atomic likewise */
};

static int is_word_of(const char *list, const char *word)
{
	const size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at++)
		if ((at == list || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return 1;
	return 0;
}

/* Is one of the case's functions in the group? */
static int is_in(const struct fault_case *c, const char *group)
{
	for (const struct page_pair *p = page_functions; p->name; p++)
		if (!strcmp(p->of, group) && is_word_of(c->functions, p->name))
			return 1;
	return 0;
}

static int is_row(const struct page_row *row, const char *call, unsigned long request)
{
	return !strcmp(row->call, call) &&
	       (!row->has_request || row->request == (uint32_t)request);
}

/* Marks the rows; returns how many of them are of the case's groups, or the loop's. */
static int mark(const struct watch *watch, const char *call, unsigned long request)
{
	int n = 0;

	for (size_t i = 0; page_rows[i].call; i++) {
		const struct page_row *row = &page_rows[i];
		const int is_loop = !strcmp(row->group, LOOP);

		assert_true(i < ROWS_MAX);
		if (!is_row(row, call, request) ||
		    (!is_loop && !is_in(watch->the_case, row->group)))
			continue;
		__atomic_store_n(&is_made[i], 1, __ATOMIC_RELAXED);
		n++;
	}
	return n;
}

/* Not an assertion: those are not for the lent thread. */
static uint32_t n_missing;

static void told(void *opaque, const char *entry, unsigned long request)
{
	const struct watch *watch = opaque;
	int is_known = 0, is_listed = 1;

	for (const struct page_pair *p = page_entries; p->name; p++) {
		if (strcmp(p->name, entry) != 0)
			continue;
		is_known = 1;
		is_listed &= mark(watch, p->of, request) > 0;
	}
	if (!__atomic_load_n(&watch->is_running, __ATOMIC_RELAXED) ||
	    (is_known && is_listed))
		return;
	print_message("%s makes %s (0x%lx), which its group does not have\n",
		      watch->the_case->functions, entry, request);
	__atomic_add_fetch(&n_missing, 1, __ATOMIC_RELAXED);
}

static void watch_calls(struct vio_fault *fault, struct watch *watch)
{
	fault->told = told;
	fault->told_opaque = watch;
}

static void run_case(const struct fault_case *c)
{
	struct fault_scene *scene = calloc(1, sizeof(*scene));
	struct watch watch = { .the_case = c };

	assert_non_null(scene);
	vio_fault_prepare(&scene->fault, NULL);
	scene->armed = &scene->fault;
	scene->fd = scene->other_fd = -1;
	watch_calls(scene->armed, &watch);
	assert_int_equal(vio_fault_create_ctx(&scene->fault, 0, &scene->ctx), 0);
	if (c->setup)
		c->setup(scene);
	scene->err = (struct vio_error)VIO_ERROR_INIT;
	scene->out = VIO_FAULT_UNTOUCHED;
	watch_calls(scene->armed, &watch);
	__atomic_store_n(&watch.is_running, 1, __ATOMIC_RELAXED);
	assert_true(c->call(scene) >= 0);
	__atomic_store_n(&watch.is_running, 0, __ATOMIC_RELAXED);
	if (c->finish)
		c->finish(scene);
	assert_int_equal(vio_ctx_destroy(scene->ctx, NULL), 0);
	free(scene);
}

static void every_call_that_a_function_makes_is_in_its_group(void **state)
{
	(void)state;
	for (size_t f = 0; f < FAULT_N_FAMILIES; f++)
		for (size_t i = 0; i < fault_families[f]->n; i++)
			run_case(&fault_families[f]->cases[i]);
	assert_int_equal(n_missing, 0);
}

static int has_functions(const char *group)
{
	for (const struct page_pair *p = page_functions; p->name; p++)
		if (!strcmp(p->of, group))
			return 1;
	return !strcmp(group, LOOP);
}

/* After the test above. Groups without functions are the lint's affair. */
static void every_call_of_a_group_is_made_by_one_of_its_functions(void **state)
{
	int n_idle = 0;

	(void)state;
	for (size_t i = 0; page_rows[i].call; i++) {
		const struct page_row *row = &page_rows[i];

		if (is_made[i] || !has_functions(row->group))
			continue;
		print_message("nobody of %s makes %s (0x%x)\n", row->group, row->call,
			      row->request);
		n_idle++;
	}
	assert_int_equal(n_idle, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_call_that_a_function_makes_is_in_its_group),
		cmocka_unit_test(every_call_of_a_group_is_made_by_one_of_its_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
