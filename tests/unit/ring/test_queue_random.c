/* SPDX-License-Identifier: MIT */
/*
 * Random ring images, read by the queue and by a model that is a plain reading
 * of virtio 1.2, 2.7: slow, byte by byte, and knowing nothing of the library.
 * Both must find the same chains and stop at the same place. Images are made
 * right and then, half of them, broken in a field or two. A seed that fails is
 * printed, and is the whole input.
 */
#include "unit/ring/guest.h"

#define N_SEEDS     20000u
#define SIZE_MAX_2  16u /* descriptors of the largest ring made here */
#define MODEL_MAX   64u
#define POOL_GPA    DATA_GPA
#define APART_GPA   RAM_END /* follows RAM for the guest, lies elsewhere here */
#define APART_BYTES (4 * PAGE)
#define ROM_GPA     (APART_GPA + APART_BYTES)
#define ROM_BYTES   (2 * PAGE)

static uint64_t seed_state;

/* splitmix64: the image depends on the seed alone. */
static uint64_t draw(void)
{
	uint64_t z = seed_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(draw() % n);
}

/* The model. */

struct piece {
	uint64_t gpa;
	uint32_t length;
};

struct model_chain {
	uint32_t head;
	uint32_t n_out, n; /* pieces to read, pieces in all */
	struct piece pieces[SIZE_MAX_2];
	uint64_t out_bytes, in_bytes;
};

struct model {
	struct guest *g;
	char *apart, *rom;
	uint64_t shift; /* of I/O virtual addresses against guest-physical ones */
	uint16_t start; /* index of the first entry of the available ring */
	struct model_chain chains[MODEL_MAX];
	uint32_t n_chains;
	int is_faulty; /* after those chains */
};

static char *model_byte(const struct model *m, uint64_t addr, int is_write)
{
	const uint64_t gpa = addr - m->shift;

	if (addr < m->shift)
		return NULL;
	if (gpa >= RAM_GPA && gpa < RAM_END)
		return m->g->ram + (gpa - RAM_GPA);
	if (gpa >= APART_GPA && gpa < APART_GPA + APART_BYTES)
		return m->apart + (gpa - APART_GPA);
	if (gpa >= ROM_GPA && gpa < ROM_GPA + ROM_BYTES && !is_write)
		return m->rom + (gpa - ROM_GPA);
	return NULL;
}

/* A little-endian number of @n bytes at @gpa; 0 if a byte is not there. */
static int model_read(const struct model *m, uint64_t gpa, uint32_t n, uint64_t *out)
{
	*out = 0;
	for (uint32_t i = 0; i < n; i++) {
		const char *at = model_byte(m, gpa + i, 0);

		if (!at)
			return 0;
		*out |= (uint64_t)(unsigned char)*at << 8 * i;
	}
	return 1;
}

/* Regions are whole pages: a range is there if a byte of each of its pages is. */
static int model_has(const struct model *m, uint64_t gpa, uint64_t length, int is_write)
{
	const uint64_t last = gpa + length - 1;

	if (last < gpa)
		return 0;
	for (uint64_t at = gpa; at <= last; at = (at | (PAGE - 1)) + 1)
		if (at - gpa > 8 * RAM_BYTES || !model_byte(m, at, is_write))
			return 0;
	return 1;
}

/* A buffer of the chain; 0 if the chain may not have it. */
static int model_add(const struct model *m, struct model_chain *chain, uint64_t gpa,
		     uint32_t length, int is_write)
{
	if (!length || (!is_write && chain->n > chain->n_out))
		return 0;
	if (chain->out_bytes + chain->in_bytes + length > UINT64_C(1) << 32)
		return 0;
	if (!model_has(m, gpa, length, is_write))
		return 0;
	chain->pieces[chain->n++] = (struct piece){ gpa, length };
	chain->n_out += !is_write;
	*(is_write ? &chain->in_bytes : &chain->out_bytes) += length;
	return 1;
}

static int model_walk(const struct model *m, uint32_t head, struct model_chain *chain)
{
	const int may_refer = !!(m->g->params.features & VIO_F_INDIRECT_DESC);
	const uint64_t ring = DESC_GPA + m->shift;
	uint64_t table = ring, n_entries = m->g->params.n_descs, index = head;

	*chain = (struct model_chain){ .head = head };
	for (;;) {
		uint64_t gpa, length, flags, next;

		if (index >= n_entries || chain->n == m->g->params.n_descs)
			return 0;
		if (!model_read(m, table + 16 * index, 8, &gpa) ||
		    !model_read(m, table + 16 * index + 8, 4, &length) ||
		    !model_read(m, table + 16 * index + 12, 2, &flags) ||
		    !model_read(m, table + 16 * index + 14, 2, &next))
			return 0;
		if (flags & VIO_DESC_INDIRECT) {
			if (!may_refer || table != ring || flags & VIO_DESC_NEXT ||
			    !length || length % 16 || gpa + length - 1 < gpa)
				return 0;
			table = gpa;
			n_entries = length / 16;
			index = 0;
			continue;
		}
		if (!model_add(m, chain, gpa, (uint32_t)length, flags & VIO_DESC_WRITE))
			return 0;
		if (!(flags & VIO_DESC_NEXT))
			return 1;
		index = next;
	}
}

static int model_is_open(const struct model *m, uint64_t head)
{
	for (uint32_t i = 0; i < m->n_chains; i++)
		if (m->chains[i].head == head)
			return 1;
	return 0;
}

static void model_pop(struct model *m)
{
	const uint32_t size = m->g->params.n_descs;
	uint64_t index, head;
	uint16_t n;

	m->n_chains = 0;
	m->is_faulty = 1;
	assert_true(model_read(m, AVAIL_GPA + m->shift + 2, 2, &index));
	n = (uint16_t)(index - m->start);
	if (n > size)
		return;
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t slot = (m->start + i) % size;

		assert_true(
			model_read(m, AVAIL_GPA + m->shift + 4 + 2 * slot, 2, &head));
		if (head >= size || model_is_open(m, head) ||
		    !model_walk(m, (uint32_t)head, &m->chains[m->n_chains]))
			return;
		m->n_chains++;
	}
	m->is_faulty = 0;
}

/* Images. */

static void draw_buffer(struct piece *out)
{
	static const uint64_t bases[] = { POOL_GPA, APART_GPA - PAGE, APART_GPA };

	out->gpa = bases[below(3)] + below(2 * PAGE);
	out->length = 1 + below(below(4) ? 600 : 2 * PAGE);
}

/* @n buffers linked from @entry on; the first of them readable, the rest not. */
static void draw_table(char *entry, uint32_t n)
{
	const uint32_t n_out = below(n + 1);

	for (uint32_t i = 0; i < n; i++) {
		struct vio_split_desc desc;
		struct piece piece;

		draw_buffer(&piece);
		write_desc(&desc, piece.gpa, piece.length,
			   (i < n_out ? 0 : VIO_DESC_WRITE) |
				   (i + 1 < n ? VIO_DESC_NEXT : 0),
			   i + 1);
		memcpy(entry + 16 * i, &desc, sizeof(desc));
	}
}

/* Buffers one after the other in the ring: @n from descriptor @first on. */
static void draw_direct(struct guest *g, uint32_t first, uint32_t n)
{
	draw_table((char *)desc_at(g, first), n);
	for (uint32_t i = 0; i < n; i++)
		desc_at(g, first + i)->next = htole16((uint16_t)(first + i + 1));
}

static void draw_indirect(struct model *m, uint32_t at, uint32_t serial)
{
	struct guest *g = m->g;
	const uint32_t n = 1 + below(g->params.n_descs);
	/* Now and then not aligned. */
	const uint64_t gpa = TABLE_GPA + PAGE * serial + (below(4) ? 0 : below(64));

	draw_table(guest_at(g, gpa), n);
	write_desc(desc_at(g, at), gpa + m->shift, 16 * n,
		   VIO_DESC_INDIRECT | (below(8) ? 0 : VIO_DESC_WRITE), 0);
}

static void draw_ring(struct model *m)
{
	struct guest *g = m->g;
	const int may_refer = !!(g->params.features & VIO_F_INDIRECT_DESC);
	uint32_t at = 0, serial = 0;

	while (at < g->params.n_descs && below(8)) {
		uint32_t n = 1 + below(g->params.n_descs - at);

		if (may_refer && below(2)) {
			n = 1;
			draw_indirect(m, at, serial++);
		} else {
			draw_direct(g, at, n);
		}
		offer(g, at);
		at += n;
	}
}

static void break_desc(struct vio_split_desc *desc, uint32_t n_descs)
{
	static const uint64_t addrs[] = { 0,       RAM_END - 1,  ROM_GPA - 5,
					  ROM_GPA, UINT64_MAX,   ROM_GPA + ROM_BYTES,
					  8,       DESC_GPA + 7, TABLE_GPA };
	static const uint32_t lengths[] = { 0, 1, 16, 24, 4096, 65536, UINT32_MAX };

	switch (below(4)) {
	case 0:
		desc->addr = htole64(addrs[below(VIO_ARRAY_SIZE(addrs))]);
		break;
	case 1:
		desc->length = htole32(lengths[below(VIO_ARRAY_SIZE(lengths))]);
		break;
	case 2:
		desc->flags ^= htole16((uint16_t)(1u << below(3)));
		break;
	default:
		desc->next = htole16((uint16_t)below(n_descs + 2));
	}
}

static void break_ring(struct guest *g)
{
	const uint32_t size = g->params.n_descs;

	switch (below(8)) {
	case 0:
		avail_of(g)->ring[below(size)] = htole16((uint16_t)below(size + 1));
		break;
	case 1:
		show_avail(g, (uint16_t)(g->avail_index + below(size + 2) - 1));
		break;
	case 2:
		break_desc(table_at(g, 256 * below(4) + below(size)), size);
		break;
	default:
		break_desc(desc_at(g, below(size)), size);
	}
}

/*
 * An IOMMU that moves addresses by two pages: one that did not pass it would be
 * found too, but elsewhere.
 */
static int64_t shift_iova(void *opaque, uint64_t iova, uint64_t length_bytes,
			  uint32_t access, uint64_t *out_gpa)
{
	const struct model *m = opaque;

	(void)access;
	if (iova < m->shift)
		return -EFAULT;
	*out_gpa = iova - m->shift;
	return (int64_t)vio_min_u64(length_bytes, PAGE - iova % PAGE);
}

static void draw_params(struct model *m)
{
	struct vio_queue_params *params = &m->g->params;

	params->n_descs = 1u << below(5);
	params->features = VIO_F_VERSION_1 | (below(2) ? VIO_F_INDIRECT_DESC : 0);
	m->shift = 0;
	if (!below(3)) {
		params->features |= VIO_F_ACCESS_PLATFORM;
		m->shift = 2 * PAGE;
	}
	params->desc_addr = DESC_GPA + m->shift;
	params->driver_addr = AVAIL_GPA + m->shift;
	params->device_addr = USED_GPA + m->shift;
}

static void draw_image(struct model *m)
{
	struct guest *g = m->g;

	memset(guest_at(g, DESC_GPA), 0, SIZE_MAX_2 * 16);
	memset(guest_at(g, AVAIL_GPA), 0, 4 + 2 * SIZE_MAX_2);
	draw_params(m);
	start_queue(g);
	m->start = (uint16_t)draw();
	set_state(g, m->start, m->start);
	draw_ring(m);
	for (uint32_t n = below(2) ? 1 + below(2) : 0; n; n--)
		break_ring(g);
}

/* Comparing. */

/* Both lists of pieces name the same bytes, however they are cut. */
static int is_same_bytes(const struct model *m, const struct piece *pieces, uint32_t n,
			 int is_write, const struct iovec *iov, uint32_t n_iov)
{
	uint64_t used = 0; /* of the iovec at hand */

	for (uint32_t i = 0; i < n; i++) {
		uint64_t done = 0;

		while (done < pieces[i].length) {
			const uint64_t gpa = pieces[i].gpa + done;
			uint64_t step = PAGE - gpa % PAGE;

			if (!n_iov)
				return 0;
			step = vio_min_u64(step, pieces[i].length - done);
			step = vio_min_u64(step, iov->iov_len - used);
			if (model_byte(m, gpa, is_write) !=
			    (char *)iov->iov_base + used)
				return 0;
			done += step;
			used += step;
			if (used == iov->iov_len) {
				iov++;
				n_iov--;
				used = 0;
			}
		}
	}
	return !n_iov;
}

static int is_same_chain(const struct model *m, const struct model_chain *expected,
			 const struct vio_chain *chain)
{
	return chain->head == expected->head &&
	       chain->out_bytes == expected->out_bytes &&
	       chain->in_bytes == expected->in_bytes &&
	       is_same_bytes(m, expected->pieces, expected->n_out, 0, chain->iov,
			     chain->n_out) &&
	       is_same_bytes(m, expected->pieces + expected->n_out,
			     expected->n - expected->n_out, 1,
			     chain->iov + chain->n_out, chain->n_in);
}

/* Pops in bursts of a random size; 0 if the model saw anything else. */
static int compare(struct model *m)
{
	struct guest *g = m->g;
	uint32_t n_popped = 0;
	int n;

	while ((n = pop(g, 1 + below(8))) > 0) {
		for (int i = 0; i < n; i++, n_popped++)
			if (n_popped == m->n_chains ||
			    !is_same_chain(m, &m->chains[n_popped], &g->chains[i]))
				return 0;
	}
	return n == (m->is_faulty ? -EBADMSG : 0) && n_popped == m->n_chains &&
	       vio_queue_get_open(g->queue) == n_popped;
}

static void random_images_are_read_as_the_specification_has_it(void **state)
{
	struct model m = { .g = *state };
	uint32_t n_faulty = 0, n_chains = 0;

	m.apart = (char *)map_pages(APART_BYTES + 2 * PAGE) + PAGE;
	m.rom = map_pages(ROM_BYTES);
	add_region(m.g, APART_GPA, m.apart, APART_BYTES, 0);
	add_region(m.g, ROM_GPA, m.rom, ROM_BYTES, VIO_MEM_READONLY);
	vio_mem_set_translate(m.g->mem, shift_iova, &m);
	for (uint32_t seed = 0; seed < N_SEEDS; seed++) {
		seed_state = seed;
		draw_image(&m);
		model_pop(&m);
		if (!compare(&m))
			fail_msg("seed %u", seed);
		n_faulty += (uint32_t)m.is_faulty;
		n_chains += m.n_chains;
		vio_queue_destroy(m.g->queue);
		m.g->queue = NULL;
	}
	/* The images are worth something: both kinds come up, and often. */
	assert_true(n_faulty > N_SEEDS / 10 && n_faulty < N_SEEDS / 2);
	assert_true(n_chains > N_SEEDS);
	munmap(m.apart - PAGE, APART_BYTES + 2 * PAGE);
	munmap(m.rom, ROM_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_memory, random_images_are_read_as_the_specification_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
