/* SPDX-License-Identifier: MIT */
/*
 * Regions mapped from descriptors: real memfds where the kernel can be made to
 * answer, and a table of system calls with a few changed where it cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctx.h"
#include "unit/mem/fixture.h"

static int memfd(uint64_t n_pages, int seals)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(n_pages * PAGE)), 0);
	if (seals)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static struct vio_mem_region
region_from(int fd, uint64_t gpa, uint64_t n_pages, uint64_t fd_page)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = gpa;
	region.length_bytes = n_pages * PAGE;
	region.fd = fd;
	region.fd_offset_bytes = fd_page * PAGE;
	return region;
}

static int add_from(struct fixture *f, int fd, uint64_t n_pages, uint64_t fd_page)
{
	struct vio_mem_region region = region_from(fd, 0x10000, n_pages, fd_page);

	return vio_mem_add(f->mem, &region, NULL);
}

static bool is_mapped(char *hva)
{
	unsigned char resident;

	return !mincore(hva, PAGE, &resident);
}

static void a_sealed_memfd_is_mapped(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(4, F_SEAL_SHRINK);
	char *hva;

	assert_int_equal(pwrite(fd, "x", 1, 2 * PAGE + 7), 1);
	assert_int_equal(add_from(f, fd, 2, 2), 0);
	hva = find_byte(f->mem, 0x10007);
	assert_non_null(hva);
	assert_int_equal(*hva, 'x');
	close(fd);
}

static void the_descriptor_stays_the_callers(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(1, F_SEAL_SHRINK);

	assert_int_equal(add_from(f, fd, 1, 0), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	vio_mem_dispatch(f->mem);
	assert_int_equal(close(fd), 0);
}

static void what_is_written_reaches_the_file(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(1, F_SEAL_SHRINK);
	char byte;

	assert_int_equal(add_from(f, fd, 1, 0), 0);
	*find_byte(f->mem, 0x10001) = 'y';
	assert_int_equal(pread(fd, &byte, 1, 1), 1);
	assert_int_equal(byte, 'y');
	close(fd);
}

static void a_readonly_region_maps_a_descriptor_open_for_reading(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(1, F_SEAL_SHRINK | F_SEAL_WRITE);
	struct vio_mem_region region = region_from(fd, 0x10000, 1, 0);
	char path[64];
	int readable;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	readable = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(readable >= 0);
	region.fd = readable;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), -EACCES);
	region.flags = VIO_MEM_READONLY;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), 0);
	close(readable);
	close(fd);
}

struct unmapped {
	char *hva;
	uint32_t n;
};

static void check_unmapped(void *opaque, uint64_t gpa)
{
	struct unmapped *unmapped = opaque;

	assert_int_equal(gpa, 0x10000);
	assert_false(is_mapped(unmapped->hva));
	unmapped->n++;
}

static void the_mapping_is_gone_when_released_is_called(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(1, F_SEAL_SHRINK);
	struct vio_mem_region region = region_from(fd, 0x10000, 1, 0);
	struct unmapped unmapped = { 0 };

	region.released = check_unmapped;
	region.opaque = &unmapped;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), 0);
	unmapped.hva = find_byte(f->mem, 0x10000);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_true(is_mapped(unmapped.hva));
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(unmapped.n, 1);
	close(fd);
}

static void an_unsealed_memfd_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(1, F_SEAL_GROW);
	struct vio_mem_region region = region_from(fd, 0x10000, 1, 0);
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_mem_add(f->mem, &region, &err), -EPERM);
	assert_non_null(strstr(err.text, "F_SEAL_SHRINK"));
	close(fd);
}

static void an_unsealed_memfd_can_be_accepted(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(1, 0);
	struct vio_mem_region region = region_from(fd, 0x10000, 1, 0);

	region.flags = VIO_MEM_ACCEPT_UNSEALED;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), 0);
	close(fd);
}

static void a_file_that_knows_no_seals_is_refused(void **state)
{
	struct fixture *f = *state;
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(add_from(f, fds[0], 1, 0), -EPERM);
	close(fds[0]);
	close(fds[1]);
}

static void a_closed_descriptor_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(1, F_SEAL_SHRINK);

	close(fd);
	assert_int_equal(add_from(f, fd, 1, 0), -EBADF);
}

static void a_file_shorter_than_its_region_is_refused(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(2, F_SEAL_SHRINK);

	assert_int_equal(add_from(f, fd, 3, 0), -ERANGE);
	assert_int_equal(add_from(f, fd, 2, 1), -ERANGE);
	assert_int_equal(add_from(f, fd, 1, 2), -ERANGE);
	assert_int_equal(add_from(f, fd, 1, 1), 0);
	close(fd);
}

static void an_offset_and_length_past_2_64_are_refused(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(2, F_SEAL_SHRINK);

	assert_int_equal(add_from(f, fd, 2, UINT64_MAX / PAGE), -ERANGE);
	assert_int_equal(add_from(f, fd, 1, UINT64_MAX / PAGE), -ERANGE);
	assert_int_equal(add_from(f, fd, 1, INT64_MAX / PAGE), -ERANGE);
	close(fd);
}

static void a_region_that_overlaps_is_refused_before_it_is_mapped(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add_from(f, 1000000, 1, 0), -EEXIST);
}

static void an_aborted_batch_unmaps_and_releases(void **state)
{
	struct fixture *f = *state;
	int fd = memfd(1, F_SEAL_SHRINK);
	struct vio_mem_region region = region_from(fd, 0x10000, 1, 0);
	struct count count = { 0 };

	region.released = count_released;
	region.opaque = &count;
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), 0);
	assert_int_equal(vio_mem_abort(f->mem), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(count.n, 1);
	close(fd);
}

/* A kernel with a few answers of its own; counts mappings. */
struct kernel {
	struct vio_sys sys;
	int mmap_error;
	int fstat_error;
	off_t st_size;            /* not 0: instead of the file's */
	blksize_t huge_page;      /* not 0: what hugetlbfs does */
	off_t offset;             /* of the last mapping */
	size_t mapped_bytes;      /* likewise */
	size_t unmapped_bytes[2]; /* of the calls, in order */
	uint32_t n_unmaps;
	int n_mapped;
};

static int fake_fcntl(void *opaque, int fd, int command, long argument)
{
	(void)opaque;
	(void)fd;
	(void)argument;
	assert_int_equal(command, F_GET_SEALS);
	return F_SEAL_SHRINK | F_SEAL_SEAL;
}

static int fake_fstat(void *opaque, int fd, struct stat *out)
{
	struct kernel *kernel = opaque;

	(void)fd;
	if (kernel->fstat_error)
		return kernel->fstat_error;
	memset(out, 0, sizeof(*out));
	out->st_size = kernel->st_size;
	out->st_blksize = kernel->huge_page;
	return 0;
}

static void *fake_mmap(void *opaque, size_t n, int protection, int flags, int fd,
		       off_t offset, int *out_error)
{
	static char page[PAGE] __attribute__((aligned(4096)));
	struct kernel *kernel = opaque;

	(void)fd;
	assert_int_equal(protection, PROT_READ | PROT_WRITE);
	assert_int_equal(flags, MAP_SHARED);
	if (kernel->mmap_error) {
		*out_error = kernel->mmap_error;
		return NULL;
	}
	kernel->n_mapped++;
	kernel->offset = offset;
	kernel->mapped_bytes = n;
	return page;
}

static int fake_munmap(void *opaque, void *ptr, size_t n)
{
	struct kernel *kernel = opaque;

	assert_non_null(ptr);
	assert_true(kernel->n_unmaps < 2);
	kernel->unmapped_bytes[kernel->n_unmaps++] = n;
	if (kernel->huge_page && n % (size_t)kernel->huge_page)
		return -EINVAL;
	kernel->n_mapped--;
	return 0;
}

/* A table on a context on that kernel, which stands for no more than memory. */
struct stage {
	struct kernel kernel;
	struct vio_ctx *ctx;
	struct fixture f;
};

static void stage_create(struct stage *stage, off_t st_size, blksize_t huge_page)
{
	*stage = (struct stage){ .kernel = {
					 .st_size = st_size,
					 .huge_page = huge_page,
				 } };
	assert_int_equal(vio_ctx_create(NULL, &stage->ctx, NULL), 0);
	stage->kernel.sys = vio_sys_linux;
	stage->kernel.sys.opaque = &stage->kernel;
	stage->kernel.sys.fcntl = fake_fcntl;
	stage->kernel.sys.fstat = fake_fstat;
	stage->kernel.sys.mmap = fake_mmap;
	stage->kernel.sys.munmap = fake_munmap;
	stage->ctx->env.sys = &stage->kernel.sys;
	assert_int_equal(vio_mem_create(stage->ctx, &stage->f.mem), 0);
}

static void stage_destroy(struct stage *stage)
{
	assert_int_equal(vio_mem_destroy(stage->f.mem, NULL), 0);
	assert_int_equal(stage->kernel.n_mapped, 0);
	stage->ctx->env.sys = &vio_sys_linux;
	assert_int_equal(vio_ctx_destroy(stage->ctx, NULL), 0);
}

static void what_mmap_answers_is_passed_on(void **state)
{
	struct stage stage;

	(void)state;
	stage_create(&stage, PAGE, 0);
	stage.kernel.mmap_error = -EAGAIN;
	assert_int_equal(add_from(&stage.f, 0, 1, 0), -EAGAIN);
	stage_destroy(&stage);
}

static void what_fstat_answers_is_passed_on(void **state)
{
	struct stage stage;

	(void)state;
	stage_create(&stage, PAGE, 0);
	stage.kernel.fstat_error = -EOVERFLOW;
	assert_int_equal(add_from(&stage.f, 0, 1, 0), -EOVERFLOW);
	stage_destroy(&stage);
}

static void a_file_of_negative_size_is_refused(void **state)
{
	struct stage stage;

	(void)state;
	stage_create(&stage, -1, 0);
	assert_int_equal(add_from(&stage.f, 0, 1, 0), -ERANGE);
	stage_destroy(&stage);
}

static int refuse(void *opaque, const struct vio_mem_change *changes, uint32_t n)
{
	(void)opaque;
	(void)changes;
	(void)n;
	return -EPERM;
}

static void a_refused_region_is_unmapped_at_once(void **state)
{
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;
	struct stage stage;

	(void)state;
	stage_create(&stage, PAGE, 0);
	listener.prepare = refuse;
	assert_int_equal(vio_mem_attach_listener(stage.f.mem, &listener), 0);
	assert_int_equal(add_from(&stage.f, 0, 1, 0), -EPERM);
	assert_int_equal(stage.kernel.n_mapped, 0);
	stage_destroy(&stage);
}

static void part_of_a_huge_page_is_mapped_and_unmapped_whole(void **state)
{
	struct stage stage;

	(void)state;
	stage_create(&stage, 2 << 21, 1 << 21);
	assert_int_equal(add_from(&stage.f, 0, 3, 513), 0);
	assert_int_equal(stage.kernel.offset, 1 << 21);
	assert_int_equal(stage.kernel.mapped_bytes, 1 << 21);
	assert_int_equal(vio_mem_remove(stage.f.mem, 0x10000), 0);
	vio_mem_dispatch(stage.f.mem);
	assert_int_equal(stage.kernel.n_unmaps, 1);
	assert_int_equal(stage.kernel.unmapped_bytes[0], 1 << 21);
	stage_destroy(&stage);
}

static void a_region_over_two_huge_pages_maps_both(void **state)
{
	struct stage stage;

	(void)state;
	stage_create(&stage, 2 << 21, 1 << 21);
	assert_int_equal(add_from(&stage.f, 0, 2, 511), 0);
	assert_int_equal(stage.kernel.offset, 0);
	assert_int_equal(stage.kernel.mapped_bytes, 2 << 21);
	stage_destroy(&stage);
}

static void whole_pages_are_unmapped_as_they_were_mapped(void **state)
{
	struct stage stage;

	(void)state;
	stage_create(&stage, 4 * PAGE, 0);
	assert_int_equal(add_from(&stage.f, 0, 3, 0), 0);
	assert_int_equal(vio_mem_remove(stage.f.mem, 0x10000), 0);
	vio_mem_dispatch(stage.f.mem);
	assert_int_equal(stage.kernel.n_unmaps, 1);
	assert_int_equal(stage.kernel.unmapped_bytes[0], 3 * PAGE);
	stage_destroy(&stage);
}

/* What the child found, as its exit status. */
static int add_in_child(struct vio_mem *mem, int fd)
{
	struct fixture f = { .mem = mem };

	if (add_from(&f, fd, 1, 0) != -ECHILD)
		return 1;
	return vio_mem_destroy(mem, NULL) ? 2 : 0;
}

static void a_forked_child_maps_nothing(void **state)
{
	struct vio_ctx *ctx;
	struct vio_mem *mem;
	int fd = memfd(1, F_SEAL_SHRINK);
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_mem_create(ctx, &mem), 0);
	child = fork();
	if (!child)
		_exit(add_in_child(mem, fd));
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(vio_mem_destroy(mem, NULL), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_table(a_sealed_memfd_is_mapped),
		test_with_table(the_descriptor_stays_the_callers),
		test_with_table(what_is_written_reaches_the_file),
		test_with_table(a_readonly_region_maps_a_descriptor_open_for_reading),
		test_with_table(the_mapping_is_gone_when_released_is_called),
		test_with_table(an_unsealed_memfd_is_refused),
		test_with_table(an_unsealed_memfd_can_be_accepted),
		test_with_table(a_file_that_knows_no_seals_is_refused),
		test_with_table(a_closed_descriptor_is_refused),
		test_with_table(a_file_shorter_than_its_region_is_refused),
		test_with_table(an_offset_and_length_past_2_64_are_refused),
		test_with_table(a_region_that_overlaps_is_refused_before_it_is_mapped),
		test_with_table(an_aborted_batch_unmaps_and_releases),
		test_with_table(what_mmap_answers_is_passed_on),
		test_with_table(what_fstat_answers_is_passed_on),
		test_with_table(a_file_of_negative_size_is_refused),
		test_with_table(a_refused_region_is_unmapped_at_once),
		test_with_table(part_of_a_huge_page_is_mapped_and_unmapped_whole),
		test_with_table(a_region_over_two_huge_pages_maps_both),
		test_with_table(whole_pages_are_unmapped_as_they_were_mapped),
		test_with_table(a_forked_child_maps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
