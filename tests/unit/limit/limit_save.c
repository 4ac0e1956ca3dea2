/* SPDX-License-Identifier: MIT */
/*
 * A tree's credit leaves one tree and enters another: to the unit, and all or nothing
 * of what somebody else may have written.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/wire.h"
#include "fake/fault.h"
#include "unit/limit/support.h"

#define N_LIMITS    4
#define HEAD_BYTES  16u
#define LIMIT_BYTES 120u
#define STATE_BYTES (HEAD_BYTES + N_LIMITS * LIMIT_BYTES)

/* host, of which are red with a disk, and blue. */
struct tree {
	struct vio_limit *host;
	struct vio_limit *red;
	struct vio_limit *disk;
	struct vio_limit *blue;
};

static struct vio_limit *
add(struct vio_limit *parent, const char *name, uint64_t assured, uint64_t burst)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *child = NULL;

	params.name = name;
	params.assured_bytes_per_sec = assured;
	params.burst_bytes = burst;
	params.quantum_bytes = 1;
	params.ops_per_sec = 100;
	assert_int_equal(vio_limit_add(parent, &params, 0, &child, NULL), 0);
	return child;
}

static struct tree tree_create_of(uint64_t burst)
{
	struct vio_limit_params params = bytes_params(1000, burst);
	struct tree tree;

	params.name = "host";
	tree.host = limit_create(&params, 0);
	tree.red = add(tree.host, "red", 600, burst / 2);
	tree.disk = add(tree.red, "disk", 300, burst / 4);
	tree.blue = add(tree.host, "blue", 300, burst / 2);
	return tree;
}

static struct tree tree_create(void)
{
	return tree_create_of(100000);
}

static void tree_destroy(struct tree *tree)
{
	limit_destroy(tree->blue);
	limit_destroy(tree->disk);
	limit_destroy(tree->red);
	limit_destroy(tree->host);
}

/* Some of everything is spent, and a part of a unit is earned besides. */
static void use(struct tree *tree)
{
	struct vio_lease lease;
	uint64_t retry;

	lease_attach(&lease, tree->disk);
	(void)lease_spend(&lease, 5 * SEC + 1, 700, 3, &retry);
	(void)lease_spend(&lease, 6 * SEC + 333333, 1234, 1, &retry);
	vio_lease_detach(&lease);
	lease_attach(&lease, tree->blue);
	(void)lease_spend(&lease, 7 * SEC + 777, 99, 0, &retry);
	vio_lease_detach(&lease);
}

static void tree_save(struct tree *tree, uint64_t now_ns, uint8_t *buf)
{
	struct vio_error err = VIO_ERROR_INIT;
	size_t n = 0;

	if (vio_limit_save(tree->host, now_ns, buf, STATE_BYTES, &n, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(n, STATE_BYTES);
}

/* What both say at the same distance from their beginning. */
static void expect_same(struct tree *a, uint64_t a_ns, struct tree *b, uint64_t b_ns)
{
	uint8_t left[STATE_BYTES], right[STATE_BYTES];

	tree_save(a, a_ns, left);
	tree_save(b, b_ns, right);
	assert_memory_equal(left, right, STATE_BYTES);
}

static void a_state_goes_on_in_another_tree(void **state)
{
	struct tree tree = tree_create(), other = tree_create();
	struct vio_error err = VIO_ERROR_INIT;
	uint8_t buf[STATE_BYTES];

	(void)state;
	use(&tree);
	tree_save(&tree, 8 * SEC, buf);
	if (vio_limit_load(other.host, 1000 * SEC, buf, sizeof(buf), &err) < 0)
		fail_msg("%s", err.text);
	expect_same(&tree, 8 * SEC, &other, 1000 * SEC);
	assert_int_equal(limit_read(tree.disk).credit_bytes,
			 limit_read(other.disk).credit_bytes);
	/* And an odd time later, fractions of units included. */
	expect_same(&tree, 9 * SEC + 123457, &other, 1001 * SEC + 123457);
	assert_int_equal(limit_drain(tree.blue, 10 * SEC),
			 limit_drain(other.blue, 1002 * SEC));
	tree_destroy(&tree);
	tree_destroy(&other);
}

/* The child loads what the parent saved, and tells what it has. */
static void a_state_goes_on_in_another_process(void **state)
{
	struct tree tree = tree_create();
	uint8_t buf[STATE_BYTES], back[STATE_BYTES];
	int to_child[2], to_parent[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(to_child), 0);
	assert_int_equal(pipe(to_parent), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		struct tree other = tree_create();
		size_t n;

		if (read(to_child[0], buf, sizeof(buf)) != sizeof(buf) ||
		    vio_limit_load(other.host, 77 * SEC, buf, sizeof(buf), NULL) < 0 ||
		    vio_limit_save(other.host, 78 * SEC, back, sizeof(back), &n,
				   NULL) ||
		    write(to_parent[1], back, sizeof(back)) != sizeof(back))
			_exit(1);
		_exit(0);
	}
	use(&tree);
	tree_save(&tree, 8 * SEC, buf);
	assert_int_equal(write(to_child[1], buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(read(to_parent[0], back, sizeof(back)), sizeof(back));
	tree_save(&tree, 9 * SEC, buf);
	assert_memory_equal(buf, back, sizeof(buf));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	for (int i = 0; i < 2; i++) {
		close(to_child[i]);
		close(to_parent[i]);
	}
	tree_destroy(&tree);
}

static void credit_over_smaller_bursts_is_lost(void **state)
{
	struct tree tree = tree_create(), small = tree_create_of(1000);
	uint8_t buf[STATE_BYTES];

	(void)state;
	use(&tree);
	tree_save(&tree, 200 * SEC, buf);
	assert_int_equal(vio_limit_load(small.host, 0, buf, sizeof(buf), NULL), 0);
	assert_in_range(limit_read(small.host).credit_bytes, 900, 1000);
	tree_destroy(&tree);
	tree_destroy(&small);
}

static void a_buffer_too_small_is_told_the_size(void **state)
{
	struct tree tree = tree_create();
	struct vio_error err = VIO_ERROR_INIT;
	uint8_t buf[STATE_BYTES];
	size_t n = 0;

	(void)state;
	assert_int_equal(vio_limit_save(tree.host, 0, NULL, 0, &n, &err), -ENOSPC);
	assert_int_equal(n, STATE_BYTES);
	assert_int_equal(vio_limit_save(tree.red, 0, buf, sizeof(buf), &n, &err),
			 -EINVAL);
	assert_int_equal(vio_limit_load(tree.red, 0, buf, sizeof(buf), &err), -EINVAL);
	tree_destroy(&tree);
}

/* A state as @mend leaves it, with the right sum, is refused and changes nothing. */
static void expect_refused(void (*mend)(uint8_t *buf), size_t n, int code)
{
	struct tree tree = tree_create(), other = tree_create();
	struct vio_error err = VIO_ERROR_INIT;
	uint8_t buf[STATE_BYTES + 1] = { 0 }, before[STATE_BYTES], after[STATE_BYTES];

	use(&tree);
	tree_save(&tree, 8 * SEC, buf);
	mend(buf);
	vio_put_number(buf + 12, vio_crc32c(buf + HEAD_BYTES, n - HEAD_BYTES), 4);
	tree_save(&other, 9 * SEC, before);
	assert_int_equal(vio_limit_load(other.host, 9 * SEC, buf, n, &err), code);
	assert_int_equal(err.code, code);
	assert_memory_equal(err.text, "state of limits: ", 17);
	tree_save(&other, 9 * SEC, after);
	assert_memory_equal(before, after, sizeof(before));
	tree_destroy(&tree);
	tree_destroy(&other);
}

static uint8_t *limit_of(uint8_t *buf, int i)
{
	return buf + HEAD_BYTES + (size_t)i * LIMIT_BYTES;
}

static void leave(uint8_t *buf)
{
	(void)buf;
}

static void spoil_magic(uint8_t *buf)
{
	buf[0] ^= 1;
}

static void raise_version(uint8_t *buf)
{
	buf[4] = 2;
}

static void claim_more(uint8_t *buf)
{
	vio_put_number(buf + 8, UINT32_MAX, 4);
}

static void end_no_name(uint8_t *buf)
{
	memset(limit_of(buf, 1), 'x', 32);
}

static void be_ones_own_parent(uint8_t *buf)
{
	vio_put_number(limit_of(buf, 2) + 32, 2, 4);
}

static void be_a_second_root(uint8_t *buf)
{
	vio_put_number(limit_of(buf, 2) + 32, UINT32_MAX, 4);
}

static void give_the_root_a_parent(uint8_t *buf)
{
	vio_put_number(limit_of(buf, 0) + 32, 0, 4);
}

static void be_named_as_nobody(uint8_t *buf)
{
	limit_of(buf, 3)[0] = 'x';
}

static void come_twice(uint8_t *buf)
{
	memcpy(limit_of(buf, 3), limit_of(buf, 1), LIMIT_BYTES);
}

static void have_too_much(uint8_t *buf)
{
	vio_put_number(limit_of(buf, 2) + 40, (UINT64_C(1) << 40) + 1, 8);
}

static void have_more_than_allowed(uint8_t *buf)
{
	vio_put_number(limit_of(buf, 2) + 40, UINT64_C(1) << 39, 8);
}

static void have_more_than_the_parent(uint8_t *buf)
{
	vio_put_number(limit_of(buf, 2) + 40, UINT64_C(1) << 39, 8);
	vio_put_number(limit_of(buf, 2) + 48, UINT64_C(1) << 39, 8);
}

static void have_a_whole_part(uint8_t *buf)
{
	vio_put_number(limit_of(buf, 2) + 64, SEC, 8);
}

static void set_what_is_reserved(uint8_t *buf)
{
	limit_of(buf, 1)[36] = 1;
}

static void a_state_that_is_none_is_refused(void **state)
{
	(void)state;
	expect_refused(spoil_magic, STATE_BYTES, -EBADMSG);
	expect_refused(leave, HEAD_BYTES, -EBADMSG);
	expect_refused(leave, STATE_BYTES - 1, -EBADMSG);
	expect_refused(leave, STATE_BYTES + 1, -EBADMSG);
	expect_refused(claim_more, STATE_BYTES, -EBADMSG);
	expect_refused(raise_version, STATE_BYTES, -EPROTONOSUPPORT);
}

static void limits_out_of_place_are_refused(void **state)
{
	(void)state;
	expect_refused(end_no_name, STATE_BYTES, -EBADMSG);
	expect_refused(be_ones_own_parent, STATE_BYTES, -EBADMSG);
	expect_refused(be_a_second_root, STATE_BYTES, -EBADMSG);
	expect_refused(give_the_root_a_parent, STATE_BYTES, -EBADMSG);
	expect_refused(be_named_as_nobody, STATE_BYTES, -ENOENT);
	expect_refused(come_twice, STATE_BYTES, -EBADMSG);
	expect_refused(set_what_is_reserved, STATE_BYTES, -EBADMSG);
}

static void credit_that_no_limit_can_have_is_refused(void **state)
{
	(void)state;
	expect_refused(have_too_much, STATE_BYTES, -EBADMSG);
	expect_refused(have_more_than_allowed, STATE_BYTES, -EBADMSG);
	expect_refused(have_more_than_the_parent, STATE_BYTES, -EBADMSG);
	expect_refused(have_a_whole_part, STATE_BYTES, -EBADMSG);
}

static void every_flipped_bit_is_found(void **state)
{
	struct tree tree = tree_create(), other = tree_create();
	uint8_t buf[STATE_BYTES];

	(void)state;
	tree_save(&tree, SEC, buf);
	for (size_t bit = 0; bit < 8 * sizeof(buf); bit++) {
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(vio_limit_load(other.host, SEC, buf, sizeof(buf), NULL) <
			    0);
		buf[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	tree_destroy(&tree);
	tree_destroy(&other);
}

static void a_tree_of_another_size_is_refused(void **state)
{
	struct tree tree = tree_create(), other = tree_create();
	struct vio_limit *more = add(other.host, "green", 0, 1);
	uint8_t buf[STATE_BYTES];

	(void)state;
	tree_save(&tree, SEC, buf);
	assert_int_equal(vio_limit_load(other.host, SEC, buf, sizeof(buf), NULL),
			 -ENOENT);
	limit_destroy(more);
	assert_int_equal(vio_limit_load(other.host, SEC, buf, sizeof(buf), NULL), 0);
	tree_destroy(&tree);
	tree_destroy(&other);
}

static void a_destroyed_tree_is_neither_saved_nor_loaded(void **state)
{
	struct vio_limit *limit = limit_of_bytes(10, 10);
	uint8_t buf[HEAD_BYTES + LIMIT_BYTES];
	struct vio_lease lease;
	size_t n;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(vio_limit_save(limit, 0, buf, sizeof(buf), &n, NULL), 0);
	limit_destroy(limit);
	assert_int_equal(vio_limit_save(limit, 0, buf, sizeof(buf), &n, NULL), -ESTALE);
	assert_int_equal(vio_limit_load(limit, 0, buf, n, NULL), -ESTALE);
	vio_lease_detach(&lease);
}

/* Of a host whose hardware keeps the ceiling, to one where the tree does. */
static void a_state_without_a_ceiling_above_fits_one_that_has_it(void **state)
{
	struct vio_limit_params params = bytes_params(0, 0);
	struct vio_limit *open, *closed, *kids[4];
	uint8_t buf[1024];
	size_t n_bytes;

	(void)state;
	params.name = "host";
	open = limit_create(&params, 0);
	params = bytes_params(1000, 5000);
	params.name = "host";
	closed = limit_create(&params, 0);
	for (int i = 0; i < 4; i++) {
		params = bytes_params(1000, 2500);
		params.name = i % 2 ? "red" : "blue";
		assert_int_equal(vio_limit_add(i < 2 ? open : closed, &params, 0,
					       &kids[i], NULL),
				 0);
	}
	assert_int_equal(limit_drain(kids[0], 0), 2500);
	assert_int_equal(vio_limit_save(open, 0, buf, sizeof(buf), &n_bytes, NULL), 0);
	assert_int_equal(vio_limit_load(closed, 0, buf, n_bytes, NULL), 0);
	assert_int_equal(limit_read(closed).credit_bytes, 2500);
	for (int i = 0; i < 4; i++)
		limit_destroy(kids[i]);
	limit_destroy(closed);
	limit_destroy(open);
}

#define N_RICH 12

/* More than any single limit may have, which is where the sum is cut. */
static void a_state_of_more_than_a_limit_can_hold_fits_as_well(void **state)
{
	const uint64_t burst = UINT64_C(100) * 1000 * 1000 * 1000;
	struct vio_limit *roots[2], *kids[2][N_RICH];
	static uint8_t buf[4096];
	size_t n_bytes;

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct vio_limit_params params = bytes_params(
			k ? VIO_LIMIT_RATE_MAX : 0, k ? UINT64_C(1) << 40 : 0);

		params.name = "host";
		roots[k] = limit_create(&params, 0);
		for (int i = 0; i < N_RICH; i++) {
			char name[] = { (char)('a' + i), '\0' };

			params = bytes_params(1000, burst);
			params.name = name;
			assert_int_equal(
				vio_limit_add(roots[k], &params, 0, &kids[k][i], NULL),
				0);
		}
	}
	assert_int_equal(vio_limit_save(roots[0], 0, buf, sizeof(buf), &n_bytes, NULL),
			 0);
	assert_int_equal(vio_limit_load(roots[1], 0, buf, n_bytes, NULL), 0);
	assert_true(limit_read(roots[1]).credit_bytes <= UINT64_C(1) << 40);
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < N_RICH; i++)
			limit_destroy(kids[k][i]);
		limit_destroy(roots[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_state_goes_on_in_another_tree),
		cmocka_unit_test(a_state_goes_on_in_another_process),
		cmocka_unit_test(credit_over_smaller_bursts_is_lost),
		cmocka_unit_test(a_buffer_too_small_is_told_the_size),
		cmocka_unit_test(a_state_that_is_none_is_refused),
		cmocka_unit_test(limits_out_of_place_are_refused),
		cmocka_unit_test(credit_that_no_limit_can_have_is_refused),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(a_tree_of_another_size_is_refused),
		cmocka_unit_test(a_state_without_a_ceiling_above_fits_one_that_has_it),
		cmocka_unit_test(a_state_of_more_than_a_limit_can_hold_fits_as_well),
		cmocka_unit_test(a_destroyed_tree_is_neither_saved_nor_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
