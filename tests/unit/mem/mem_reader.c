/* SPDX-License-Identifier: MIT */
/*
 * Readers: which view a queue sees, and what holds an old one. A chain is held
 * as a ring does it: it counts in its reader, and remembers its view.
 */
#include "unit/mem/fixture.h"

struct chain {
	const struct vio_mem_view *view;
};

static struct chain open_chain(struct vio_mem_reader *reader)
{
	struct chain chain = { vio_mem_reader_enter(reader) };

	reader->n_held++;
	vio_mem_reader_leave(reader);
	return chain;
}

static void close_chain(struct vio_mem_reader *reader, struct chain chain)
{
	vio_mem_reader_close_chain(reader, chain.view);
	vio_mem_reader_leave(reader);
}

static uint64_t enter_and_leave(struct vio_mem_reader *reader)
{
	uint64_t generation = vio_mem_reader_enter(reader)->generation;

	vio_mem_reader_leave(reader);
	return generation;
}

static void replace(const struct fixture *f, uint32_t page, struct count *count)
{
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(add_counted(f, 0x10000, page, count), 0);
	assert_int_equal(vio_mem_commit(f->mem), 0);
}

static void a_burst_sees_the_table_as_it_was_when_it_began(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	const struct vio_mem_view *view;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	vio_mem_reader_attach(&reader, f->mem);
	view = vio_mem_reader_enter(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_non_null(vio_mem_view_find(view, 0, 0x10000, 1, READ));
	vio_mem_reader_leave(&reader);
	view = vio_mem_reader_enter(&reader);
	assert_int_equal(view->n_spans, 0);
	vio_mem_reader_leave(&reader);
	vio_mem_reader_detach(&reader);
}

static void a_generation_is_never_used_twice(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	uint64_t latest;

	vio_mem_reader_attach(&reader, f->mem);
	latest = enter_and_leave(&reader);
	for (uint32_t i = 0; i < 20; i++) {
		uint64_t generation;

		if (i % 2)
			assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
		else
			assert_int_equal(add(f, 0x10000, 1, 0), 0);
		generation = enter_and_leave(&reader);
		assert_true(generation > latest);
		latest = generation;
	}
	vio_mem_reader_detach(&reader);
}

static void a_burst_holds_what_is_removed_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct count count = { 0 };

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	vio_mem_reader_attach(&reader, f->mem);
	vio_mem_reader_enter(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	vio_mem_reader_leave(&reader);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(count.n, 1);
	vio_mem_reader_detach(&reader);
}

static void an_idle_reader_holds_nothing(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct count count = { 0 };

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	vio_mem_reader_attach(&reader, f->mem);
	vio_mem_reader_enter(&reader);
	vio_mem_reader_leave(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	vio_mem_reader_detach(&reader);
}

static void an_open_chain_holds_its_memory_after_the_burst(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct count count = { 0 };
	struct chain chain;

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	vio_mem_reader_attach(&reader, f->mem);
	chain = open_chain(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	close_chain(&reader, chain);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	vio_mem_reader_detach(&reader);
}

static void an_open_chain_does_not_keep_the_next_burst_in_the_past(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct chain chain;

	vio_mem_reader_attach(&reader, f->mem);
	chain = open_chain(&reader);
	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(vio_mem_reader_enter(&reader)->n_spans, 1);
	vio_mem_reader_leave(&reader);
	close_chain(&reader, chain);
	vio_mem_reader_detach(&reader);
}

static void a_chain_holds_its_memory_when_its_reader_has_moved_on(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct count count = { 0 };
	struct chain chain;

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	vio_mem_reader_attach(&reader, f->mem);
	chain = open_chain(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	enter_and_leave(&reader);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	assert_non_null(vio_mem_view_find(chain.view, 0, 0x10000, 1, READ));
	close_chain(&reader, chain);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(count.n, 1);
	vio_mem_reader_detach(&reader);
}

static void a_reader_without_chains_that_moves_on_lets_go(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct count count = { 0 };

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	vio_mem_reader_attach(&reader, f->mem);
	vio_mem_reader_enter(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	vio_mem_reader_enter(&reader);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	vio_mem_reader_leave(&reader);
	vio_mem_reader_detach(&reader);
}

/* Three regions in turn, a chain on each; closed in another order. */
static void chains_on_three_old_views_hold_each_its_own(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	static struct count counts[4]; /* the last is counted in teardown */
	struct chain chains[3];

	assert_int_equal(add_counted(f, 0x10000, 0, &counts[0]), 0);
	vio_mem_reader_attach(&reader, f->mem);
	for (uint32_t i = 0; i < 3; i++) {
		chains[i] = open_chain(&reader);
		replace(f, i + 1, &counts[i + 1]);
	}
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	close_chain(&reader, chains[1]);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(counts[1].n, 1);
	close_chain(&reader, chains[2]);
	close_chain(&reader, chains[0]);
	assert_int_equal(vio_mem_dispatch(f->mem), 2);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(counts[i].n, 1);
	assert_int_equal(counts[3].n, 0);
	vio_mem_reader_detach(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
}

static void the_last_of_several_chains_lets_go(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct count count = { 0 };
	struct chain chains[3];

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	vio_mem_reader_attach(&reader, f->mem);
	for (uint32_t i = 0; i < 3; i++)
		chains[i] = open_chain(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	enter_and_leave(&reader);
	close_chain(&reader, chains[0]);
	close_chain(&reader, chains[1]);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	close_chain(&reader, chains[2]);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	vio_mem_reader_detach(&reader);
}

static void every_reader_has_to_let_go(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader one = { 0 };
	struct vio_mem_reader two = { 0 };
	struct count count = { 0 };

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	vio_mem_reader_attach(&one, f->mem);
	vio_mem_reader_attach(&two, f->mem);
	vio_mem_reader_enter(&one);
	vio_mem_reader_enter(&two);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	vio_mem_reader_leave(&one);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	vio_mem_reader_leave(&two);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	vio_mem_reader_detach(&one);
	vio_mem_reader_detach(&two);
}

static void a_reader_that_detaches_lets_go(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct count count = { 0 };

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	vio_mem_reader_attach(&reader, f->mem);
	vio_mem_reader_enter(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	vio_mem_reader_detach(&reader);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
}

static void leaving_twice_is_harmless(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };

	vio_mem_reader_attach(&reader, f->mem);
	vio_mem_reader_enter(&reader);
	vio_mem_reader_leave(&reader);
	vio_mem_reader_leave(&reader);
	assert_null(reader.slot);
	vio_mem_reader_detach(&reader);
}

/* A table on a context, a reader in a burst, and the region it reads removed. */
struct stage {
	struct fixture f;
	struct vio_ctx *ctx;
	struct vio_mem_reader reader;
	struct count count;
};

static void stage_create(struct stage *stage, char *host)
{
	*stage = (struct stage){ .f.host = host };
	assert_int_equal(vio_ctx_create(NULL, &stage->ctx, NULL), 0);
	assert_int_equal(vio_mem_create(stage->ctx, &stage->f.mem), 0);
	assert_int_equal(add_counted(&stage->f, 0x10000, 0, &stage->count), 0);
	vio_mem_reader_attach(&stage->reader, stage->f.mem);
	vio_mem_reader_enter(&stage->reader);
	assert_int_equal(vio_mem_remove(stage->f.mem, 0x10000), 0);
	assert_int_equal(vio_ctx_dispatch(stage->ctx, 8), 0);
}

/* Nothing but the reader woke the context. */
static void assert_woken(struct stage *stage)
{
	assert_int_equal(vio_ctx_dispatch(stage->ctx, 8), 1);
	assert_int_equal(stage->count.n, 1);
}

static void stage_destroy(struct stage *stage)
{
	assert_int_equal(vio_mem_destroy(stage->f.mem, NULL), 0);
	assert_int_equal(vio_ctx_destroy(stage->ctx, NULL), 0);
}

static void a_reader_that_leaves_wakes_the_context(void **state)
{
	struct fixture *f = *state;
	struct stage stage;

	stage_create(&stage, f->host);
	vio_mem_reader_leave(&stage.reader);
	assert_woken(&stage);
	vio_mem_reader_detach(&stage.reader);
	stage_destroy(&stage);
}

static void a_reader_that_moves_on_wakes_the_context(void **state)
{
	struct fixture *f = *state;
	struct stage stage;

	stage_create(&stage, f->host);
	vio_mem_reader_enter(&stage.reader);
	assert_woken(&stage);
	vio_mem_reader_detach(&stage.reader);
	stage_destroy(&stage);
}

static void a_reader_that_detaches_wakes_the_context(void **state)
{
	struct fixture *f = *state;
	struct stage stage;

	stage_create(&stage, f->host);
	vio_mem_reader_detach(&stage.reader);
	assert_woken(&stage);
	stage_destroy(&stage);
}

static void the_last_chain_of_an_old_view_wakes_the_context(void **state)
{
	struct fixture *f = *state;
	struct chain chain;
	struct stage stage;

	stage_create(&stage, f->host);
	chain.view = stage.reader.slot;
	stage.reader.n_held++;
	vio_mem_reader_enter(&stage.reader);
	assert_int_equal(vio_ctx_dispatch(stage.ctx, 8), 0);
	vio_mem_reader_close_chain(&stage.reader, chain.view);
	assert_woken(&stage);
	vio_mem_reader_detach(&stage.reader);
	stage_destroy(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_table(a_burst_sees_the_table_as_it_was_when_it_began),
		test_with_table(a_generation_is_never_used_twice),
		test_with_table(a_burst_holds_what_is_removed_meanwhile),
		test_with_table(an_idle_reader_holds_nothing),
		test_with_table(an_open_chain_holds_its_memory_after_the_burst),
		test_with_table(an_open_chain_does_not_keep_the_next_burst_in_the_past),
		test_with_table(a_chain_holds_its_memory_when_its_reader_has_moved_on),
		test_with_table(a_reader_without_chains_that_moves_on_lets_go),
		test_with_table(chains_on_three_old_views_hold_each_its_own),
		test_with_table(the_last_of_several_chains_lets_go),
		test_with_table(every_reader_has_to_let_go),
		test_with_table(a_reader_that_detaches_lets_go),
		test_with_table(leaving_twice_is_harmless),
		test_with_table(a_reader_that_leaves_wakes_the_context),
		test_with_table(a_reader_that_moves_on_wakes_the_context),
		test_with_table(a_reader_that_detaches_wakes_the_context),
		test_with_table(the_last_chain_of_an_old_view_wakes_the_context),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
