/* SPDX-License-Identifier: MIT */
/*
 * Effects are writes and syncs of files, and folders made; what an event needs is
 * none. Settings go around the kernel: the two calls below stand in for it at link
 * time.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ctx.h"
#include "scene.h"
#include "sys/loop.h"
#include "vf/setting.h"

struct scene_settings scene_settings;

static struct process *process_of(const struct vio_host *host)
{
	return host->env->sys->opaque;
}

void scene_remove_pf(struct scene *scene)
{
	vio_fake_pci_remove(scene->vf[1]);
	vio_fake_pci_remove(scene->vf[0]);
	vio_fake_pci_remove(scene->pf[0]);
}

int process_reach(struct process *p)
{
	const uint32_t n = __atomic_add_fetch(&p->n_effects, 1, __ATOMIC_RELAXED);

	if (n == p->abort_at)
		(void)vio_ctx_abort_work(p->ctx);
	if (n == p->vanish_at)
		scene_remove_pf(p->scene);
	if (n == p->die_at)
		__atomic_store_n(&p->is_dead, 1, __ATOMIC_RELAXED);
	if (__atomic_load_n(&p->is_dead, __ATOMIC_RELAXED) || n == p->fail_at)
		return -EIO;
	return 0;
}

static const struct vio_sys *base_of(const struct process *p)
{
	return vio_fake_get_sys(p->scene->fake);
}

static int is_file(const struct process *p, int fd)
{
	const struct vio_sys *base = base_of(p);
	struct stat status;

	return !base->fstat(base->opaque, fd, &status) && S_ISREG(status.st_mode);
}

static int scene_openat(void *opaque, int dir, const char *path, int flags, mode_t mode)
{
	const struct process *p = opaque;
	const struct vio_sys *base = base_of(p);

	if (p->on_open)
		p->on_open(p->on_open_opaque, path);
	return base->openat(base->opaque, dir, path, flags, mode);
}

static int scene_close(void *opaque, int fd)
{
	const struct vio_sys *base = base_of(opaque);

	return base->close(base->opaque, fd);
}

static ssize_t scene_read(void *opaque, int fd, void *buf, size_t n)
{
	const struct vio_sys *base = base_of(opaque);

	return base->read(base->opaque, fd, buf, n);
}

static ssize_t scene_write(void *opaque, int fd, const void *buf, size_t n)
{
	const struct vio_sys *base = base_of(opaque);
	const int ret = is_file(opaque, fd) ? process_reach(opaque) : 0;

	return ret ? ret : base->write(base->opaque, fd, buf, n);
}

static ssize_t scene_pread(void *opaque, int fd, void *buf, size_t n, off_t offset)
{
	const struct vio_sys *base = base_of(opaque);

	return base->pread(base->opaque, fd, buf, n, offset);
}

static ssize_t
scene_pwrite(void *opaque, int fd, const void *buf, size_t n, off_t offset)
{
	struct process *p = opaque;
	const struct vio_sys *base = base_of(p);
	const int was_dead = (int)__atomic_load_n(&p->is_dead, __ATOMIC_RELAXED);
	const int ret = process_reach(p);

	/* Only a record is longer than a sector's half; an attribute is not torn. */
	if (ret && p->is_dead && !was_dead && p->death == DEATH_TORN && n >= 512)
		base->pwrite(base->opaque, fd, buf, n / 2, offset);
	return ret ? ret : base->pwrite(base->opaque, fd, buf, n, offset);
}

static int scene_fstat(void *opaque, int fd, struct stat *out)
{
	const struct vio_sys *base = base_of(opaque);

	return base->fstat(base->opaque, fd, out);
}

static int scene_fcntl(void *opaque, int fd, int command, long argument)
{
	const struct vio_sys *base = base_of(opaque);

	return base->fcntl(base->opaque, fd, command, argument);
}

/* Counted and not made: the machine that these tests are for does not stop. */
static int scene_fsync(void *opaque, int fd)
{
	(void)fd;
	return process_reach(opaque);
}

static ssize_t
scene_readlinkat(void *opaque, int dir, const char *path, char *buf, size_t n)
{
	const struct vio_sys *base = base_of(opaque);

	return base->readlinkat(base->opaque, dir, path, buf, n);
}

static int scene_mkdirat(void *opaque, int dir, const char *path, mode_t mode)
{
	const struct vio_sys *base = base_of(opaque);

	return base->mkdirat(base->opaque, dir, path, mode);
}

static ssize_t scene_getdents(void *opaque, int fd, void *buf, size_t n)
{
	const struct vio_sys *base = base_of(opaque);

	return base->getdents(base->opaque, fd, buf, n);
}

static int scene_clock_gettime(void *opaque, int clock_id, struct timespec *out)
{
	const struct vio_sys *base = base_of(opaque);

	return base->clock_gettime(base->opaque, clock_id, out);
}

static int scene_timerfd_create(void *opaque, int clock_id)
{
	const struct vio_sys *base = base_of(opaque);

	return base->timerfd_create(base->opaque, clock_id);
}

static int
scene_timerfd_settime(void *opaque, int fd, int flags, const struct itimerspec *value)
{
	const struct vio_sys *base = base_of(opaque);

	return base->timerfd_settime(base->opaque, fd, flags, value);
}

static void *scene_mmap(void *opaque, size_t n, int protection, int flags, int fd,
			off_t offset, int *out_error)
{
	const struct vio_sys *base = base_of(opaque);

	return base->mmap(base->opaque, n, protection, flags, fd, offset, out_error);
}

/* The rest needs no opaque: it is the real kernel's. */
static void fill_sys(struct process *p)
{
	p->sys = vio_sys_linux;
	p->sys.opaque = p;
	p->sys.openat = scene_openat;
	p->sys.close = scene_close;
	p->sys.read = scene_read;
	p->sys.write = scene_write;
	p->sys.pread = scene_pread;
	p->sys.pwrite = scene_pwrite;
	p->sys.fstat = scene_fstat;
	p->sys.fcntl = scene_fcntl;
	p->sys.fsync = scene_fsync;
	p->sys.readlinkat = scene_readlinkat;
	p->sys.mkdirat = scene_mkdirat;
	p->sys.getdents = scene_getdents;
	p->sys.clock_gettime = scene_clock_gettime;
	p->sys.timerfd_create = scene_timerfd_create;
	p->sys.timerfd_settime = scene_timerfd_settime;
	p->sys.mmap = scene_mmap;
}

void scene_create(struct scene *scene)
{
	static const char *const names[SCENE_VFS] = {
		"0000:01:10.0",
		"0000:01:10.2",
		"0000:02:10.0",
		"0000:02:10.2",
	};

	memset(scene, 0, sizeof(*scene));
	memset(&scene_settings, 0, sizeof(scene_settings));
	scene->fake = vio_fake_create();
	vio_fake_pci_prepare(&scene->pci, scene->fake);
	vio_fake_pci_add_driver(&scene->pci, "igbvf");
	vio_fake_pci_add_driver(&scene->pci, "vfio-pci");
	scene->pf[0] = vio_fake_pci_add_pf(&scene->pci, "0000:01:00.0", 0, 1000);
	scene->pf[1] = vio_fake_pci_add_pf(&scene->pci, "0000:02:00.0", 1, 10000);
	for (uint32_t i = 0; i < SCENE_VFS; i++) {
		scene->vf[i] = vio_fake_pci_add_vf(&scene->pci, scene->pf[i / 2],
						   names[i], "igbvf", -1);
		scene->vf[i]->config.mac[0] = 2;
		scene->vf[i]->config.mac[5] = (uint8_t)i;
		scene->vf[i]->config.spoofchk = 1;
	}
	/* What is bound need not be what would be bound. */
	strcpy(scene->vf[1]->override, "vfio-pci");
	strcpy(scene->run_dir, "/tmp/vio-lease-XXXXXX");
	assert_non_null(mkdtemp(scene->run_dir));
	vio_fake_pci_print(&scene->pci, scene->before);
}

static void remove_files(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	char name[512];

	while (dir && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(name);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

void scene_destroy(struct scene *scene)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/vf", scene->run_dir);
	remove_files(path);
	remove_files(scene->run_dir);
	vio_fake_destroy(scene->fake);
}

void scene_verify_before(struct scene *scene)
{
	char now[VIO_FAKE_PCI_SNAPSHOT];

	vio_fake_pci_print(&scene->pci, now);
	assert_string_equal(now, scene->before);
}

static void *lend(void *opaque)
{
	vio_ctx_work(opaque);
	return NULL;
}

void process_start(struct process *p, struct scene *scene)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	struct vio_ctx_params ctx_params = VIO_CTX_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	memset(p, 0, sizeof(*p));
	p->scene = scene;
	fill_sys(p);
	ctx_params.flags = VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD;
	assert_int_equal(vio_ctx_create_on(&ctx_params, &p->sys, &p->ctx, &err), 0);
	assert_int_equal(pthread_create(&p->thread, NULL, lend, p->ctx), 0);
	params.sysfs_root = VIO_FAKE_PCI_ROOT;
	params.run_dir = scene->run_dir;
	params.owner = "test";
	assert_int_equal(vio_host_open(p->ctx, &params, &p->host, &err), 0);
}

void process_end(struct process *p)
{
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_host_close(p->host, &err), 0);
	assert_int_equal(vio_ctx_abort_work(p->ctx), 0);
	pthread_join(p->thread, NULL);
	assert_int_equal(vio_ctx_destroy(p->ctx, &err), 0);
}

void process_done(void *opaque, int result, const struct vio_error *err)
{
	struct process *p = opaque;

	assert_int_equal(!result, !err);
	p->n_done++;
	p->result = result;
	snprintf(p->why, sizeof(p->why), "%s", err ? err->text : "");
}

int process_wait(struct process *p, int ret)
{
	const uint32_t n = p->n_done;

	if (ret)
		return ret;
	vio_test_dispatch_until(p->ctx, &p->n_done, n + 1);
	return p->result;
}

void process_settle(struct process *p)
{
	if (vio_async_get_pending(p->ctx->async))
		vio_test_wait_fd(vio_ctx_get_fd(p->ctx));
	/* By its lock: what the call has written is seen here. */
	(void)vio_async_is_able(p->ctx->async);
}

int process_step(struct process *p)
{
	process_settle(p);
	return vio_ctx_dispatch(p->ctx, 1);
}

int process_claim(struct process *p, struct vio_vf **out)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	return process_wait(
		p, vio_vf_claim(p->host, &request, out, process_done, p, &err));
}

int solo_setup(void **state)
{
	struct solo *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	scene_create(&s->scene);
	process_start(&s->p, &s->scene);
	s->request = (struct vio_vf_request)VIO_VF_REQUEST_INIT;
	s->err = (struct vio_error)VIO_ERROR_INIT;
	*state = s;
	return 0;
}

int solo_teardown(void **state)
{
	struct solo *s = *state;

	scene_verify_before(&s->scene);
	process_end(&s->p);
	scene_destroy(&s->scene);
	free(s);
	return 0;
}

int solo_claim(struct solo *s)
{
	return process_wait(&s->p, vio_vf_claim(s->p.host, &s->request, s->vf,
						process_done, &s->p, &s->err));
}

void solo_release(struct solo *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(
			process_wait(&s->p, vio_vf_release(s->vf[i], process_done,
							   &s->p, &s->err)),
			0);
}

/* A setting under way: its task brings the end in dispatch. */
struct setting_task {
	struct vio_task task;
	struct vio_setting_call *call;
	int result;
	int is_read; /* not before then */
};

static int read_settings(struct vio_setting_call *call);

static void setting_run(struct vio_task *task)
{
	struct setting_task *t = VIO_CONTAINER_OF(task, struct setting_task, task);
	struct vio_setting_call *call = t->call;
	const int result = t->is_read ? read_settings(call) : t->result;

	free(t);
	call->done(call, result);
}

static int post_task(struct vio_setting_call *call, int result, int is_read)
{
	struct setting_task *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	t->task.run = setting_run;
	t->call = call;
	t->result = result;
	t->is_read = is_read;
	vio_loop_post(call->host->env->loop, &t->task);
	return 0;
}

static int post(struct vio_setting_call *call, int result)
{
	return post_task(call, result, 0);
}

static struct vio_fake_function *function_of(const struct vio_setting_call *call)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	vio_pci_addr_print(&call->vf, name);
	return vio_fake_pci_find(&process_of(call->host)->scene->pci, name);
}

static void copy_field(struct vio_vf_config *to, const struct vio_vf_config *from)
{
	if (from->fields & VIO_VF_MAC)
		memcpy(to->mac, from->mac, sizeof(to->mac));
	if (from->fields & VIO_VF_VLAN) {
		to->vlan = from->vlan;
		to->qos = from->qos;
		to->vlan_protocol = from->vlan_protocol;
	}
	if (from->fields & VIO_VF_MIN_RATE)
		to->min_tx_mbps = from->min_tx_mbps;
	if (from->fields & VIO_VF_MAX_RATE)
		to->max_tx_mbps = from->max_tx_mbps;
	if (from->fields & VIO_VF_SPOOFCHK)
		to->spoofchk = from->spoofchk;
	if (from->fields & VIO_VF_TRUST)
		to->trust = from->trust;
	if (from->fields & VIO_VF_MSIX)
		to->n_msix = from->n_msix;
	if (from->fields & VIO_VF_NVME) {
		to->nvme_vq = from->nvme_vq;
		to->nvme_vi = from->nvme_vi;
	}
}

int vio_setting_set(struct vio_setting_call *call)
{
	struct vio_fake_function *function = function_of(call);

	scene_settings.n_sets++;
	if (!function)
		return post(call, -ENODEV);
	if (call->config.fields & scene_settings.lacks)
		return post(call, -EOPNOTSUPP);
	/* As the kernel: not under a driver that counts on them. */
	if (call->config.fields & VIO_VF_MSIX && function->driver[0])
		return post(call, -EBUSY);
	if (process_reach(process_of(call->host)))
		return post(call, -EIO);
	scene_settings.n_nvme += !!(call->config.fields & VIO_VF_NVME);
	if (!(call->config.fields & scene_settings.ignores))
		copy_field(&function->config, &call->config);
	return post(call, call->config.fields & scene_settings.loses ? -ENOBUFS : 0);
}

static int read_settings(struct vio_setting_call *call)
{
	const struct vio_fake_function *function = function_of(call);

	if (!function)
		return -ENODEV;
	if (scene_settings.are_missing)
		return -EOPNOTSUPP;
	call->config = function->config;
	call->config.size = sizeof(call->config);
	call->config.fields = (VIO_VF_TRUST << 1) - 1;
	if (function->config.n_msix)
		call->config.fields |= VIO_VF_MSIX;
	if (function->config.nvme_vq)
		call->config.fields |= VIO_VF_NVME;
	return 0;
}

int vio_setting_read(struct vio_setting_call *call)
{
	return post_task(call, 0, 1);
}
