/* SPDX-License-Identifier: MIT */
/*
 * How long a resize takes, and whose time it is, beside the two ways of those who have
 * no pausing: to give every VF back and claim it again, and to unbind and bind each by
 * hand. Two clocks, the library's own account and that of kernel_times.h.
 *
 *   guest_resize_times RUNS IGB RUNS NVME   runs of each row; rows as digits: VFs held
 *
 * A run changes the number of VFs from as many as are held to one more, or back. From
 * the second on, every other one has a VF of the other PF at work in the same loop; its
 * work is no part of what the library takes, so that those are left out of the shares.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "holder.h"
#include "kernel_times.h"
#include "vfs.h"

#define NS_PER_MS   1e6
#define RUNS_MAX    16u
#define SHARE_BOUND 5.0 /* percent of the kernel's time */

enum way { WAY_RESIZE, WAY_CLAIM, WAY_BIND, WAYS };

struct pf {
	const char *name;
	const char *path;
	struct vio_pci_addr addr;
};

static const struct pf pfs[] = {
	{ "igb", VFS_IGB, { .bus = 1 } },
	{ "nvme", VFS_NVME, { .bus = 2 } },
};

/* Of the runs of one row. */
struct row {
	uint64_t took_ns[WAYS][RUNS_MAX]; /* until all were at work again */
	uint64_t outage_ns[WAYS];         /* the longest of one holder */
	uint32_t n[WAYS];
	uint32_t n_alone;                     /* resizes that the next ones are of */
	uint64_t own_ns, kernel_ns;           /* by the system calls */
	uint64_t told_own_ns, told_kernel_ns; /* by the library */
	double least_percent, least_told_percent; /* of one: see check_row() */
	struct kernel_times parts;
	uint64_t pause_ns;
	uint64_t loop_gap_ns, other_gap_ns, least_numvfs_ns;
};

static struct owner owner;
static struct holder holders[HOLDERS_MAX];
static struct holder other; /* of the other PF, at work all the while */
static uint32_t runs;       /* of each row of the present test */

static void write_number(const struct pf *pf, uint32_t n)
{
	char path[128], text[16];
	int fd;

	snprintf(path, sizeof(path), "%s/sriov_numvfs", pf->path);
	snprintf(text, sizeof(text), "%u", n);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	if (write(fd, text, strlen(text)) < 0)
		fail_msg("%s: %s", path, strerror(errno));
	close(fd);
}

static uint32_t next_number(const struct pf *pf, uint32_t held)
{
	return vfs_count(pf->path) == held ? held + 1 : held;
}

static double share(uint64_t own_ns, uint64_t kernel_ns)
{
	return 100.0 * (double)own_ns / (double)kernel_ns;
}

static void note_least(double *least, double percent)
{
	if (!*least || percent < *least)
		*least = percent;
}

static void
add_parts(struct row *row, const struct kernel_times *times, uint64_t own_ns)
{
	row->n_alone++;
	row->own_ns += own_ns;
	row->kernel_ns += times->all_ns;
	row->parts.numvfs_ns += times->numvfs_ns;
	row->parts.driver_ns += times->driver_ns;
	row->parts.reset_ns += times->reset_ns;
	row->parts.setting_ns += times->setting_ns;
	note_least(&row->least_percent, share(own_ns, times->all_ns));
	if (!row->least_numvfs_ns || times->numvfs_ns < row->least_numvfs_ns)
		row->least_numvfs_ns = times->numvfs_ns;
}

/* What is no wait for users and no call of the kernel's is the library's own. */
static void add_told(struct row *row, const struct vio_resize_times *times)
{
	const uint64_t own_ns = times->total_ns - times->pause_ns - times->kernel_ns;

	row->pause_ns += times->pause_ns;
	row->told_kernel_ns += times->kernel_ns;
	row->told_own_ns += own_ns;
	note_least(&row->least_told_percent, share(own_ns, times->kernel_ns));
}

static void note_gaps(struct row *row, const struct ticker *ticker)
{
	if (ticker->gap_ns > row->loop_gap_ns)
		row->loop_gap_ns = ticker->gap_ns;
	if (ticker->holder && ticker->holder->gap_ns > row->other_gap_ns)
		row->other_gap_ns = ticker->holder->gap_ns;
}

/* What the users did when they were asked to let go is not the library's. */
static uint64_t sum_asked(uint32_t held)
{
	uint64_t sum_ns = 0;

	for (uint32_t i = 0; i < held; i++)
		sum_ns += holders[i].asked_ns;
	return sum_ns;
}

static void
resize(const struct pf *pf, uint32_t held, uint32_t n, int works, struct row *row)
{
	struct vio_resize_params params = VIO_RESIZE_PARAMS_INIT;
	struct vio_resize_times told = VIO_RESIZE_TIMES_INIT;
	struct kernel_times times;
	struct ticker ticker;
	uint64_t begun_ns, took_ns, asked_ns;

	params.flags = VIO_RESIZE_PAUSE_HELD;
	params.n_vfs = n;
	ticker_open(&ticker, &owner, works ? &other : NULL);
	kernel_times_restart();
	asked_ns = sum_asked(held);
	begun_ns = now_ns();
	if (owner_resize(&owner, &pf->addr, &params, &told))
		fail_msg("resize: %s", owner.err.text);
	took_ns = now_ns() - begun_ns;
	times = kernel_times_get();
	ticker_close(&ticker, &owner);
	assert_int_equal(told.n_paused, held);
	for (uint32_t i = 0; i < held; i++)
		holder_wait(&holders[i]);
	row->took_ns[WAY_RESIZE][row->n[WAY_RESIZE]++] = now_ns() - begun_ns;
	note_gaps(row, &ticker);
	if (works)
		return;
	add_parts(row, &times, took_ns - times.all_ns - (sum_asked(held) - asked_ns));
	add_told(row, &told);
}

static void claim_again(const struct pf *pf, uint32_t held, uint32_t n, struct row *row)
{
	const uint64_t begun_ns = now_ns();

	for (uint32_t i = 0; i < held; i++) {
		holder_stop(&holders[i]);
		holders[i].stopped_ns = holders[i].worked_ns;
		holder_release(&holders[i]);
	}
	write_number(pf, 0);
	write_number(pf, n);
	for (uint32_t i = 0; i < held; i++) {
		holder_claim(&holders[i]);
		holder_start(&holders[i]);
		if (holders[i].worked_ns - holders[i].stopped_ns >
		    row->outage_ns[WAY_CLAIM])
			row->outage_ns[WAY_CLAIM] =
				holders[i].worked_ns - holders[i].stopped_ns;
	}
	row->took_ns[WAY_CLAIM][row->n[WAY_CLAIM]++] = now_ns() - begun_ns;
}

/* A floor: nobody opens them, and they get no settings. */
static void bind_by_hand(const struct pf *pf, uint32_t held, uint32_t n)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd %s && i=0; while [ $i -lt %u ]; do vf=$(readlink virtfn$i);"
		 "[ ! -e virtfn$i/driver ] || echo ${vf##*/} >virtfn$i/driver/unbind;"
		 "i=$((i + 1)); done; echo 0 >sriov_numvfs && echo %u >sriov_numvfs;"
		 "i=0; while [ $i -lt %u ]; do vf=$(readlink virtfn$i);"
		 "echo vfio-pci >virtfn$i/driver_override;"
		 "echo ${vf##*/} >/sys/bus/pci/drivers_probe;"
		 "i=$((i + 1)); done",
		 pf->path, held, n, held);
	assert_int_equal(command_run(command), 0);
}

static void measure_by_hand(const struct pf *pf, uint32_t held, struct row *row)
{
	for (uint32_t i = 0; i < runs; i++) {
		const uint64_t begun_ns = now_ns();

		bind_by_hand(pf, held, next_number(pf, held));
		row->took_ns[WAY_BIND][row->n[WAY_BIND]++] = now_ns() - begun_ns;
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double median_ms(struct row *row, enum way way)
{
	uint64_t *took = row->took_ns[way];
	const uint32_t n = row->n[way];

	qsort(took, n, sizeof(*took), compare);
	return (double)(took[(n - 1) / 2] + took[n / 2]) / 2 / NS_PER_MS;
}

static double mean_ms(const struct row *row, uint64_t sum_ns)
{
	return (double)sum_ns / row->n_alone / NS_PER_MS;
}

/* One line of JSON: what the host's side keeps. */
static void print_row(const struct pf *pf, uint32_t held, struct row *row)
{
	const double value = median_ms(row, WAY_RESIZE);
	const double peer = median_ms(row, WAY_CLAIM);
	const uint64_t *took = row->took_ns[WAY_RESIZE];

	printf("{\"bench\": \"vf_resize\", \"params\": \"%s held=%u\", ", pf->name,
	       held);
	printf("\"value\": %.1f, \"unit\": \"ms\", \"peer\": \"release and claim\", "
	       "\"peer_value\": %.1f, \"ratio\": %.3f, \"spread\": [%.1f, %.1f], "
	       "\"runs\": %u, ",
	       value, peer, value / peer, (double)took[0] / NS_PER_MS,
	       (double)took[row->n[WAY_RESIZE] - 1] / NS_PER_MS, row->n[WAY_RESIZE]);
	printf("\"by_hand_ms\": %.1f, \"own_ms\": %.2f, \"kernel_ms\": %.1f, "
	       "\"own_percent\": %.2f, \"told_own_ms\": %.2f, \"told_kernel_ms\": "
	       "%.1f, \"told_own_percent\": %.2f, ",
	       median_ms(row, WAY_BIND), mean_ms(row, row->own_ns),
	       mean_ms(row, row->kernel_ns), share(row->own_ns, row->kernel_ns),
	       mean_ms(row, row->told_own_ns), mean_ms(row, row->told_kernel_ns),
	       share(row->told_own_ns, row->told_kernel_ns));
	printf("\"least_own_percent\": %.2f, \"least_told_own_percent\": %.2f, ",
	       row->least_percent, row->least_told_percent);
	printf("\"numvfs_ms\": %.1f, \"driver_ms\": %.1f, \"reset_ms\": %.1f, "
	       "\"setting_ms\": %.1f, \"pause_ms\": %.1f, ",
	       mean_ms(row, row->parts.numvfs_ns), mean_ms(row, row->parts.driver_ns),
	       mean_ms(row, row->parts.reset_ns), mean_ms(row, row->parts.setting_ns),
	       mean_ms(row, row->pause_ns));
	printf("\"outage_ms\": %.1f, \"peer_outage_ms\": %.1f, \"loop_gap_ms\": %.1f, "
	       "\"other_pf_gap_ms\": %.1f}\n",
	       (double)row->outage_ns[WAY_RESIZE] / NS_PER_MS,
	       (double)row->outage_ns[WAY_CLAIM] / NS_PER_MS,
	       (double)row->loop_gap_ns / NS_PER_MS,
	       (double)row->other_gap_ns / NS_PER_MS);
	fflush(stdout);
}

/*
 * Of shares the least of the runs counts: a loaded host takes its time from whoever
 * runs, which in the kernel, that mostly sleeps, is the library.
 */
static void check_row(const struct row *row)
{
	assert_true(row->least_percent < SHARE_BOUND);
	assert_true(row->least_told_percent < SHARE_BOUND);
	assert_true(row->loop_gap_ns < row->least_numvfs_ns / 2);
	assert_true(row->other_gap_ns < row->least_numvfs_ns / 2);
	assert_int_equal(other.n_paused, 0);
}

static void measure_held(const struct pf *pf, uint32_t held, struct row *row)
{
	for (uint32_t i = 0; i < held; i++)
		holder_open(&holders[i], &owner, pf->addr.bus, i, 0);
	for (uint32_t i = 0; i < runs; i++)
		resize(pf, held, next_number(pf, held), i & 1, row);
	for (uint32_t i = 0; i < held; i++)
		if (holders[i].outage_ns > row->outage_ns[WAY_RESIZE])
			row->outage_ns[WAY_RESIZE] = holders[i].outage_ns;
	for (uint32_t i = 0; i < runs; i++)
		claim_again(pf, held, next_number(pf, held), row);
	for (uint32_t i = 0; i < held; i++)
		holder_close(&holders[i]);
}

static void measure_row(const struct pf *pf, uint32_t held, struct row *row)
{
	memset(row, 0, sizeof(*row));
	write_number(pf, 0);
	write_number(pf, held);
	measure_held(pf, held, row);
	measure_by_hand(pf, held, row);
	print_row(pf, held, row);
	check_row(row);
}

static void measure(const struct pf *pf, const struct pf *aside, const char *rows)
{
	struct row row;

	write_number(aside, 0);
	write_number(aside, 1);
	holder_open(&other, &owner, aside->addr.bus, HOLDERS_MAX - 1, 0);
	for (; *rows; rows++)
		measure_row(pf, (uint32_t)(*rows - '0'), &row);
	holder_verify_disk(&other);
	holder_close(&other);
}

static const char *igb_rows, *nvme_rows;
static uint32_t igb_runs, nvme_runs;

static void a_resize_of_network_vfs_is_the_kernel_s_time(void **state)
{
	(void)state;
	runs = igb_runs;
	measure(&pfs[0], &pfs[1], igb_rows);
}

static void a_resize_of_nvme_vfs_is_the_kernel_s_time(void **state)
{
	(void)state;
	runs = nvme_runs;
	measure(&pfs[1], &pfs[0], nvme_rows);
}

static int set_up(void **state)
{
	(void)state;
	if (nvme_pool_free() ||
	    command_run("modprobe -a vfio-pci vfio_iommu_type1 && mkdir -p /run &&"
			"/bin/ip link set eth0 up &&"
			"echo 0 >" VFS_NVME "/sriov_drivers_autoprobe"))
		return -1;
	return owner_open_on(&owner, "guest_resize_times", kernel_times_open());
}

static int tear_down(void **state)
{
	(void)state;
	return owner_close(&owner) || vfs_destroy();
}

/* 0: none that can be kept. */
static uint32_t read_runs(const char *text)
{
	const unsigned long n = strtoul(text, NULL, 10);

	return n > RUNS_MAX ? 0 : (uint32_t)n;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_resize_of_network_vfs_is_the_kernel_s_time),
		cmocka_unit_test(a_resize_of_nvme_vfs_is_the_kernel_s_time),
	};

	if (argc != 5)
		return 2;
	igb_runs = read_runs(argv[1]);
	igb_rows = argv[2];
	nvme_runs = read_runs(argv[3]);
	nvme_rows = argv[4];
	if (!igb_runs || !nvme_runs)
		return 2;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
