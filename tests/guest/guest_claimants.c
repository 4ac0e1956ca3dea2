/* SPDX-License-Identifier: MIT */
/*
 * Eight processes claim, use and release VFs while every 200 ms one of them, or one
 * of the two that recover, is killed and another takes its place. Every second kill
 * is at random; the others wait for a process at the step that was hit least.
 *
 * The witness of ownership owes nothing to the library: a lock of its own per VF,
 * which a process has for as long as it believes that the VF is its. Its descriptors
 * are older than the lease's, so that they are the first to go when it dies.
 *
 *   guest_claimants SECONDS CYCLES   how long, and the cycles there must be
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owner.h"
#include "vf/journal.h"
#include "vfs.h"

#define CLAIMANTS  8u
#define RECOVERERS 2u
#define WORKERS    (CLAIMANTS + RECOVERERS)
#define KILL_NS    UINT64_C(200000000)
#define WAIT_NS    UINT64_C(60000000000) /* an emulated machine on a loaded host */
#define WITNESSES  "/tmp/witness"
#define LEASES     "/run/libvio/vf"

/* What a process was at when it was killed, by its own word and by the journal. */
enum step {
	STEP_IDLE,     /* has nothing, or nothing any more */
	STEP_LOCKED,   /* has begun to claim, nothing is journalled */
	STEP_DRIVER,   /* claiming: the driver was begun */
	STEP_SETTINGS, /* claiming: the settings were begun */
	STEP_HELD,
	STEP_CONFIGURING,
	STEP_UNDOING,
	STEP_RECOVERING,
	STEPS,
};

static const char *const step_names[STEPS] = {
	"idle", "nothing journalled", "claiming, driver", "claiming, settings",
	"held", "configuring",        "undoing",          "recovering",
};

enum phase { PHASE_IDLE, PHASE_CLAIM, PHASE_RECOVER };

/* One word each, that the processes share; relaxed, for none orders the others. */
struct shared {
	atomic_int stop;
	atomic_uint cycles, claims, opens, configures, refusals, recovered, kept;
	atomic_uint overlaps, stolen, failures;
	atomic_int phase[WORKERS];
	char text[256]; /* of one of the failures */
};

static struct shared *shared;
static pid_t pids[WORKERS];
static int witnesses[VFS];
static uint32_t hits[STEPS];
static uint32_t kills;
static unsigned long seconds, cycles_wanted;
static void add(atomic_uint *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint32_t get(const atomic_uint *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void set_phase(uint32_t worker, enum phase phase)
{
	atomic_store_explicit(&shared->phase[worker], (int)phase, memory_order_relaxed);
}

static void note_failure(const struct owner *owner, const char *what, int result)
{
	add(&shared->failures);
	snprintf(shared->text, sizeof(shared->text), "%s: %s: %.160s", what,
		 strerrordesc_np(-result), owner->err.text);
}

static size_t find_vf(const struct vio_vf *vf)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	size_t i;

	vio_vf_read_info(vf, &info);
	vio_pci_addr_print(&info.addr, name);
	for (i = 0; i < VFS - 1 && strcmp(vfs_names[i], name) != 0; i++)
		;
	return i;
}

/* Nobody undoes what is held. */
static void check_driver(size_t i)
{
	struct function_state state;

	function_read_state(vfs_names[i], &state);
	if (strcmp(state.driver, "vfio-pci") != 0 ||
	    strcmp(state.driver_override, "vfio-pci") != 0)
		add(&shared->stolen);
}

/* One of: hold it, change its settings, open it. */
static void use(struct owner *owner, struct vio_vf *vf, size_t i, unsigned int *seed)
{
	struct vio_vf_config config = { .fields = VIO_VF_TRUST, .trust = 1 };
	const int way = rand_r(seed) % 4;
	int ret = 0;

	config.size = sizeof(config);
	check_driver(i);
	if (way == 0)
		poll(NULL, 0, rand_r(seed) % 30);
	if (way > 1 && i < VFS_NETWORK) {
		ret = owner_configure(owner, vf, &config);
		add(&shared->configures);
	}
	if (way == 1) {
		ret = owner_use(owner, vf);
		add(&shared->opens);
	}
	if (ret)
		note_failure(owner, way == 1 ? "open" : "configure", ret);
	check_driver(i);
}

static void
own(struct owner *owner, struct vio_vf *vf, uint32_t worker, unsigned int *seed)
{
	const size_t i = find_vf(vf);
	int ret;

	add(&shared->claims);
	if (flock(witnesses[i], LOCK_EX | LOCK_NB))
		add(&shared->overlaps);
	use(owner, vf, i, seed);
	flock(witnesses[i], LOCK_UN);
	ret = owner_release(owner, vf);
	set_phase(worker, PHASE_IDLE);
	if (ret)
		note_failure(owner, "release", ret);
	else
		add(&shared->cycles);
}

/* All are claimed, or left by the dead: what there is to wait for is another's. */
static int is_refusal(int ret)
{
	return ret == -ENOSPC || ret == -EBUSY || ret == -ESTALE;
}

static void claim_once(struct owner *owner, uint32_t worker, unsigned int *seed)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf *vf = NULL;
	int ret;

	config.fields = VIO_VF_MAC | VIO_VF_VLAN;
	memcpy(config.mac, (uint8_t[6]){ 2, 0, 0, 0, 1, (uint8_t)worker }, 6);
	config.vlan = 100 + worker;
	request.flags = VIO_VF_FROM_PF;
	request.pf.bus = (uint8_t)(1 + rand_r(seed) % 2);
	request.config = request.pf.bus == 1 ? &config : NULL;
	set_phase(worker, PHASE_CLAIM);
	ret = owner_claim(owner, &request, &vf);
	if (!ret) {
		own(owner, vf, worker, seed);
		return;
	}
	set_phase(worker, PHASE_IDLE);
	if (!is_refusal(ret)) {
		note_failure(owner, "claim", ret);
		return;
	}
	add(&shared->refusals);
	poll(NULL, 0, 10 + rand_r(seed) % 20);
}

static void recover_once(struct owner *owner, uint32_t worker)
{
	struct vio_vf_recovery recovery;
	int ret;

	set_phase(worker, PHASE_RECOVER);
	ret = owner_recover(owner, &recovery);
	set_phase(worker, PHASE_IDLE);
	if (ret || recovery.n_unknown)
		note_failure(owner, "recover", ret);
	atomic_fetch_add_explicit(&shared->recovered, recovery.n_undone,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&shared->kept, recovery.n_failed,
				  memory_order_relaxed);
	poll(NULL, 0, 30);
}

static int work(uint32_t worker)
{
	unsigned int seed = (unsigned int)getpid();
	struct owner owner;
	char name[32];
	int ret;

	snprintf(name, sizeof(name), "worker %u", worker);
	ret = owner_open(&owner, name);
	if (ret) {
		note_failure(&owner, "open", ret);
		return 1;
	}
	while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
		if (worker < CLAIMANTS)
			claim_once(&owner, worker, &seed);
		else
			recover_once(&owner, worker);
	}
	ret = owner_close(&owner);
	if (ret)
		note_failure(&owner, "close", ret);
	return ret != 0;
}

/* Its own descriptions of the witnesses, before any other. */
static int open_witnesses(void)
{
	char path[64];

	for (size_t i = 0; i < VFS; i++) {
		snprintf(path, sizeof(path), WITNESSES "/%s", vfs_names[i]);
		witnesses[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (witnesses[i] < 0)
			return -errno;
	}
	return 0;
}

static void spawn(uint32_t worker)
{
	set_phase(worker, PHASE_IDLE);
	pids[worker] = fork();
	assert_true(pids[worker] >= 0);
	if (pids[worker])
		return;
	_exit(open_witnesses() ? 1 : work(worker));
}

/* The record of one lease; state 0: none that can be read. */
static void
read_lease(const char *name, struct vio_journal_record *record, int *is_locked)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	uint8_t file[VIO_JOURNAL_FILE_BYTES];
	char path[64];
	ssize_t n;
	int fd;

	record->state = 0;
	*is_locked = 0;
	snprintf(path, sizeof(path), LEASES "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = pread(fd, file, sizeof(file), 0);
	if (n < 0 || vio_journal_parse(file, (size_t)n, record))
		record->state = 0;
	if (!fcntl(fd, F_OFD_GETLK, &lock))
		*is_locked = lock.l_type != F_UNLCK;
	close(fd);
}

static enum step classify(const struct vio_journal_record *record)
{
	switch (record->state) {
	case VIO_JOURNAL_CLAIMING:
		return record->begun & VIO_JOURNAL_SETTING ? STEP_SETTINGS
							   : STEP_DRIVER;
	case VIO_JOURNAL_HELD:
		return STEP_HELD;
	case VIO_JOURNAL_CONFIGURING:
		return STEP_CONFIGURING;
	default:
		return STEP_UNDOING;
	}
}

/*
 * By the leases that name it. Dead, it has no lock: one that is locked has been taken
 * over by who recovers, and says no more what the dead left.
 */
static enum step find_step(uint32_t worker, int is_dead)
{
	const int phase =
		atomic_load_explicit(&shared->phase[worker], memory_order_relaxed);
	struct vio_journal_record record;
	int is_locked;

	if (phase == PHASE_RECOVER)
		return STEP_RECOVERING;
	for (size_t i = 0; i < VFS; i++) {
		read_lease(vfs_names[i], &record, &is_locked);
		if (!record.state || record.state == VIO_JOURNAL_FREE ||
		    record.pid != pids[worker])
			continue;
		return is_dead && is_locked ? STEPS : classify(&record);
	}
	return phase == PHASE_CLAIM ? STEP_LOCKED : STEP_IDLE;
}

static enum step find_rarest(void)
{
	enum step rarest = STEP_IDLE;

	for (enum step step = STEP_IDLE; step < STEPS; step++)
		if (hits[step] < hits[rarest])
			rarest = step;
	return rarest;
}

static uint32_t find_worker(pid_t pid)
{
	uint32_t i;

	for (i = 0; i < WORKERS && pids[i] != pid; i++)
		;
	return i;
}

/* A process at that step; WORKERS: none is seen there. */
static uint32_t find_at(enum step wanted)
{
	struct vio_journal_record record;
	uint32_t i;
	int is_locked;

	if (wanted <= STEP_LOCKED || wanted == STEP_RECOVERING) {
		for (i = 0; i < WORKERS && find_step(i, 0) != wanted; i++)
			;
		return i;
	}
	for (size_t vf = 0; vf < VFS; vf++) {
		read_lease(vfs_names[vf], &record, &is_locked);
		if (!record.state || record.state == VIO_JOURNAL_FREE ||
		    classify(&record) != wanted)
			continue;
		i = find_worker(record.pid);
		if (i < WORKERS)
			return i;
	}
	return WORKERS;
}

/* A process at the rarest step, or any when the time has come. */
static uint32_t choose_victim(uint64_t deadline_ns, int aims, unsigned int *seed)
{
	const enum step rarest = find_rarest();
	uint32_t victim = WORKERS;

	while (victim == WORKERS && now_ns() < deadline_ns) {
		if (aims)
			victim = find_at(rarest);
		if (victim == WORKERS)
			poll(NULL, 0, 1);
	}
	return victim < WORKERS ? victim : (uint32_t)rand_r(seed) % WORKERS;
}

/* The end of a process, which one that is stuck in the kernel does not come to. */
static int wait_for(uint32_t worker, uint64_t end_ns)
{
	pid_t ended;
	int status;

	while (!(ended = waitpid(pids[worker], &status, WNOHANG))) {
		if (now_ns() > end_ns)
			fail_msg("worker %u does not end: %s", worker, shared->text);
		poll(NULL, 0, 1);
	}
	assert_int_equal(ended, pids[worker]);
	return status;
}

static void kill_one(uint32_t victim)
{
	enum step step;
	int status;

	assert_int_equal(kill(pids[victim], SIGKILL), 0);
	status = wait_for(victim, now_ns() + WAIT_NS);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("a process ended by itself: %s", shared->text);
	step = find_step(victim, 1);
	if (step < STEPS)
		hits[step]++;
	kills++;
	spawn(victim);
}

/* A short run goes on until every step was hit, which takes luck as well. */
static int is_over(uint64_t time_ns, uint64_t end_ns)
{
	if (hits[find_rarest()])
		return time_ns >= end_ns;
	return time_ns >= end_ns + WAIT_NS;
}

static void kill_for(uint64_t end_ns)
{
	unsigned int seed = 1;

	for (uint64_t next_ns = now_ns() + KILL_NS; !is_over(next_ns, end_ns);
	     next_ns += KILL_NS) {
		kill_one(choose_victim(next_ns, kills & 1, &seed));
		while (now_ns() < next_ns)
			poll(NULL, 0, 5);
	}
}

/* They finish what they are at. */
static void stop_all(void)
{
	const uint64_t end_ns = now_ns() + WAIT_NS;

	atomic_store_explicit(&shared->stop, 1, memory_order_relaxed);
	for (uint32_t i = 0; i < WORKERS; i++)
		if (wait_for(i, end_ns))
			fail_msg("worker %u did not end well: %s", i, shared->text);
}

static void print_result(uint64_t took_ns)
{
	print_message("%u cycles in %u ms, %u claims, %u refusals, %u opened, "
		      "%u configured, %u kills, %u recovered, %u kept for later\n",
		      get(&shared->cycles), (unsigned int)(took_ns / 1000000),
		      get(&shared->claims), get(&shared->refusals), get(&shared->opens),
		      get(&shared->configures), kills, get(&shared->recovered),
		      get(&shared->kept));
	for (uint32_t i = 0; i < STEPS; i++)
		print_message("killed %3u times at: %s\n", hits[i], step_names[i]);
}

static void killed_claimants_go_on(void **state)
{
	const uint64_t began_ns = now_ns();

	(void)state;
	for (uint32_t i = 0; i < WORKERS; i++)
		spawn(i);
	kill_for(began_ns + seconds * 1000000000);
	stop_all();
	print_result(now_ns() - began_ns);
	if (get(&shared->failures))
		fail_msg("%u failures: %s", get(&shared->failures), shared->text);
	assert_true(get(&shared->cycles) >= cycles_wanted);
}

static void no_vf_has_two_owners(void **state)
{
	(void)state;
	assert_true(get(&shared->claims) > 0);
	assert_int_equal(get(&shared->overlaps), 0);
	assert_int_equal(get(&shared->stolen), 0);
}

static void kills_reach_every_step(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < STEPS; i++)
		if (!hits[i])
			fail_msg("no kill at: %s", step_names[i]);
}

static void one_recovery_leaves_nothing_of_the_dead(void **state)
{
	struct vio_vf_recovery recovery;
	struct vio_journal_record record;
	struct owner owner;
	int is_locked;

	(void)state;
	assert_int_equal(owner_open(&owner, "last"), 0);
	assert_int_equal(owner_recover(&owner, &recovery), 0);
	assert_int_equal(recovery.n_alive + recovery.n_unknown + recovery.n_failed, 0);
	assert_int_equal(owner_close(&owner), 0);
	for (size_t i = 0; i < VFS; i++) {
		read_lease(vfs_names[i], &record, &is_locked);
		assert_int_equal(record.state, VIO_JOURNAL_FREE);
		assert_false(is_locked);
	}
}

static void every_driver_override_and_mac_is_as_before(void **state)
{
	(void)state;
	vfs_assert_as_before();
}

static void every_vf_can_be_claimed_again(void **state)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf *vfs[VFS];
	struct owner owner;

	(void)state;
	request.n = VFS;
	assert_int_equal(owner_open(&owner, "last"), 0);
	assert_int_equal(owner_claim(&owner, &request, vfs), 0);
	for (size_t i = 0; i < VFS; i++)
		assert_int_equal(owner_release(&owner, vfs[i]), 0);
	assert_int_equal(owner_close(&owner), 0);
}

static int set_up(void **state)
{
	(void)state;
	if (vfs_create() || command_run("mkdir -p " WITNESSES))
		return -1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
	(void)state;
	return vfs_destroy();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_claimants_go_on),
		cmocka_unit_test(no_vf_has_two_owners),
		cmocka_unit_test(kills_reach_every_step),
		cmocka_unit_test(one_recovery_leaves_nothing_of_the_dead),
		cmocka_unit_test(every_driver_override_and_mac_is_as_before),
		cmocka_unit_test(every_vf_can_be_claimed_again),
	};

	if (argc != 3)
		return 2;
	seconds = strtoul(argv[1], NULL, 10);
	cycles_wanted = strtoul(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
