/* SPDX-License-Identifier: MIT */
/*
 * The runner: a test for each case and each kind of failure, named by the
 * function that the case is about. That every public function has a case, and
 * that what it answers is in its manual, is read from the headers.
 */
#include <stdio.h>
#include <stdlib.h>

#include "unit/fault/fault_case.h"

#define TESTS_MAX    1024u
#define NAME_BYTES   128u
#define ATTEMPTS_MAX 1000u /* more than any call takes of anything */
/* Manuals that send their reader on to another, one after the other. */
#define REFERENCES_MAX 2

/* Those to fail with, N_INJECTED; after them those that it may be reported as. */
static const struct {
	int code;
	const char *name;
} errnos[] = {
	{ ENOMEM, "ENOMEM" }, { EMFILE, "EMFILE" },     { ENFILE, "ENFILE" },
	{ EAGAIN, "EAGAIN" }, { EPERM, "EPERM" },       { EIO, "EIO" },
	{ ENOSPC, "ENOSPC" }, { ENOTSOCK, "ENOTSOCK" }, { EBADMSG, "EBADMSG" },
	{ ENODEV, "ENODEV" }, { EBUSY, "EBUSY" },       { EOPNOTSUPP, "EOPNOTSUPP" },
	{ EINVAL, "EINVAL" }, { ENOENT, "ENOENT" },     { EXDEV, "EXDEV" },
};

#define N_ERRNOS   (sizeof(errnos) / sizeof(errnos[0]))
#define N_INJECTED 7u

enum kind { NO_FAILURE, ALLOCATIONS, CALLS };

struct attempt {
	const struct fault_case *the_case;
	enum kind kind;
	int code;
};

static struct fault_function *functions;
static size_t n_functions;

/* Is @word in @list, whole? */
static int has_word(const char *list, const char *word)
{
	const size_t n = strlen(word);

	for (const char *at = list; at && (at = strstr(at, word)); at++)
		if ((at == list || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return 1;
	return 0;
}

static const struct fault_function *find_function(const char *names)
{
	for (size_t i = 0; i < n_functions; i++)
		if (!strncmp(names, functions[i].name, strcspn(names, " ")) &&
		    strlen(functions[i].name) == strcspn(names, " "))
			return &functions[i];
	fail_msg("no header declares the first of %s", names);
	return NULL;
}

static const char *name_errno(int code)
{
	for (size_t i = 0; i < N_ERRNOS; i++)
		if (errnos[i].code == code)
			return errnos[i].name;
	fail_msg("%d is not an answer to any failure", -code);
	return NULL;
}

/* By name, or as what a call answers: "what read(2)", "what the kernel answered". */
static int names_errno(const struct fault_function *function, int code)
{
	char word[32];

	snprintf(word, sizeof(word), "-%s", name_errno(code));
	return strstr(function->doc, word) || strstr(function->doc, "(2) answer") ||
	       strstr(function->doc, "kernel answer");
}

/* Also where the manual sends its reader on: "as vio_host_read_function()". */
static int is_documented(const struct fault_function *function, int code, int depth)
{
	const char *at = function->doc;

	if (names_errno(function, code))
		return 1;
	for (; depth && (at = strstr(at, "as vio_")); at++) {
		char name[sizeof(function->name)];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(at + 3, "("), at + 3);
		if (is_documented(find_function(name), code, depth - 1))
			return 1;
	}
	return 0;
}

static void
verify_answer(const struct attempt *attempt, struct fault_scene *scene, int ret)
{
	const struct fault_case *c = attempt->the_case;

	if (ret >= 0) {
		assert_true(c->flags & FAULT_MAKES_DO);
		return;
	}
	if (ret != -attempt->code && !has_word(c->reported_as, name_errno(-ret)))
		fail_msg("%s reports it as -%s", c->functions, name_errno(-ret));
	if (c->flags & FAULT_ENDS_IT)
		return;
	if (!is_documented(find_function(c->functions), -ret, REFERENCES_MAX))
		fail_msg("the manual of %s lacks -%s", c->functions, name_errno(-ret));
	assert_ptr_equal(scene->out, VIO_FAULT_UNTOUCHED);
	if (c->flags & FAULT_HAS_ERROR) {
		assert_int_equal(scene->err.code, ret);
		assert_true(scene->err.text[0]);
	}
}

static void arm(const struct attempt *attempt, struct vio_fault *fault, uint64_t at)
{
	fault->n_allocs = 0;
	fault->n_calls = 0;
	fault->fail_errno = attempt->code;
	fault->fail_alloc_at = attempt->kind == ALLOCATIONS ? at : 0;
	fault->fail_call_at = attempt->kind == CALLS ? at : 0;
}

static void disarm(struct vio_fault *fault)
{
	fault->fail_alloc_at = 0;
	fault->fail_call_at = 0;
}

static int
call_once(const struct attempt *attempt, struct fault_scene *scene, uint64_t at)
{
	int ret;

	scene->err = (struct vio_error)VIO_ERROR_INIT;
	scene->out = VIO_FAULT_UNTOUCHED;
	arm(attempt, scene->armed, at);
	ret = attempt->the_case->call(scene);
	disarm(scene->armed);
	return ret;
}

/* What the call takes is what the table says, or its failures are not tested. */
static void verify_needs(const struct fault_case *c, const struct fault_scene *scene)
{
	assert_int_equal(scene->armed->n_allocs > 0, !!(c->flags & FAULT_TAKES_MEMORY));
	assert_int_equal(scene->armed->n_calls > 0, !!(c->flags & FAULT_MAKES_CALLS));
}

/* What was there before the failure is there, and the call succeeds now. */
static int try_again(const struct attempt *attempt, struct fault_scene *scene)
{
	if (attempt->the_case->verify)
		attempt->the_case->verify(scene);
	if (attempt->the_case->flags & FAULT_ENDS_IT)
		return 0;
	return call_once(attempt, scene, 0);
}

/* Returns whether something was left to fail. */
static int try_at(const struct attempt *attempt, uint64_t at)
{
	const struct fault_case *c = attempt->the_case;
	struct fault_scene *scene = calloc(1, sizeof(*scene));
	int was_injected, ret;

	assert_non_null(scene);
	vio_fault_prepare(&scene->fault, NULL);
	scene->armed = &scene->fault;
	scene->fd = scene->other_fd = -1;
	assert_int_equal(vio_fault_create_ctx(&scene->fault, 0, &scene->ctx), 0);
	if (c->setup)
		c->setup(scene);
	ret = call_once(attempt, scene, at);
	was_injected = scene->armed->n_injected != 0;
	if (was_injected)
		verify_answer(attempt, scene, ret);
	if (!was_injected)
		verify_needs(c, scene);
	if (ret < 0 && was_injected)
		ret = try_again(attempt, scene);
	if (ret < 0)
		fail_msg("%s: %d without a failure: %s", c->functions, ret,
			 scene->err.text);
	if (c->finish)
		c->finish(scene);
	assert_int_equal(vio_ctx_destroy(scene->ctx, NULL), 0);
	vio_fault_verify(&scene->fault);
	free(scene);
	return was_injected;
}

static void run_attempts(void **state)
{
	const struct attempt *attempt = *state;
	uint64_t at = 1;

	while (try_at(attempt, at))
		assert_true(++at < ATTEMPTS_MAX);
	/* One failure at least, or the test shows nothing. */
	assert_true(at > 1 || attempt->kind == NO_FAILURE);
}

static void every_public_function_has_a_case(void **state)
{
	(void)state;
	assert_true(n_functions > 50);
	for (size_t i = 0; i < n_functions; i++) {
		int n = 0;

		for (size_t f = 0; f < FAULT_N_FAMILIES; f++)
			for (size_t c = 0; c < fault_families[f]->n; c++)
				n += has_word(fault_families[f]->cases[c].functions,
					      functions[i].name);
		if (!n)
			fail_msg("%s has no case in tests/unit/fault: add one to its "
				 "family's table",
				 functions[i].name);
	}
}

static void every_case_is_about_public_functions(void **state)
{
	(void)state;
	for (size_t f = 0; f < FAULT_N_FAMILIES; f++)
		for (size_t c = 0; c < fault_families[f]->n; c++) {
			const char *names = fault_families[f]->cases[c].functions;

			for (; *names; names += strspn(names, " ")) {
				find_function(names);
				names += strcspn(names, " ");
			}
		}
}

/* The list of tests; all lives until the process ends. */
struct plan {
	struct CMUnitTest tests[TESTS_MAX];
	struct attempt attempts[TESTS_MAX];
	char names[TESTS_MAX][NAME_BYTES];
	size_t n;
};

static void plan_attempt(struct plan *plan, const struct fault_case *c, enum kind kind,
			 int code, const char *how)
{
	const size_t i = plan->n++;

	assert_true(i < TESTS_MAX);
	plan->attempts[i] = (struct attempt){ c, kind, code };
	snprintf(plan->names[i], NAME_BYTES, "%s %s", c->functions, how);
	plan->tests[i] = (struct CMUnitTest){
		.name = plan->names[i],
		.test_func = run_attempts,
		.initial_state = &plan->attempts[i],
	};
}

static void plan_case(struct plan *plan, const struct fault_case *c)
{
	char how[NAME_BYTES / 2];

	if (!(c->flags & (FAULT_TAKES_MEMORY | FAULT_MAKES_CALLS)))
		plan_attempt(plan, c, NO_FAILURE, 0, "takes nothing");
	if (c->flags & FAULT_TAKES_MEMORY)
		plan_attempt(plan, c, ALLOCATIONS, ENOMEM, "without memory");
	for (size_t i = 0; (c->flags & FAULT_MAKES_CALLS) && i < N_INJECTED; i++) {
		snprintf(how, sizeof(how), "when calls fail by %s", errnos[i].name);
		plan_attempt(plan, c, CALLS, errnos[i].code, how);
	}
}

int main(void)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	int ret;

	assert_non_null(plan);
	n_functions = fault_read_headers(&functions);
	plan->tests[plan->n++] =
		(struct CMUnitTest)cmocka_unit_test(every_public_function_has_a_case);
	plan->tests[plan->n++] = (struct CMUnitTest)cmocka_unit_test(
		every_case_is_about_public_functions);
	for (size_t f = 0; f < FAULT_N_FAMILIES; f++)
		for (size_t c = 0; c < fault_families[f]->n; c++)
			plan_case(plan, &fault_families[f]->cases[c]);
	ret = _cmocka_run_group_tests("fault", plan->tests, plan->n, NULL, NULL);
	free(functions);
	free(plan);
	return ret;
}
