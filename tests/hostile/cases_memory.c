/* SPDX-License-Identifier: MIT */
/* Abuses of memory tables, slots and the dirty log. V numbers as in messages. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostile/hostile.h"

static void table_of_one(struct hostile *h, struct vhost_region region, int fd)
{
	struct vhost_memory memory = { .n_regions = 1, .regions = { region } };

	send_table(h, &memory, &fd);
}

static void beyond_file(struct hostile *h)
{
	table_of_one(h,
		     (struct vhost_region){ LOW_GPA, FILE_BYTES + PAGE, UVA_OFFSET, 0 },
		     h->memfd);
}

static void offset_wraps(struct hostile *h)
{
	table_of_one(h, (struct vhost_region){ LOW_GPA, PAGE, UVA_OFFSET, -PAGE },
		     h->memfd);
}

static void wraps_in_guest(struct hostile *h)
{
	table_of_one(
		h,
		(struct vhost_region){ UINT64_MAX - PAGE + 1, 2 * PAGE, UVA_OFFSET, 0 },
		h->memfd);
}

static void wraps_in_front(struct hostile *h)
{
	table_of_one(
		h, (struct vhost_region){ LOW_GPA, 2 * PAGE, UINT64_MAX - PAGE + 1, 0 },
		h->memfd);
}

static void empty_region(struct hostile *h)
{
	table_of_one(h, (struct vhost_region){ LOW_GPA, 0, UVA_OFFSET, 0 }, h->memfd);
}

static void odd_region(struct hostile *h)
{
	table_of_one(h, (struct vhost_region){ LOW_GPA + 1, 1000, UVA_OFFSET, 7 },
		     h->memfd);
}

static void no_file(struct hostile *h)
{
	table_of_one(h, (struct vhost_region){ LOW_GPA, PAGE, UVA_OFFSET, 0 },
		     h->rings[ATTACKED].call);
}

static int open_memfd(struct hostile *h, uint64_t n_bytes)
{
	int fd = memfd_create("vio-hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)n_bytes) < 0)
		fail(h, "memfd: %s", strerror(errno));
	return fd;
}

static void unsealed(struct hostile *h)
{
	int fd = open_memfd(h, LOW_BYTES);

	table_of_one(h, (struct vhost_region){ LOW_GPA, LOW_BYTES, UVA_OFFSET, 0 }, fd);
	close(fd);
}

/* Taken by a back end that trusts its peer; then it is gone under the ring. */
static void truncated(struct hostile *h)
{
	int fd = open_memfd(h, LOW_BYTES);

	table_of_one(
		h, (struct vhost_region){ LOW_GPA, LOW_BYTES, LOW_GPA + UVA_OFFSET, 0 },
		fd);
	h->target->sync(h);
	if (ftruncate(fd, 0) < 0)
		fail(h, "ftruncate: %s", strerror(errno));
	close(fd);
}

static void overlap(struct hostile *h, uint64_t gpa, uint64_t uva)
{
	struct vhost_memory memory = {
		.n_regions = 2,
		.regions = {
			{ LOW_GPA, LOW_BYTES, UVA_OFFSET, 0 },
			{ gpa, HIGH_BYTES, uva, HIGH_OFFSET },
		},
	};
	const int fds[] = { h->memfd, h->memfd };

	send_table(h, &memory, fds);
}

static void overlap_in_guest(struct hostile *h)
{
	overlap(h, LOW_GPA + LOW_BYTES - PAGE, 2 * UVA_OFFSET);
}

static void overlap_in_front(struct hostile *h)
{
	overlap(h, HIGH_GPA, UVA_OFFSET + LOW_BYTES - PAGE);
}

static void
send_cut_table(struct hostile *h, uint32_t n_regions, uint32_t n_sent, uint32_t n_fds)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	fill_table(h, &memory, fds);
	memory.n_regions = n_regions;
	send_message(h, VHOST_USER_SET_MEM_TABLE, &memory, 8 + n_sent * 32, fds, n_fds);
}

static void more_regions_than_fit(struct hostile *h)
{
	send_cut_table(h, VHOST_USER_TABLE_MAX + 1, VHOST_USER_TABLE_MAX,
		       VHOST_USER_TABLE_MAX);
}

static void regions_without_number(struct hostile *h)
{
	send_cut_table(h, UINT32_MAX, 3, 3);
}

static void shorter_than_count(struct hostile *h)
{
	send_cut_table(h, 3, 2, 3);
}

static void fewer_fds(struct hostile *h)
{
	send_cut_table(h, 3, 3, 2);
}

/* Slots. */

static void
slot(struct hostile *h, uint32_t request, uint64_t gpa, uint64_t uva, bool has_fd)
{
	const struct vhost_memory_slot slot = {
		.region = { gpa, PAGE, uva, 0 },
	};

	send_message(h, request, &slot, sizeof(slot), &h->memfd, has_fd);
}

static void slot_overlaps(struct hostile *h)
{
	slot(h, VHOST_USER_ADD_MEM_REG, LOW_GPA, 2 * UVA_OFFSET, true);
}

static void slot_without_fd(struct hostile *h)
{
	slot(h, VHOST_USER_ADD_MEM_REG, 2 * HIGH_GPA, 2 * UVA_OFFSET, false);
}

static void slot_not_there(struct hostile *h)
{
	slot(h, VHOST_USER_REM_MEM_REG, 2 * HIGH_GPA, 2 * UVA_OFFSET, false);
}

/* More than any back end tells, which is 509 at most. */
static void too_many_slots(struct hostile *h)
{
	for (uint64_t i = 0; i < 600; i++)
		slot(h, VHOST_USER_ADD_MEM_REG, 2 * HIGH_GPA + i * 2 * PAGE,
		     2 * UVA_OFFSET + i * 2 * PAGE, true);
}

/* The log. */

static void set_log(struct hostile *h, uint64_t n_bytes, uint64_t offset, int fd)
{
	const struct vhost_log_area area = { n_bytes, offset };

	send_message(h, VHOST_USER_SET_LOG_BASE, &area, sizeof(area), &fd, 1);
}

static void log_beyond_file(struct hostile *h)
{
	set_log(h, FILE_BYTES + PAGE, 0, h->memfd);
}

static void log_for_more_than_all(struct hostile *h)
{
	set_log(h, UINT64_C(1) << 63, 0, h->memfd);
}

static void log_empty(struct hostile *h)
{
	set_log(h, 0, 0, h->memfd);
}

static void log_odd_offset(struct hostile *h)
{
	set_log(h, PAGE, 17, h->memfd);
}

static void log_unsealed(struct hostile *h)
{
	int fd = open_memfd(h, PAGE);

	set_log(h, PAGE, 0, fd);
	close(fd);
}

#define FIRST(id, name, run)                                                           \
	{                                                                              \
		id, name, AT_CONNECTED, REFUSED, 0, run, 0, NULL                       \
	}
#define THEN(id, name, run)                                                            \
	{                                                                              \
		id, name, AT_DESCRIBED, REFUSED, 0, run, 0, NULL                       \
	}

static const struct attack list[] = {
	FIRST("V0050", "a region beyond the end of its file", beyond_file),
	FIRST("V0051", "a region whose offset wraps", offset_wraps),
	FIRST("V0052", "a region that wraps in the guest", wraps_in_guest),
	FIRST("V0053", "a region that wraps in the front end", wraps_in_front),
	FIRST("V0054", "an empty region", empty_region),
	FIRST("V0055", "regions that overlap in the guest", overlap_in_guest),
	FIRST("V0056", "regions that overlap in the front end", overlap_in_front),
	FIRST("V0057", "a region of no file", no_file),
	FIRST("V0058", "a memfd that is not sealed", unsealed),
	FIRST("V0059", "a memfd that is truncated", truncated),
	FIRST("V0060", "more regions than a message holds", more_regions_than_fit),
	FIRST("V0060b", "regions without number", regions_without_number),
	FIRST("V0061", "a table shorter than its count", shorter_than_count),
	FIRST("V0062", "fewer descriptors than regions", fewer_fds),
	FIRST("V0063", "a region that is not whole pages", odd_region),
	THEN("V0064", "a slot that overlaps", slot_overlaps),
	THEN("V0065", "a removal of a slot that is not there", slot_not_there),
	THEN("V0066", "a slot without a descriptor", slot_without_fd),
	THEN("V0067", "more slots than told", too_many_slots),
	THEN("V0068", "a log beyond the end of its file", log_beyond_file),
	THEN("V0069", "a log for more than all memory", log_for_more_than_all),
	THEN("V0070", "an empty log", log_empty),
	THEN("V0071", "a log that is not sealed", log_unsealed),
	THEN("V0072", "a log at an odd offset", log_odd_offset),
};

const struct attacks memory_attacks = { list, sizeof(list) / sizeof(list[0]) };
