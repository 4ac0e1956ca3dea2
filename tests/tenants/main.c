/* SPDX-License-Identifier: MIT */
/*
 * The experiment: main ROUNDS MILLISECONDS BENIGN_SECONDS SEED KEPT, the
 * last being the part of its control that the victim keeps. Rounds are interleaved:
 * a control, the three floods, and the control again, which tells how much the
 * measurement itself differs. Each part has a device, a victim and a neighbour of its
 * own. VIO_CGROUP is the group with the quota, without it the neighbour keeps the quota
 * by itself; VIO_BLK is the program.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tenants.h"

#define DEVICE_PROCESSOR 0
#define GUEST_PROCESSOR  1

/* The victim runs for so long before anything happens to it. */
#define WARM_NS    (300 * MS)
#define SOLO_NS    (300 * MS)
#define SOLO_RUNS  4 /* the best: others on the machine only slow it down */
#define LOAD       0.4
#define ROUNDS_MAX 64
#define N_PARTS    5 /* of a round: control, floods, control */
#define REPORT_MS  2000
#define DETECT_MS  50.0
#define SHARE_MOST 0.5
/* Of what is offered; a control gets all of it on a machine that runs it. */
#define CONTROL_LEAST 0.9
#define VOID_MOST     3 /* for each round wanted */
#define LINE_BYTES    512

static const char *const mode_names[N_MODES] = { "control", "doorbell", "tiny", "work",
						 "benign" };

struct result {
	double done_per_sec, p50_us, p99_us;
	double share;     /* of the device's thread, the neighbour's */
	double detect_ms; /* -1: not */
	uint64_t n_alarms, victim_alarms;
	char alarm[LINE_BYTES]; /* the first */
};

struct scene {
	struct program program;
	char other_socket[PATH_BYTES];
	char other_image[PATH_BYTES];
	struct board *board;
	const char *guard;
	double per_sec;
};

static struct scene scene;
static struct result results[2][N_PARTS][ROUNDS_MAX]; /* without the guard, with it */
static int n_rounds, n_void, benign_seconds;
static uint64_t part_ns, seed;
static double kept_least;

static void rest(uint64_t span_ns)
{
	const struct timespec span = { (time_t)(span_ns / SEC), (long)(span_ns % SEC) };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL);
}

static void fill_image(const char *path)
{
	static char bytes[1 << 20];
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	memset(bytes, 0x5a, sizeof(bytes));
	for (uint64_t at = 0; at < IMAGE_BYTES; at += sizeof(bytes))
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), (off_t)at),
				 sizeof(bytes));
	close(fd);
}

static void scene_open(void)
{
	struct program *program = &scene.program;

	program_prepare(program, IMAGE_BYTES);
	snprintf(scene.other_socket, PATH_BYTES, "%s/other", program->dir);
	snprintf(scene.other_image, PATH_BYTES, "%s/image2", program->dir);
	fill_image(program->image);
	fill_image(scene.other_image);
	scene.board = mmap(NULL, sizeof(*scene.board), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(scene.board != MAP_FAILED);
}

static void scene_close(void)
{
	unlink(scene.other_image);
	unlink(scene.other_socket);
	program_remove(&scene.program);
}

/* The threads of the device inherit its processor. */
static void start_device(int is_guarded)
{
	struct program *program = &scene.program;

	pin(DEVICE_PROCESSOR);
	program_start(program, "--queues", "2", "--control", program->control,
		      "--shared", "--socket", scene.other_socket, scene.other_image,
		      is_guarded ? "--guard" : NULL, NULL);
	pin(GUEST_PROCESSOR);
	memset(scene.board, 0, sizeof(*scene.board));
	scene.board->seed = seed;
}

static void enter_group(void)
{
	const char *group = getenv("VIO_CGROUP");
	char path[PATH_BYTES * 2], pid[32];
	int fd;

	if (!group)
		return;
	snprintf(path, sizeof(path), "%s/cgroup.procs", group);
	snprintf(pid, sizeof(pid), "%d", getpid());
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, pid, strlen(pid)), strlen(pid));
	close(fd);
}

static void wait_for(const uint64_t *value, uint64_t least)
{
	/* Acquire: what was written before it was raised. */
	while (__atomic_load_n(value, __ATOMIC_ACQUIRE) < least)
		rest(MS / 10);
}

static void be_victim(void)
{
	struct front front;

	front_open(&front, &scene.program, 0);
	__atomic_fetch_add(&scene.board->ready, 1, __ATOMIC_RELEASE);
	if (scene.per_sec > 0)
		victim_run(&front, scene.board, scene.per_sec);
	else
		small_run(&front, scene.board);
}

static void be_neighbour(enum mode mode)
{
	struct program program = scene.program;
	struct front front;

	memcpy(program.socket, scene.other_socket, PATH_BYTES);
	front_open(&front, &program, 0);
	if (mode != MODE_BENIGN)
		enter_group();
	__atomic_fetch_add(&scene.board->ready, 1, __ATOMIC_RELEASE);
	wait_for(&scene.board->go, 1);
	/* Release: the parent, and the victim, which counts from here on. */
	__atomic_store_n(&scene.board->attack_ns, now_ns(), __ATOMIC_RELEASE);
	neighbour_run(&front, scene.board, mode);
}

/* A check that fails in a child ends it, instead of going on as the parent would. */
static pid_t begin_child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("CMOCKA_TEST_ABORT", "1", 1);
	}
	return pid;
}

static pid_t begin(enum mode mode, int is_neighbour)
{
	pid_t pid = begin_child();

	if (pid)
		return pid;
	if (is_neighbour)
		be_neighbour(mode);
	else
		be_victim();
	_exit(0);
}

static void wait_for_child(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* One line, however much the pipe has; 0: nothing until then. */
static int hear_line(char *line, size_t n_bytes, uint64_t until_ns)
{
	size_t n = 0;

	while (n + 1 < n_bytes) {
		uint64_t now = now_ns();
		int wait_ms =
			until_ns > now ? (int)((until_ns - now + MS - 1) / MS) : 0;
		struct pollfd wait = { .fd = scene.program.out_fd, .events = POLLIN };

		if (!n && (poll(&wait, 1, wait_ms) <= 0 || !(wait.revents & POLLIN)))
			return 0;
		assert_int_equal(read(scene.program.out_fd, line + n, 1), 1);
		if (line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
	return 1;
}

/* What the guard says while it lasts: when it noticed, and whom. */
static void listen_to_guard(struct result *result, uint64_t began_ns, uint64_t end_ns)
{
	char line[LINE_BYTES];

	while (hear_line(line, sizeof(line), end_ns)) {
		int is_alarm = strstr(line, "suspect") || strstr(line, "attack");

		if (is_alarm && strstr(line, scene.other_socket) &&
		    result->detect_ms < 0)
			result->detect_ms = (double)(now_ns() - began_ns) / 1e6;
		if (is_alarm && !result->alarm[0])
			memcpy(result->alarm, line, sizeof(line));
		if (is_alarm && getenv("VIO_TENANTS_VERBOSE"))
			printf("%.1f ms: %s\n", result->detect_ms, line);
	}
}

static uint64_t number_before(const char *line, const char *word)
{
	const char *at = strstr(line, word);

	assert_non_null(at);
	for (at--; at > line && (at[-1] >= '0' && at[-1] <= '9'); at--) {
	}
	return strtoull(at, NULL, 10);
}

static void read_report(struct result *result, double seconds)
{
	int fd = open(scene.program.control, O_WRONLY | O_CLOEXEC);
	uint64_t until_ns = now_ns() + REPORT_MS * MS;
	int has_victim = 0, has_other = 0;
	char line[LINE_BYTES];

	assert_int_equal(write(fd, "guard\n", 6), 6);
	close(fd);
	while (!(has_victim && has_other) && hear_line(line, sizeof(line), until_ns)) {
		if (!strstr(line, "guard: "))
			continue;
		if (!strstr(line, scene.other_socket)) {
			has_victim = 1;
			result->victim_alarms = number_before(line, " alarms");
			continue;
		}
		has_other = 1;
		result->n_alarms = number_before(line, " alarms");
		result->share = (double)number_before(line, " us") / 1e6 / seconds;
	}
	assert_true(has_victim && has_other);
}

/* The guard may have something to say until the end; nobody else has. */
static void stop_device(void)
{
	char line[LINE_BYTES];
	int status;

	assert_int_equal(kill(scene.program.pid, SIGTERM), 0);
	assert_int_equal(waitpid(scene.program.pid, &status, 0), scene.program.pid);
	scene.program.pid = -1;
	assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
	while (hear_line(line, sizeof(line), 0))
		if (!strstr(line, "guard: "))
			fail_msg("vio-blk says: %s", line);
}

static double percentile_us(const struct board *board, double part)
{
	uint64_t left = (uint64_t)((double)board->n_done * part);

	for (uint32_t i = 0; i < BUCKETS; i++) {
		if (board->buckets[i] > left)
			return (i + 0.5) * BUCKET_NS / 1e3;
		left -= board->buckets[i];
	}
	return BUCKETS * (BUCKET_NS / 1e3);
}

static struct result run_part(enum mode mode, int is_guarded, uint64_t span_ns)
{
	struct result result = { .detect_ms = -1 };
	uint64_t began_ns, end_ns;
	pid_t pids[2];

	start_device(is_guarded);
	pids[0] = begin(mode, 0);
	pids[1] = begin(mode, 1);
	wait_for(&scene.board->ready, 2);
	rest(WARM_NS);
	__atomic_store_n(&scene.board->go, 1, __ATOMIC_RELEASE);
	/* On a machine that is busy it may take a while until it runs. */
	wait_for(&scene.board->attack_ns, 1);
	began_ns = scene.board->attack_ns;
	end_ns = began_ns + span_ns;
	/* Relaxed: it is looked at again and again. */
	__atomic_store_n(&scene.board->end_ns, end_ns, __ATOMIC_RELAXED);
	listen_to_guard(&result, began_ns, end_ns);
	wait_for_child(pids[0]);
	wait_for_child(pids[1]);
	if (is_guarded)
		read_report(&result, (double)span_ns / 1e9);
	stop_device();
	result.done_per_sec = (double)scene.board->n_done * 1e9 / (double)span_ns;
	result.p50_us = percentile_us(scene.board, 0.5);
	result.p99_us = percentile_us(scene.board, 0.99);
	return result;
}

static void keep_most(uint64_t *most, uint64_t value)
{
	*most = value > *most ? value : *most;
}

/* In a process of its own, as the victim later. */
static void measure_solo(void)
{
	pid_t pid;

	start_device(1);
	pid = begin_child();
	if (!pid) {
		struct front front;

		front_open(&front, &scene.program, 0);
		victim_solo(&front, SOLO_NS / 2);
		for (int i = 0; i < SOLO_RUNS; i++)
			keep_most(&scene.board->n_offered,
				  (uint64_t)victim_solo(&front, SOLO_NS));
		_exit(0);
	}
	wait_for_child(pid);
	scene.per_sec = (double)scene.board->n_offered * LOAD;
	assert_true(scene.per_sec > 0);
	stop_device();
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

#define MEDIAN_OF(field, is_guarded, part)                                             \
	median_of(results[is_guarded][part], offsetof(struct result, field))

static double median_of(const struct result *list, size_t offset)
{
	double values[ROUNDS_MAX];

	for (int i = 0; i < n_rounds; i++)
		memcpy(&values[i], (const char *)&list[i] + offset, sizeof(double));
	return median(values, n_rounds);
}

static int count_undetected(int part)
{
	int n = 0;

	for (int i = 0; i < n_rounds; i++)
		n += results[1][part][i].detect_ms < 0;
	return n;
}

static double worst_detect_ms(int part)
{
	double worst = -1;

	for (int i = 0; i < n_rounds; i++)
		worst = results[1][part][i].detect_ms > worst
				? results[1][part][i].detect_ms
				: worst;
	return worst;
}

/* Of each round by itself, against the mean of its two controls. */
static double kept(int is_guarded, int part)
{
	double values[ROUNDS_MAX];

	for (int i = 0; i < n_rounds; i++) {
		double first = results[is_guarded][0][i].done_per_sec;
		double last = results[is_guarded][N_PARTS - 1][i].done_per_sec;
		double base = part == N_PARTS - 1 ? first : (first + last) / 2;

		values[i] = results[is_guarded][part][i].done_per_sec / base;
	}
	return median(values, n_rounds);
}

static void print_part(int part)
{
	printf("{\"bench\": \"tenants\", \"params\": {\"neighbour\": \"%s\", "
	       "\"offered_per_sec\": %.0f, \"part_ms\": %llu}, \"value\": %.4f, "
	       "\"unit\": \"of the control\", \"peer\": \"without guard\", "
	       "\"peer_value\": %.4f, \"ratio\": %.3f, \"runs\": %d, "
	       "\"per_sec\": %.0f, \"p50_us\": %.0f, \"p99_us\": %.0f, "
	       "\"control_p99_us\": %.0f, \"unguarded_p99_us\": %.0f, "
	       "\"share\": %.3f, \"detect_median_ms\": %.1f, "
	       "\"detect_worst_ms\": %.1f, \"undetected\": %d, "
	       "\"void_rounds\": %d}\n",
	       part == N_PARTS - 1 ? "control again" : mode_names[part], scene.per_sec,
	       (unsigned long long)(part_ns / MS), kept(1, part), kept(0, part),
	       kept(1, part) / kept(0, part), n_rounds,
	       MEDIAN_OF(done_per_sec, 1, part), MEDIAN_OF(p50_us, 1, part),
	       MEDIAN_OF(p99_us, 1, part), MEDIAN_OF(p99_us, 1, 0),
	       MEDIAN_OF(p99_us, 0, part), MEDIAN_OF(share, 1, part),
	       MEDIAN_OF(detect_ms, 1, part), worst_detect_ms(part),
	       part && part < N_PARTS - 1 ? count_undetected(part) : 0, n_void);
}

static void run_round(int round)
{
	for (int is_guarded = 0; is_guarded < 2; is_guarded++)
		for (int part = 0; part < N_PARTS; part++)
			results[is_guarded][part][round] = run_part(
				(enum mode)(part % (N_PARTS - 1)), is_guarded, part_ns);
}

/*
 * A round says something only if its controls got what was offered: otherwise the
 * machine has other things to do than to run this. What floods did is not looked at.
 */
static int is_void(int round)
{
	for (int is_guarded = 0; is_guarded < 2; is_guarded++)
		for (int part = 0; part < N_PARTS; part += N_PARTS - 1)
			if (results[is_guarded][part][round].done_per_sec <
			    CONTROL_LEAST * scene.per_sec)
				return 1;
	return 0;
}

static int measure(void **state)
{
	int n_good = 0;

	(void)state;
	scene_open();
	measure_solo();
	while (n_good < n_rounds && n_void < VOID_MOST * n_rounds) {
		run_round(n_good);
		if (is_void(n_good))
			n_void++;
		else
			n_good++;
	}
	if (n_good < n_rounds) {
		print_error("%d rounds in which the controls did not get what was "
			    "offered: the machine is busy\n",
			    n_void);
		return -1;
	}
	for (int part = 0; part < N_PARTS; part++)
		print_part(part);
	fflush(stdout);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	scene_close();
	return 0;
}

static void every_flood_is_found_in_50_ms(void **state)
{
	(void)state;
	for (int part = MODE_DOORBELL; part <= MODE_WORK; part++) {
		double ms = MEDIAN_OF(detect_ms, 1, part);
		int n_missed = count_undetected(part);

		/* One in which the machine did not let the flood begin. */
		if (n_missed > 1 + n_rounds / 20 || ms < 0 || ms >= DETECT_MS)
			fail_msg("%s: %.1f ms, and %d times not at all",
				 mode_names[part], ms, n_missed);
	}
}

static void nobody_else_is_accused(void **state)
{
	(void)state;
	for (int round = 0; round < n_rounds; round++) {
		for (int part = 0; part < N_PARTS; part++)
			assert_int_equal(results[1][part][round].victim_alarms, 0);
		assert_int_equal(results[1][0][round].n_alarms, 0);
		assert_int_equal(results[1][N_PARTS - 1][round].n_alarms, 0);
	}
}

static void the_victim_keeps_what_it_has_beside_a_control(void **state)
{
	(void)state;
	for (int part = MODE_DOORBELL; part <= MODE_WORK; part++)
		if (kept(1, part) < kept_least)
			fail_msg("%s: %.3f", mode_names[part], kept(1, part));
}

static void the_attacker_gets_its_share_at_most(void **state)
{
	(void)state;
	for (int part = MODE_DOORBELL; part <= MODE_WORK; part++)
		if (MEDIAN_OF(share, 1, part) > SHARE_MOST)
			fail_msg("%s: %.3f", mode_names[part],
				 MEDIAN_OF(share, 1, part));
}

static void benign_traffic_raises_no_alarm(void **state)
{
	struct result result;

	(void)state;
	scene.per_sec = 0;
	result = run_part(MODE_BENIGN, 1, (uint64_t)benign_seconds * SEC);
	printf("{\"bench\": \"tenants_benign\", \"params\": {\"seed\": %llu, "
	       "\"seconds\": %d}, \"value\": %llu, \"unit\": \"alarms\"}\n",
	       (unsigned long long)seed, benign_seconds,
	       (unsigned long long)(result.n_alarms + result.victim_alarms));
	fflush(stdout);
	if (result.n_alarms + result.victim_alarms)
		fail_msg("%s", result.alarm);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_flood_is_found_in_50_ms),
		cmocka_unit_test(nobody_else_is_accused),
		cmocka_unit_test(the_victim_keeps_what_it_has_beside_a_control),
		cmocka_unit_test(the_attacker_gets_its_share_at_most),
		cmocka_unit_test(benign_traffic_raises_no_alarm),
	};

	if (argc != 6) {
		fprintf(stderr,
			"usage: %s ROUNDS MILLISECONDS BENIGN_SECONDS SEED KEPT\n",
			argv[0]);
		return 2;
	}
	n_rounds = atoi(argv[1]);
	n_rounds = n_rounds < 1 ? 1 : n_rounds > ROUNDS_MAX ? ROUNDS_MAX : n_rounds;
	part_ns = strtoull(argv[2], NULL, 10) * MS;
	benign_seconds = atoi(argv[3]);
	seed = strtoull(argv[4], NULL, 10);
	kept_least = strtod(argv[5], NULL);
	return cmocka_run_group_tests_name("tenants", tests, measure, finish);
}
