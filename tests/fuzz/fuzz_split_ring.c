/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: a split ring and what happens around it. The input is a few bytes
 * of parameters, then operations (pop, push, publish, reset, changes of the
 * memory table, writes of the guest), each with its operands. The ring and the
 * tables are what the operations write; all lies in few pages, so that small
 * inputs go far.
 *
 * Beyond what sanitizers see, every chain must lie in memory that is mapped and
 * be accounted for: buffers are read and written when they are popped and again
 * when they are pushed, and a region is unmapped as soon as it is released.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <vio/mem.h>
#include <vio/queue.h>

#define PAGE        4096u
#define RING_GPA    UINT64_C(0x1000) /* the ring, tables and data */
#define RING_BYTES  (3 * PAGE)
#define APART_GPA   (RING_GPA + RING_BYTES) /* a neighbour, mapped elsewhere */
#define APART_BYTES PAGE
#define ROM_GPA     (APART_GPA + APART_BYTES)
#define ROM_BYTES   PAGE
#define ALL_BYTES   (RING_BYTES + APART_BYTES + ROM_BYTES)

/* The parts of the ring, as offsets in its region. */
#define AVAIL_AT   0x100u
#define USED_AT    0x200u

#define SIZE_MAX_2 16u /* descriptors of the largest ring */
#define MAX_IOV    24u
#define BURST      4u
#define MAX_OPS    256u
#define IOVA_SHIFT (2 * PAGE)

#define MUST(x)                                                                        \
	do {                                                                           \
		if (!(x))                                                              \
			__builtin_trap();                                              \
	} while (0)

/* A mapping that the memory table knows, or knew and has not released. */
struct zone {
	char *hva; /* NULL: free entry */
	size_t length_bytes;
	int is_writable;
};

struct held {
	struct vio_chain chain;
	struct iovec iov[MAX_IOV];
};

struct run {
	const uint8_t *in;
	size_t left;
	struct vio_mem *mem;
	struct vio_queue *queue;
	struct vio_queue_params params;
	struct zone zones[2 * MAX_OPS + 8];
	struct zone *ring; /* the one that the guest writes */
	struct held held[SIZE_MAX_2];
	uint32_t n_held;
	uint32_t n_faults; /* since the last reset */
	int has_apart;
	int has_bitmap;
	int is_page_unknown; /* to the translate hook */
	uint8_t bits[1];
};

static uint8_t take(struct run *run)
{
	if (!run->left)
		return 0;
	run->left--;
	return *run->in++;
}

static uint16_t take_u16(struct run *run)
{
	const uint8_t low = take(run);

	return (uint16_t)(low | take(run) << 8);
}

/* The memory table. */

static void unmap_zone(void *opaque, uint64_t gpa)
{
	struct zone *zone = opaque;

	(void)gpa;
	MUST(zone->hva);
	MUST(!munmap(zone->hva - PAGE, zone->length_bytes + 2 * PAGE));
	zone->hva = NULL;
}

/* Between pages that nobody may touch, so that no two zones are neighbours. */
static struct zone *map_zone(struct run *run, size_t length_bytes, int is_writable)
{
	struct zone *zone = run->zones;
	char *at;

	while (zone->hva)
		zone++;
	MUST(zone < run->zones + sizeof(run->zones) / sizeof(run->zones[0]));
	at = mmap(NULL, length_bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		  -1, 0);
	MUST(at != MAP_FAILED);
	zone->hva = at + PAGE;
	MUST(!mprotect(zone->hva, length_bytes, PROT_READ | PROT_WRITE));
	zone->length_bytes = length_bytes;
	zone->is_writable = is_writable;
	return zone;
}

static void add_zone(struct run *run, struct zone *zone, uint64_t gpa)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.flags = zone->is_writable ? 0 : VIO_MEM_READONLY;
	region.gpa = gpa;
	region.hva = zone->hva;
	region.length_bytes = zone->length_bytes;
	region.released = unmap_zone;
	region.opaque = zone;
	MUST(!vio_mem_add(run->mem, &region, NULL));
}

static const struct zone *find_zone(const struct run *run, const struct iovec *iov)
{
	const char *at = iov->iov_base;

	for (const struct zone *zone = run->zones;
	     zone < run->zones + sizeof(run->zones) / sizeof(run->zones[0]); zone++)
		if (zone->hva && at >= zone->hva &&
		    at < zone->hva + zone->length_bytes &&
		    iov->iov_len <= (size_t)(zone->hva + zone->length_bytes - at))
			return zone;
	return NULL;
}

/* Addresses of I/O are shifted, contiguous to their page's end, one page late. */
static int64_t translate(void *opaque, uint64_t iova, uint64_t length_bytes,
			 uint32_t access, uint64_t *out_gpa)
{
	const struct run *run = opaque;

	(void)length_bytes;
	(void)access;
	if (iova < IOVA_SHIFT)
		return -EFAULT;
	if (run->is_page_unknown && iova / PAGE == (APART_GPA + IOVA_SHIFT) / PAGE)
		return -EAGAIN;
	*out_gpa = iova - IOVA_SHIFT;
	return PAGE - (int64_t)(iova % PAGE);
}

/* Chains. */

static void touch(const struct run *run, const struct vio_chain *chain)
{
	uint64_t out_bytes = 0, in_bytes = 0;
	volatile char sink = 0;

	MUST(chain->n_out + chain->n_in >= 1);
	MUST(chain->n_out + chain->n_in <= MAX_IOV);
	for (uint32_t i = 0; i < chain->n_out + chain->n_in; i++) {
		const struct iovec *iov = &chain->iov[i];
		const struct zone *zone = find_zone(run, iov);
		char *last = (char *)iov->iov_base + iov->iov_len - 1;

		MUST(zone && iov->iov_len);
		sink = *last;
		sink = *(char *)iov->iov_base;
		if (i < chain->n_out) {
			out_bytes += iov->iov_len;
			continue;
		}
		MUST(zone->is_writable);
		in_bytes += iov->iov_len;
		*last = (char)(sink ^ 1);
	}
	MUST(out_bytes == chain->out_bytes && in_bytes == chain->in_bytes);
}

static void hold(struct run *run, const struct vio_chain *chain)
{
	struct held *held = &run->held[run->n_held++];

	MUST(run->n_held <= run->params.n_descs);
	MUST(chain->head < run->params.n_descs && !chain->written_bytes);
	for (uint32_t i = 0; i + 1 < run->n_held; i++)
		MUST(run->held[i].chain.head != chain->head);
	touch(run, chain);
	held->chain = *chain;
	memcpy(held->iov, chain->iov,
	       (chain->n_out + chain->n_in) * sizeof(held->iov[0]));
	held->chain.iov = held->iov;
}

static void op_pop(struct run *run)
{
	struct vio_chain chains[BURST];
	struct iovec iov[MAX_IOV + 8];
	const uint32_t n_chains = 1 + take(run) % BURST;
	const uint32_t n_faults = run->n_faults;
	int n;

	n = vio_queue_pop(run->queue, chains, n_chains, iov, MAX_IOV + 8);
	MUST(n >= 0 || n == -EBADMSG || n == -EAGAIN);
	MUST(n != -EBADMSG || run->n_faults == 1);
	MUST(!n_faults || n == -EBADMSG);
	for (int i = 0; i < n; i++)
		hold(run, &chains[i]);
	MUST(vio_queue_get_open(run->queue) == run->n_held);
}

/* A popped chain, with a length that may be too much. */
static void op_push(struct run *run)
{
	const uint16_t written = take_u16(run);
	struct held *held;
	int n;

	if (!run->n_held)
		return;
	held = &run->held[take(run) % run->n_held];
	held->chain.written_bytes = written;
	touch(run, &held->chain);
	n = vio_queue_push(run->queue, &held->chain, 1);
	if (n == -EAGAIN)
		return;
	MUST(n == (written <= held->chain.in_bytes ? 1 : -EINVAL));
	if (n == 1) {
		*held = run->held[--run->n_held];
		held->chain.iov = held->iov;
	}
	MUST(vio_queue_get_open(run->queue) == run->n_held);
}

/* A head that may or may not be with the device, but never with these bytes. */
static void op_push_wild(struct run *run)
{
	struct vio_chain chain = { .head = take(run), .written_bytes = UINT32_MAX };
	int n = vio_queue_push(run->queue, &chain, 1);

	MUST(n == -EINVAL || n == -EAGAIN);
}

static void op_publish(struct run *run)
{
	int ret = vio_queue_publish(run->queue);

	MUST(ret == 0 || ret == 1 || ret == -EBADMSG || ret == -EAGAIN);
}

static void op_set_kicks(struct run *run)
{
	int ret = vio_queue_set_kicks(run->queue, take(run) & 1);

	MUST(ret == 0 || ret == 1 || ret == -EBADMSG || ret == -EAGAIN);
}

static void op_reset(struct run *run)
{
	vio_queue_reset(run->queue);
	run->n_held = 0;
	run->n_faults = 0;
	MUST(!vio_queue_get_open(run->queue));
}

static void op_set_state(struct run *run)
{
	struct vio_queue_state state = VIO_QUEUE_STATE_INIT;
	int ret;

	state.avail_index = take_u16(run);
	state.used_index = take_u16(run);
	ret = vio_queue_set_state(run->queue, &state);
	MUST(ret == 0 || ret == -EBUSY);
	MUST(ret || !run->n_held);
}

/* What the guest and its monitor do. */

/* A descriptor of the ring or of a table, its fields packed into seven bytes. */
static void op_write_desc(struct run *run)
{
	const uint32_t at = take(run) % 64;
	struct {
		uint64_t addr;
		uint32_t length;
		uint16_t flags, next;
	} desc;
	const uint32_t where = at < 16 ? at * 16 : PAGE + (at - 16) * 16;
	const uint16_t addr = take_u16(run), length = take_u16(run);

	/* 16 bits reach every region; all ones stand for the end of addresses. */
	desc.addr = htole64(addr < 0xff00 ? addr : UINT64_MAX - 0xffff + addr);
	desc.length = htole32(length < 0xff00 ? length : UINT32_MAX - 0xffff + length);
	desc.flags = htole16(take(run) & 7);
	desc.next = htole16(take(run) % 20);
	memcpy(run->ring->hva + where, &desc, sizeof(desc));
}

static void op_write_byte(struct run *run)
{
	const uint32_t at = take_u16(run) % RING_BYTES;

	run->ring->hva[at] = (char)take(run);
}

/* The next head, and the index that shows it. */
static void op_offer(struct run *run)
{
	uint16_t *avail = (uint16_t *)(void *)(run->ring->hva + AVAIL_AT);
	const uint16_t index = le16toh(avail[1]);

	avail[2 + index % run->params.n_descs] = htole16(take(run) % (SIZE_MAX_2 + 1));
	avail[1] = htole16((uint16_t)(index + 1));
}

static void op_toggle_apart(struct run *run)
{
	if (run->has_apart)
		MUST(!vio_mem_remove(run->mem, APART_GPA));
	else
		add_zone(run, map_zone(run, APART_BYTES, 1), APART_GPA);
	run->has_apart = !run->has_apart;
}

/* The ring's region is replaced in one commit, its content kept. */
static void op_move_ring(struct run *run)
{
	struct zone *zone = map_zone(run, RING_BYTES, 1);

	memcpy(zone->hva, run->ring->hva, RING_BYTES);
	MUST(!vio_mem_begin(run->mem));
	MUST(!vio_mem_remove(run->mem, RING_GPA));
	add_zone(run, zone, RING_GPA);
	MUST(!vio_mem_commit(run->mem));
	run->ring = zone;
}

static void op_toggle_bitmap(struct run *run)
{
	struct vio_mem_bitmap bitmap = VIO_MEM_BITMAP_INIT;

	bitmap.gpa = RING_GPA;
	bitmap.length_bytes = ALL_BYTES;
	bitmap.bits = run->bits;
	if (run->has_bitmap)
		MUST(!vio_mem_detach_bitmap(run->mem, run->bits));
	else
		MUST(!vio_mem_attach_bitmap(run->mem, &bitmap));
	run->has_bitmap = !run->has_bitmap;
}

static void op_notify(struct run *run)
{
	run->is_page_unknown = take(run) & 1;
	vio_mem_notify(run->mem);
}

static void op_dispatch(struct run *run)
{
	vio_mem_dispatch(run->mem);
}

static void (*const ops[])(struct run *run) = {
	op_pop,           op_push,      op_push_wild,    op_publish,    op_set_kicks,
	op_reset,         op_set_state, op_write_desc,   op_write_desc, op_write_byte,
	op_offer,         op_offer,     op_toggle_apart, op_move_ring,  op_notify,
	op_toggle_bitmap, op_dispatch,
};

static void
count_fault(void *opaque, struct vio_queue *queue, const struct vio_queue_fault *fault)
{
	struct run *run = opaque;

	MUST(queue == run->queue && fault->code >= VIO_FAULT_RING &&
	     fault->code <= VIO_FAULT_TOO_MANY);
	run->n_faults++;
}

static void open_run(struct run *run)
{
	static const uint64_t features[] = { VIO_F_INDIRECT_DESC, VIO_F_EVENT_IDX,
					     VIO_F_IN_ORDER, VIO_F_ACCESS_PLATFORM };
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;
	const uint8_t which = take(run);
	uint64_t shift;

	MUST(!vio_mem_create(NULL, &run->mem));
	run->ring = map_zone(run, RING_BYTES, 1);
	add_zone(run, run->ring, RING_GPA);
	add_zone(run, map_zone(run, ROM_BYTES, 0), ROM_GPA);
	op_toggle_apart(run);
	vio_mem_set_translate(run->mem, translate, run);
	for (uint32_t i = 0; i < 4; i++)
		if (which & 1u << i)
			params.features |= features[i];
	shift = params.features & VIO_F_ACCESS_PLATFORM ? IOVA_SHIFT : 0;
	params.mem = run->mem;
	params.n_descs = 1u << take(run) % 5;
	params.max_chain_iov = 1 + take(run) % MAX_IOV;
	params.desc_addr = RING_GPA + shift;
	params.driver_addr = RING_GPA + AVAIL_AT + shift;
	params.device_addr = RING_GPA + USED_AT + shift;
	params.fault = count_fault;
	params.opaque = run;
	run->params = params;
	MUST(!vio_queue_create(NULL, &params, &run->queue, NULL));
}

static void close_run(struct run *run)
{
	vio_queue_destroy(run->queue);
	MUST(!vio_mem_destroy(run->mem, NULL));
	for (size_t i = 0; i < sizeof(run->zones) / sizeof(run->zones[0]); i++)
		MUST(!run->zones[i].hva);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = { .in = data, .left = size };

	open_run(&run);
	for (uint32_t i = 0; i < MAX_OPS && run.left; i++)
		ops[take(&run) % (sizeof(ops) / sizeof(ops[0]))](&run);
	close_run(&run);
	return 0;
}
