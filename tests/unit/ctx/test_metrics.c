/* SPDX-License-Identifier: MIT */
/*
 * Meters as text. That the whole is a valid exposition, and that its sums agree, is
 * what tests/metrics checks; here is what it says of what.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/member.h"
#include "dom.h"
#include "fake/support.h"

#define TEXT_BYTES 65536u

struct scene {
	struct vio_dom *dom;
	struct vio_meter meter[3];
	struct vio_member member[3];
	char text[TEXT_BYTES];
	size_t used_bytes;
};

static struct vio_dom *create_dom(const char *name)
{
	struct vio_dom *dom;

	assert_int_equal(vio_dom_create(NULL, name, &dom), 0);
	return dom;
}

static struct scene *open_scene(const char *name)
{
	struct scene *scene = test_calloc(1, sizeof(*scene));

	scene->dom = create_dom(name);
	return scene;
}

static void join(struct scene *scene, int i, enum vio_member_kind kind, uint32_t number)
{
	scene->member[i].kind = kind;
	scene->member[i].number = number;
	scene->member[i].meter = &scene->meter[i];
	vio_member_join(&scene->member[i], scene->dom);
}

static void close_scene(struct scene *scene)
{
	for (int i = 0; i < 3; i++)
		if (scene->member[i].meter)
			vio_member_leave(&scene->member[i]);
	assert_int_equal(vio_dom_destroy(scene->dom, NULL), 0);
	test_free(scene);
}

static void print_flags(struct scene *scene, uint32_t flags)
{
	assert_int_equal(vio_dom_print_metrics(&scene->dom, 1, flags, scene->text,
					       TEXT_BYTES, &scene->used_bytes),
			 0);
	assert_int_equal(strlen(scene->text), scene->used_bytes);
}

static void print(struct scene *scene)
{
	print_flags(scene, 0);
}

static void expect(const struct scene *scene, const char *piece)
{
	if (!strstr(scene->text, piece))
		fail_msg("not there: %s", piece);
}

static void expect_not(const struct scene *scene, const char *piece)
{
	if (strstr(scene->text, piece))
		fail_msg("is there: %s", piece);
}

static void a_family_has_its_type_unit_and_help(void **state)
{
	struct scene *scene = open_scene("a");

	(void)state;
	print(scene);
	assert_ptr_equal(scene->text, strstr(scene->text, "# TYPE"));
	expect(scene, "# TYPE vio_dom_bytes counter\n"
		      "# UNIT vio_dom_bytes bytes\n"
		      "# HELP vio_dom_bytes In the buffers of completed requests.\n"
		      "vio_dom_bytes_total{dom=\"a\"} 0\n");
	expect(scene, "# TYPE vio_dom_ops counter\n"
		      "# HELP vio_dom_ops Requests completed.\n"
		      "vio_dom_ops_total{dom=\"a\"} 0\n");
	close_scene(scene);
}

static void each_meter_is_in_the_family_of_its_name(void **state)
{
	struct scene *scene = open_scene("a");

	(void)state;
	join(scene, 0, VIO_MEMBER_OTHER, 0);
	scene->meter[0] = (struct vio_meter){ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
	print(scene);
	expect(scene, "\nvio_dom_bytes_total{dom=\"a\"} 1\n");
	expect(scene, "\nvio_dom_ops_total{dom=\"a\"} 2\n");
	expect(scene, "\nvio_dom_kicks_total{dom=\"a\"} 3\n");
	expect(scene, "\nvio_dom_descriptors_total{dom=\"a\"} 4\n");
	expect(scene, "\nvio_dom_faults_total{dom=\"a\"} 5\n");
	expect(scene, "\nvio_dom_service_seconds_total{dom=\"a\"} 0.000000006\n");
	expect(scene, "\nvio_dom_refused_total{dom=\"a\"} 7\n");
	expect(scene, "\nvio_dom_lent_bytes_total{dom=\"a\"} 8\n");
	expect(scene, "\nvio_dom_lent_ops_total{dom=\"a\"} 9\n");
	expect(scene, "\nvio_dom_borrowed_bytes_total{dom=\"a\"} 10\n");
	expect(scene, "\nvio_dom_borrowed_ops_total{dom=\"a\"} 11\n");
	close_scene(scene);
}

static void only_queues_are_shown_by_themselves(void **state)
{
	struct scene *scene = open_scene("a");

	(void)state;
	join(scene, 0, VIO_MEMBER_OTHER, 8);
	join(scene, 1, VIO_MEMBER_QUEUE, 9);
	scene->meter[1] = (struct vio_meter){ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 };
	print(scene);
	expect(scene, "\nvio_queue_bytes_total{dom=\"a\",queue=\"9\"} 1\n");
	expect(scene, "\nvio_queue_ops_total{dom=\"a\",queue=\"9\"} 2\n");
	expect(scene, "\nvio_queue_kicks_total{dom=\"a\",queue=\"9\"} 3\n");
	expect(scene, "\nvio_queue_descriptors_total{dom=\"a\",queue=\"9\"} 4\n");
	expect(scene, "\nvio_queue_faults_total{dom=\"a\",queue=\"9\"} 5\n");
	expect(scene, "\nvio_queue_service_seconds_total{dom=\"a\",queue=\"9\"} "
		      "0.000000006\n");
	expect_not(scene, "queue=\"8\"");
	expect_not(scene, "vio_queue_refused");
	expect_not(scene, "vio_queue_lent");
	close_scene(scene);
}

static void numbers_as_large_as_they_get_are_printed_whole(void **state)
{
	struct scene *scene = open_scene("a");

	(void)state;
	join(scene, 0, VIO_MEMBER_QUEUE, UINT32_MAX);
	scene->meter[0].bytes = UINT64_MAX;
	scene->meter[0].service_ns = UINT64_MAX;
	print(scene);
	expect(scene, "{dom=\"a\",queue=\"4294967295\"} 18446744073709551615\n");
	expect(scene, "{dom=\"a\",queue=\"4294967295\"} 18446744073.709551615\n");
	close_scene(scene);
}

static void queues_of_one_number_are_one_sample(void **state)
{
	struct scene *scene = open_scene("a");
	const char *first;

	(void)state;
	join(scene, 0, VIO_MEMBER_QUEUE, 0);
	join(scene, 1, VIO_MEMBER_QUEUE, 1);
	join(scene, 2, VIO_MEMBER_QUEUE, 0);
	scene->meter[0].ops = 5;
	scene->meter[1].ops = 7;
	scene->meter[2].ops = 100;
	print(scene);
	first = strstr(scene->text,
		       "\nvio_queue_ops_total{dom=\"a\",queue=\"0\"} 105\n");
	assert_non_null(first);
	assert_null(strstr(first + 2, "vio_queue_ops_total{dom=\"a\",queue=\"0\"}"));
	expect(scene, "\nvio_queue_ops_total{dom=\"a\",queue=\"1\"} 7\n");
	close_scene(scene);
}

/* Backslash, quote and line feed. */
static void a_name_is_escaped_as_a_label_must_be(void **state)
{
	struct scene *scene = open_scene("\\ \"\n{}=, \xe2\x82\xac");

	(void)state;
	print(scene);
	expect(scene, "vio_dom_ops_total{dom=\"\\\\ \\\"\\n{}=, \xe2\x82\xac\"} 0\n");
	close_scene(scene);
}

static void a_name_that_is_not_utf8_is_refused(void **state)
{
	struct vio_dom *dom = (void *)&dom;

	(void)state;
	assert_int_equal(vio_dom_create(NULL, "a\xff", &dom), -EINVAL);
	assert_ptr_equal(dom, (void *)&dom);
}

static void the_text_ends_with_its_mark(void **state)
{
	struct scene *scene = open_scene("a");

	(void)state;
	print(scene);
	assert_string_equal(scene->text + scene->used_bytes - 7, "\n# EOF\n");
	close_scene(scene);
}

static void a_part_has_no_end_mark_and_is_the_same_otherwise(void **state)
{
	struct scene *scene = open_scene("a");
	size_t whole_bytes;

	(void)state;
	print(scene);
	whole_bytes = scene->used_bytes;
	print_flags(scene, VIO_METRICS_PART);
	assert_int_equal(scene->used_bytes, whole_bytes - strlen("# EOF\n"));
	expect_not(scene, "EOF");
	close_scene(scene);
}

static void families_of_no_tenant_are_empty(void **state)
{
	char text[TEXT_BYTES];
	size_t used_bytes;

	(void)state;
	assert_int_equal(
		vio_dom_print_metrics(NULL, 0, 0, text, sizeof(text), &used_bytes), 0);
	assert_int_equal(strlen(text), used_bytes);
	assert_non_null(strstr(text, "# TYPE vio_dom_bytes counter\n"));
	assert_null(strstr(text, "_total"));
}

/* Every room from none to what is enough, with a guard behind it. */
static void a_text_that_does_not_fit_is_empty_and_says_what_it_takes(void **state)
{
	struct scene *scene = open_scene("a");
	size_t used_bytes, needed_bytes;
	char *buf = test_malloc(TEXT_BYTES);

	(void)state;
	join(scene, 0, VIO_MEMBER_QUEUE, 0);
	print(scene);
	needed_bytes = scene->used_bytes;
	for (size_t room = 1; room <= needed_bytes; room++) {
		memset(buf, 'x', TEXT_BYTES);
		used_bytes = 0;
		assert_int_equal(vio_dom_print_metrics(&scene->dom, 1, 0, buf, room,
						       &used_bytes),
				 -ENOSPC);
		assert_int_equal(used_bytes, needed_bytes);
		assert_int_equal(buf[0], 0);
		assert_int_equal(buf[room], 'x');
	}
	memset(buf, 'x', TEXT_BYTES);
	assert_int_equal(vio_dom_print_metrics(&scene->dom, 1, 0, buf, needed_bytes + 1,
					       &used_bytes),
			 0);
	assert_string_equal(buf, scene->text);
	assert_int_equal(buf[needed_bytes + 1], 'x');
	test_free(buf);
	close_scene(scene);
}

static void no_room_at_all_asks_how_much_it_takes(void **state)
{
	struct scene *scene = open_scene("a");
	size_t used_bytes = 0;

	(void)state;
	print(scene);
	assert_int_equal(vio_dom_print_metrics(&scene->dom, 1, 0, NULL, 0, &used_bytes),
			 -ENOSPC);
	assert_int_equal(used_bytes, scene->used_bytes);
	close_scene(scene);
}

static void expect_refused(struct vio_dom *const *doms, uint32_t n_doms, uint32_t flags,
			   char *buf, int ret)
{
	size_t used_bytes = 77;

	assert_int_equal(
		vio_dom_print_metrics(doms, n_doms, flags, buf, 4, &used_bytes), ret);
	assert_int_equal(used_bytes, 77);
	if (buf)
		assert_memory_equal(buf, "xyz", 4);
}

static void what_makes_no_exposition_is_refused(void **state)
{
	struct vio_dom *dom = create_dom("a"), *same = create_dom("a");
	struct vio_dom *doms[] = { dom, NULL };
	char buf[4] = "xyz";

	(void)state;
	expect_refused(doms, 2, 0, buf, -EINVAL);
	expect_refused(NULL, 1, 0, buf, -EINVAL);
	expect_refused(doms, 1, 2, buf, -EINVAL);
	expect_refused(doms, 1, 0, NULL, -EINVAL);
	assert_int_equal(vio_dom_print_metrics(doms, 1, 0, buf, 4, NULL), -EINVAL);
	doms[1] = dom;
	expect_refused(doms, 2, 0, buf, -EEXIST);
	doms[1] = same;
	expect_refused(doms, 2, 0, buf, -EEXIST);
	assert_int_equal(vio_dom_destroy(dom, NULL), 0);
	assert_int_equal(vio_dom_destroy(same, NULL), 0);
}

static void a_tenant_counts_on_for_a_queue_that_is_gone(void **state)
{
	struct scene *scene = open_scene("a");

	(void)state;
	join(scene, 0, VIO_MEMBER_QUEUE, 0);
	scene->meter[0].ops = 12;
	vio_member_leave(&scene->member[0]);
	print(scene);
	expect(scene, "\nvio_dom_ops_total{dom=\"a\"} 12\n");
	expect_not(scene, "queue=");
	close_scene(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_has_its_type_unit_and_help),
		cmocka_unit_test(each_meter_is_in_the_family_of_its_name),
		cmocka_unit_test(only_queues_are_shown_by_themselves),
		cmocka_unit_test(numbers_as_large_as_they_get_are_printed_whole),
		cmocka_unit_test(queues_of_one_number_are_one_sample),
		cmocka_unit_test(a_name_is_escaped_as_a_label_must_be),
		cmocka_unit_test(a_name_that_is_not_utf8_is_refused),
		cmocka_unit_test(the_text_ends_with_its_mark),
		cmocka_unit_test(a_part_has_no_end_mark_and_is_the_same_otherwise),
		cmocka_unit_test(families_of_no_tenant_are_empty),
		cmocka_unit_test(
			a_text_that_does_not_fit_is_empty_and_says_what_it_takes),
		cmocka_unit_test(no_room_at_all_asks_how_much_it_takes),
		cmocka_unit_test(what_makes_no_exposition_is_refused),
		cmocka_unit_test(a_tenant_counts_on_for_a_queue_that_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
