/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: the memory table. The input is a sequence of operations: batches,
 * regions by address and by descriptor, listeners that refuse, bitmaps, readers
 * with open chains, an IOMMU whose answers are input as well.
 *
 * Beyond what sanitizers see, a model predicts every answer: an array of regions
 * that is the table, one that is the open batch, and for each reader's chain the
 * set of regions that it holds. Translations must be what the model finds page by
 * page, and a region is released once, when nothing refers to it, and not before.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory_input.h"

#define MAX_OPS 256u

static void op_fail(struct run *run)
{
	run->fail_in = 1 + take(run) % 8;
}

/* After it, what open chains hold is all that is left to be released. */
static void op_dispatch(struct run *run)
{
	const uint64_t held = run->held;
	const uint32_t n_bitmaps = count_let_go(run);
	const int n = vio_mem_dispatch(run->mem);

	MUST((uint32_t)n == (uint32_t)__builtin_popcountll(held & ~run->held) +
				    n_bitmaps - count_let_go(run));
	MUST(!(run->held & ~chain_zones(run)));
	MUST(!count_let_go(run) || count_chains(run));
}

/* Listeners. */

static int on_prepare(void *opaque, const struct vio_mem_change *changes, uint32_t n)
{
	struct party *party = opaque;
	struct run *run = party->run;

	MUST(vio_mem_begin(run->mem) == -EBUSY && vio_mem_abort(run->mem) == -EBUSY);
	party->agreed = party->seen;
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t set = changes[i].is_added ? run->draft : party->agreed;
		const struct zone *zone = find_zone(run, set, changes[i].gpa);

		MUST(zone && zone->gpa == changes[i].gpa && changes[i].hva);
		MUST(zone->length_bytes == changes[i].length_bytes);
		MUST(zone->flags == changes[i].flags);
		MUST(!zone->hva || zone->hva == changes[i].hva);
		MUST(!(party->agreed & bit_of(zone)) == !!changes[i].is_added);
		party->agreed ^= bit_of(zone);
	}
	party->has_agreed = !party->refusal;
	return party->refusal;
}

static void on_commit(void *opaque, const struct vio_mem_change *changes, uint32_t n,
		      int is_committed)
{
	struct party *party = opaque;

	(void)changes;
	MUST(party->has_agreed || (is_committed && party->refusal));
	party->has_agreed = 0;
	MUST(n && vio_mem_remove(party->run->mem, 0) == -EBUSY);
	if (is_committed)
		party->seen = party->agreed;
}

/* What prepare makes of a refusal. */
static int answer_of(const struct party *party)
{
	return party->refusal > 0 ? -EINVAL : party->refusal;
}

static int expect_listeners(const struct run *run)
{
	for (uint32_t i = 0; i < run->n_listeners; i++)
		if (answer_of(&run->parties[run->order[i]]))
			return answer_of(&run->parties[run->order[i]]);
	return 0;
}

static void op_attach_listener(struct run *run)
{
	const uint32_t i = take(run) % N_PARTIES;
	struct party *party = &run->parties[i];
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;
	const uint64_t draft = run->draft;
	int want = run->table ? answer_of(party) : 0;

	if (run->is_batch)
		want = -EBUSY;
	else if (party->is_attached)
		want = -EEXIST;
	listener.prepare = on_prepare;
	listener.commit = on_commit;
	listener.opaque = party;
	run->draft = want == -EBUSY ? draft : run->table;
	want = judge(run, vio_mem_attach_listener(run->mem, &listener), want);
	run->draft = draft;
	if (want)
		return;
	MUST(party->seen == run->table);
	party->is_attached = 1;
	run->order[run->n_listeners++] = i;
}

static void forget_listener(struct run *run, const struct party *party)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < run->n_listeners; i++)
		if (&run->parties[run->order[i]] != party)
			run->order[n++] = run->order[i];
	run->n_listeners = n;
}

static void op_detach_listener(struct run *run)
{
	struct party *party = &run->parties[take(run) % N_PARTIES];
	int want = party->is_attached ? 0 : -ENOENT;

	if (run->is_batch)
		want = -EBUSY;
	want = judge(run, vio_mem_detach_listener(run->mem, party), want);
	if (want)
		return;
	MUST(!party->seen);
	party->is_attached = 0;
	forget_listener(run, party);
}

static void op_refuse(struct run *run)
{
	static const int refusals[] = { 0, 0, -EPERM, 1 };

	run->parties[take(run) % N_PARTIES].refusal = refusals[take(run) % 4];
}

/* Regions and batches. */

/* Where zones of files came to lie. */
static void learn_hvas(struct run *run)
{
	for (uint32_t i = 0; i < N_ZONES; i++) {
		struct zone *zone = &run->zones[i];
		struct iovec iov;

		if (!(run->table & UINT64_C(1) << i) || zone->hva)
			continue;
		MUST(vio_mem_translate(run->mem, zone->gpa, zone->length_bytes,
				       VIO_MEM_READ, &iov, 1) == 1);
		zone->hva = iov.iov_base;
	}
}

/* The batch ends; returns what the library has to answer. */
static int expect_commit(struct run *run)
{
	if (run->draft == run->table)
		return 0;
	return expect_listeners(run);
}

static void end_batch(struct run *run, int ret)
{
	if (!ret) {
		run->held |= run->table & ~run->draft;
		run->table = run->draft;
	} else {
		run->held |= run->added & run->draft;
		run->draft = run->table;
	}
	run->added = 0;
	run->is_batch = 0;
	learn_hvas(run);
	for (uint32_t i = 0; i < run->n_listeners; i++)
		MUST(run->parties[run->order[i]].seen == run->table);
}

static void op_begin(struct run *run)
{
	MUST(vio_mem_begin(run->mem) == (run->is_batch ? -EBUSY : 0));
	run->is_batch = 1;
}

static void op_commit(struct run *run)
{
	int want = run->is_batch ? expect_commit(run) : -EINVAL;

	want = judge(run, vio_mem_commit(run->mem), want);
	if (run->is_batch)
		end_batch(run, want);
}

static void op_abort(struct run *run)
{
	MUST(vio_mem_abort(run->mem) == (run->is_batch ? 0 : -EINVAL));
	if (run->is_batch)
		end_batch(run, -ECANCELED);
}

static struct zone *new_zone(struct run *run)
{
	for (uint32_t i = 0; i < N_ZONES; i++)
		if (!run->zones[i].is_used)
			return &run->zones[i];
	return NULL;
}

static void
keep_zone(struct run *run, struct zone *zone, const struct vio_mem_region *region)
{
	zone->run = run;
	zone->gpa = region->gpa;
	zone->length_bytes = region->length_bytes;
	zone->hva = region->hva;
	zone->flags = region->flags;
	zone->is_used = 1;
	run->draft |= bit_of(zone);
	run->added |= bit_of(zone);
}

static void drop_zone(struct run *run, struct zone *zone)
{
	run->draft &= ~bit_of(zone);
	run->added &= ~bit_of(zone);
	zone->is_used = 0;
}

/* Nobody is told of a region that was refused there and then. */
static void add_zone(struct run *run, struct zone *zone,
		     const struct vio_mem_region *region, int want)
{
	const int is_sound = !want;

	if (is_sound)
		keep_zone(run, zone, region);
	if (is_sound && !run->is_batch)
		want = expect_commit(run);
	want = judge(run, vio_mem_add(run->mem, region, NULL), want);
	if (is_sound && want)
		drop_zone(run, zone);
	if (is_sound && !run->is_batch)
		end_batch(run, want);
}

static void op_add(struct run *run)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct zone *zone = new_zone(run);
	const uint8_t how = take(run);
	int want = 0;

	if (!zone)
		return;
	region.gpa = page_gpa(take(run));
	region.flags = how & VIO_MEM_READONLY;
	if ((how & 6) == 2)
		want = fill_file(run, &region);
	else
		fill_host(run, &region);
	want = (how & 0x38) == 0x38 ? spoil(run, &region)
				    : expect_place(run, &region, want);
	region.released = on_released;
	region.opaque = zone;
	add_zone(run, zone, &region, want);
}

/* Added and removed by one batch: it never is in the table. */
static void retire_added(struct run *run, const struct zone *zone)
{
	if (run->added & bit_of(zone))
		run->held |= bit_of(zone);
	run->added &= ~bit_of(zone);
}

static void op_remove(struct run *run)
{
	const uint64_t gpa = page_gpa(take(run));
	struct zone *zone = find_zone(run, run->draft, gpa);
	int want = 0;

	if (!zone || zone->gpa != gpa) {
		MUST(vio_mem_remove(run->mem, gpa) == -ENOENT);
		return;
	}
	run->draft &= ~bit_of(zone);
	if (!run->is_batch)
		want = expect_listeners(run);
	want = judge(run, vio_mem_remove(run->mem, gpa), want);
	if (!run->is_batch)
		end_batch(run, want);
	else if (want)
		run->draft |= bit_of(zone);
	else
		retire_added(run, zone);
}

/* Translation. */

static int64_t translate(void *opaque, uint64_t iova, uint64_t length_bytes,
			 uint32_t access, uint64_t *out_gpa)
{
	MUST(length_bytes && access && !(access & ~(VIO_MEM_READ | VIO_MEM_WRITE)));
	return answer_iova(opaque, iova, out_gpa);
}

static void op_set_hook(struct run *run)
{
	run->has_hook = !run->has_hook;
	vio_mem_set_translate(run->mem, run->has_hook ? translate : NULL, run);
	vio_mem_notify(run->mem);
}

static void op_set_answer(struct run *run)
{
	static const int64_t kinds[] = { -EAGAIN, -EFAULT, 0, INT64_MAX, PAGE, 1 };
	const uint32_t i = take(run) % N_ANSWERS;
	const uint8_t kind = take(run);

	run->answers[i].gpa = page_gpa(take(run));
	run->answers[i].n = kind < 6 ? kinds[kind] : (int64_t)kind * 61;
}

static void verify_iov(const struct predicted *p, int want, const struct iovec *iov)
{
	for (int i = 0; i < want; i++)
		MUST(iov[i].iov_base == p->iov[i].iov_base &&
		     iov[i].iov_len == p->iov[i].iov_len);
}

static void op_translate(struct run *run)
{
	const uint64_t addr = take_address(run), n = take_length(run);
	const uint8_t how = take(run);
	struct predicted p = { .n_room = (how >> 3) % (N_IOV + 1) };
	struct iovec iov[N_IOV];
	const int want = predict(run, run->table, addr, n, how & 7, &p);

	MUST(vio_mem_translate(run->mem, addr, n, how & 7, iov, p.n_room) == want);
	verify_iov(&p, want, iov);
}

/* Bitmaps. */

static void verify_bits(const struct run *run)
{
	for (uint32_t i = 0; i < N_PARTIES; i++)
		MUST(!memcmp(run->parties[i].bits, run->parties[i].expected,
			     MAP_BYTES));
}

static int expect_bitmap(const struct run *run, const struct party *party,
			 const struct vio_mem_bitmap *bitmap)
{
	if (bitmap->page_shift < 12 || bitmap->page_shift > 30 ||
	    !bitmap->length_bytes ||
	    bitmap->gpa % (UINT64_C(1) << bitmap->page_shift) ||
	    bitmap->gpa + (bitmap->length_bytes - 1) < bitmap->gpa)
		return -EINVAL;
	if (run->is_batch)
		return -EBUSY;
	return party->has_bitmap ? -EEXIST : 0;
}

static void op_attach_bitmap(struct run *run)
{
	struct party *party = &run->parties[take(run) % N_PARTIES];
	struct vio_mem_bitmap bitmap = VIO_MEM_BITMAP_INIT;
	int want;

	bitmap.page_shift = 11 + take(run) % 21;
	bitmap.gpa = page_gpa(take(run));
	/* Never more than the bits there are. */
	bitmap.length_bytes =
		(take(run) & 63) * (UINT64_C(1) << bitmap.page_shift) + take(run);
	bitmap.bits = party->bits;
	bitmap.released = on_bitmap_released;
	bitmap.opaque = party;
	want = expect_bitmap(run, party, &bitmap);
	want = judge(run, vio_mem_attach_bitmap(run->mem, &bitmap), want);
	if (want)
		return;
	party->has_bitmap = 1;
	party->gpa = bitmap.gpa;
	party->length_bytes = bitmap.length_bytes;
	party->shift = bitmap.page_shift;
}

static void op_detach_bitmap(struct run *run)
{
	struct party *party = &run->parties[take(run) % N_PARTIES];
	int want = party->has_bitmap ? 0 : -ENOENT;

	if (run->is_batch)
		want = -EBUSY;
	want = judge(run, vio_mem_detach_bitmap(run->mem, party->bits), want);
	if (want)
		return;
	party->has_bitmap = 0;
	party->n_let_go++;
}

static void op_mark(struct run *run)
{
	const uint64_t gpa = take_address(run), n = take_length(run);

	vio_mem_mark(run->mem, gpa, n);
	predict_mark(run, gpa, n);
	verify_bits(run);
}

/* Readers, as queues are. */

static void op_toggle_reader(struct run *run)
{
	struct party *party = &run->parties[take(run) % N_PARTIES];

	if (party->n_chains)
		return;
	if (party->is_reading)
		vio_mem_reader_detach(&party->reader);
	else
		vio_mem_reader_attach(&party->reader, run->mem);
	party->is_reading = !party->is_reading;
	MUST(!party->is_reading || vio_mem_destroy(run->mem, NULL) == -EBUSY);
}

static void op_open_chain(struct run *run)
{
	struct party *party = &run->parties[take(run) % N_PARTIES];

	if (!party->is_reading || party->n_chains == N_CHAINS)
		return;
	party->chains[party->n_chains].view = vio_mem_reader_enter(&party->reader);
	party->chains[party->n_chains++].zones = run->table;
	party->reader.n_held++;
	vio_mem_reader_leave(&party->reader);
}

static void close_chain(struct party *party, uint32_t i)
{
	vio_mem_reader_close_chain(&party->reader, party->chains[i].view);
	party->chains[i] = party->chains[--party->n_chains];
	vio_mem_reader_leave(&party->reader);
}

static void op_close_chain(struct run *run)
{
	struct party *party = &run->parties[take(run) % N_PARTIES];

	if (party->n_chains)
		close_chain(party, take(run) % party->n_chains);
}

/* A chain sees the table as it was when it was popped. */
static void op_read_chain(struct run *run)
{
	struct party *party = &run->parties[take(run) % N_PARTIES];
	const uint64_t addr = take_address(run), n = take_length(run);
	const uint8_t how = take(run);
	struct predicted p = { .n_room = N_IOV };
	struct iovec iov[N_IOV];
	uint32_t i;
	int want;

	if (!party->n_chains)
		return;
	i = (how >> 2) % party->n_chains;
	want = predict(run, party->chains[i].zones, addr, n, how & 3, &p);
	MUST(vio_mem_view_translate(party->chains[i].view, &party->reader.hint, addr, n,
				    how & 3, iov, N_IOV) == want);
	verify_iov(&p, want, iov);
}

static void op_mark_chain(struct run *run)
{
	struct party *party = &run->parties[take(run) % N_PARTIES];
	char *hva = run->host + take(run) % HOST_PAGES * (size_t)PAGE + take(run);
	const uint64_t n = take(run) * UINT64_C(97), written = take(run) * UINT64_C(97);
	const struct iovec iov[] = { { hva, n }, { run->host, 1 } };

	if (!party->n_chains)
		return;
	vio_mem_view_mark_iov(vio_mem_reader_enter(&party->reader),
			      party->chains[0].view, iov, 2, written);
	vio_mem_reader_leave(&party->reader);
	predict_written(run, party->chains[0].zones, hva, least(n, written));
	if (written > n)
		predict_written(run, party->chains[0].zones, run->host, 1);
	verify_bits(run);
}

static void (*const ops[])(struct run *run) = {
	op_add,
	op_add,
	op_add,
	op_remove,
	op_begin,
	op_commit,
	op_abort,
	op_dispatch,
	op_translate,
	op_translate,
	op_set_hook,
	op_set_answer,
	op_refuse,
	op_attach_listener,
	op_detach_listener,
	op_attach_bitmap,
	op_detach_bitmap,
	op_mark,
	op_toggle_reader,
	op_open_chain,
	op_close_chain,
	op_read_chain,
	op_mark_chain,
	op_fail,
};

static int create_file(int is_sealed)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && !ftruncate(fd, FILE_PAGES * PAGE));
	MUST(!is_sealed || !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	return fd;
}

static void open_run(struct run *run)
{
	run->host = mmap(NULL, HOST_PAGES * PAGE, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(run->host != MAP_FAILED);
	run->sealed_fd = create_file(1);
	run->open_fd = create_file(0);
	run->env = vio_env_default;
	run->env.alloc.alloc = alloc_block;
	run->env.alloc.free = free_block;
	run->env.alloc.opaque = run;
	/* A context begins with its env, and a table looks no further. */
	MUST(!vio_mem_create((struct vio_ctx *)(void *)&run->env, &run->mem));
	for (uint32_t i = 0; i < N_PARTIES; i++)
		run->parties[i].run = run;
}

/* Whatever is still there: the batch, the regions, the listeners, the bitmaps. */
static void close_run(struct run *run)
{
	for (uint32_t i = 0; i < N_PARTIES; i++) {
		struct party *party = &run->parties[i];

		while (party->n_chains)
			close_chain(party, 0);
		if (party->is_reading)
			vio_mem_reader_detach(&party->reader);
		party->n_let_go += (uint32_t)party->has_bitmap;
	}
	run->held |= run->table | run->draft;
	MUST(!vio_mem_destroy(run->mem, NULL));
	MUST(!run->held && !count_let_go(run) && !run->n_blocks);
	for (uint32_t i = 0; i < N_PARTIES; i++)
		MUST(!run->parties[i].seen || !run->parties[i].is_attached);
	for (uint32_t i = 0; i < N_ZONES; i++)
		MUST(!run->zones[i].is_used);
	munmap(run->host, HOST_PAGES * PAGE);
	close(run->sealed_fd);
	close(run->open_fd);
}

/* Whoever agreed to a change has heard by now what came of it. */
static void do_op(struct run *run)
{
	ops[take(run) % (sizeof(ops) / sizeof(ops[0]))](run);
	for (uint32_t i = 0; i < N_PARTIES; i++)
		MUST(!run->parties[i].has_agreed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = { .in = data, .left = size };

	open_run(&run);
	for (uint32_t i = 0; i < MAX_OPS && run.left; i++)
		do_op(&run);
	close_run(&run);
	return 0;
}
