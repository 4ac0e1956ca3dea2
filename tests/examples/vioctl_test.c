/* SPDX-License-Identifier: MIT */
/*
 * vioctl on a machine made of folders: one PF with two VFs, and for those that hold
 * one VF another PF. What a command prints and how it exits; what it does to a real
 * machine is the guest suite's.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATH_BYTES 512
#define DEVICES    "devices/pci0000:00"
#define PF         DEVICES "/0000:01:00.0"
#define VF0        DEVICES "/0000:01:10.0"
#define VF1        DEVICES "/0000:01:10.2"
#define PF2        DEVICES "/0000:02:00.0"
#define VF2        DEVICES "/0000:02:10.0"

static char root[PATH_BYTES / 4];
static char output[65536];

static void make_dirs(const char *path)
{
	char part[PATH_BYTES];

	for (const char *at = path; (at = strchr(at + 1, '/'));) {
		snprintf(part, sizeof(part), "%.*s", (int)(at - path), path);
		assert_true(!mkdir(part, 0700) || errno == EEXIST);
	}
}

static void put_bytes(const char *name, const void *bytes, size_t n)
{
	char path[PATH_BYTES];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	make_dirs(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), (ssize_t)n);
	close(fd);
}

static void put(const char *folder, const char *name, const char *text)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	put_bytes(path, text, strlen(text));
}

static void put_link(const char *folder, const char *name, const char *target)
{
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/%s/%s", root, folder, name);
	make_dirs(path);
	assert_int_equal(symlink(target, path), 0);
}

static void put_function(const char *folder, const char *device, const char *group)
{
	const char *address = strrchr(folder, '/') + 1;
	char text[PATH_BYTES / 2];

	put(folder, "vendor", "0x8086\n");
	put(folder, "device", device);
	put(folder, "class", "0x020000\n");
	put(folder, "numa_node", "-1\n");
	put(folder, "reset_method", "flr\n");
	put(folder, "driver_override", "(null)\n");
	put(folder, "resource", "");
	snprintf(text, sizeof(text), "../../../%.128s", folder);
	put_link("bus/pci/devices", address, text);
	snprintf(text, sizeof(text), "kernel/iommu_groups/%s/devices", group);
	put_link(text, address, "../../../../");
	snprintf(text, sizeof(text), "../../../kernel/iommu_groups/%s", group);
	put_link(folder, "iommu_group", text);
}

/* A function with a power management capability and nothing else. */
static void put_config(const char *folder)
{
	uint8_t config[256] = { 0x86, 0x80, 0xc9, 0x10 };
	char path[PATH_BYTES];

	config[0x06] = 0x10;
	config[0x34] = 0x40;
	config[0x40] = 0x01;
	snprintf(path, sizeof(path), "%s/config", folder);
	put_bytes(path, config, sizeof(config));
}

static int create(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(root, sizeof(root), "%.80s/vioctl-XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(root));
	put_function(PF, "0x10c9\n", "14");
	put(PF, "sriov_totalvfs", "7\n");
	put(PF, "sriov_drivers_autoprobe", "1\n");
	put_link(PF, "virtfn0", "../0000:01:10.0");
	put_link(PF, "virtfn1", "../0000:01:10.2");
	put_link(PF, "driver", "../../../bus/pci/drivers/igb");
	put_config(PF);
	put_function(VF0, "0x10ca\n", "15");
	put_link(VF0, "physfn", "../0000:01:00.0");
	put_link(VF0, "driver", "../../../bus/pci/drivers/igbvf");
	put_config(VF0);
	put_function(VF1, "0x10ca\n", "16");
	put_link(VF1, "physfn", "../0000:01:00.0");
	put_config(VF1);
	return 0;
}

/* A PF whose VF has no driver, so that nothing is to be bound to hold it. */
static int create_two(void **state)
{
	create(state);
	put_function(PF2, "0x10c9\n", "17");
	put(PF2, "sriov_totalvfs", "7\n");
	put(PF2, "sriov_drivers_autoprobe", "1\n");
	put(PF2, "sriov_numvfs", "1\n");
	put_link(PF2, "virtfn0", "../0000:02:10.0");
	put_link(PF2, "driver", "../../../bus/pci/drivers/igb");
	put_function(VF2, "0x10ca\n", "18");
	put_link(VF2, "physfn", "../0000:02:00.0");
	/* As it is after a release has written nothing over it. */
	put(VF2, "driver_override", "\n");
	put_config(VF2);
	put("dev/vfio", "18", "");
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static int destroy(void **state)
{
	(void)state;
	return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Runs vioctl there; the exit code. What it printed on both is in output. */
static int vioctl(const char *words)
{
	char line[2 * PATH_BYTES];
	FILE *pipe;
	size_t n;
	int status;

	assert_non_null(getenv("VIOCTL"));
	snprintf(line, sizeof(line),
		 "exec '%s' --sysfs '%s' --dev '%s/dev' --run '%s/run' %s "
		 "</dev/null 2>&1",
		 getenv("VIOCTL"), root, root, root, words);
	pipe = popen(line, "r");
	assert_non_null(pipe);
	n = fread(output, 1, sizeof(output) - 1, pipe);
	output[n] = '\0';
	status = pclose(pipe);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void assert_said(const char *text)
{
	if (!strstr(output, text))
		fail_msg("not said: %s\nbut: %s", text, output);
}

static void assert_lines(unsigned int n)
{
	unsigned int lines = 0;

	for (const char *at = output; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, n);
}

static void list_has_a_line_for_each_function(void **state)
{
	(void)state;
	assert_int_equal(vioctl("list"), 0);
	assert_lines(4);
	assert_said("0000:01:00.0    igb           -    14    2/7  isolated");
	assert_said("  0000:01:10.0  igbvf         -    15      -  isolated");
	assert_said("  0000:01:10.2  -             -    16      -  isolated");
}

static void list_of_one_pf_is_its_own_and_its_vfs(void **state)
{
	(void)state;
	assert_int_equal(vioctl("list --pf 01:00.0"), 0);
	assert_lines(4);
	assert_int_equal(vioctl("list --pf 02:00.0"), 3);
	assert_said("vioctl: 0000:02:00.0: ");
	assert_lines(1);
}

static void list_of_what_is_free_has_vfs_alone(void **state)
{
	(void)state;
	assert_int_equal(vioctl("list --free"), 0);
	assert_lines(3);
}

static void json_is_one_line_with_the_promised_keys(void **state)
{
	(void)state;
	assert_int_equal(vioctl("list --json"), 0);
	assert_lines(1);
	assert_said("{\"functions\":[{\"address\":\"0000:01:00.0\",\"kind\":\"pf\","
		    "\"vendor_id\":\"0x8086\",\"device_id\":\"0x10c9\",");
	assert_said("\"iommu_group\":15,\"is_isolated\":true,\"has_acs_path\":true,"
		    "\"reset_methods\":[\"flr\"],\"netdev\":null,");
	assert_said("\"total_vfs\":7,\"n_vfs\":2,\"is_autoprobe\":true,");
	assert_said("\"pf\":\"0000:01:00.0\",\"vf_index\":1,\"n_msix\":null,"
		    "\"lease\":null}]}");
}

static void show_has_capabilities_in_both_forms(void **state)
{
	(void)state;
	assert_int_equal(vioctl("--json show 01:10.0"), 0);
	assert_said("\"capabilities\":{\"pm\":{\"offset\":\"0x40\"},\"pcie\":null,");
	assert_int_equal(vioctl("show 01:10.0"), 0);
	assert_said("\ncapabilities:\n  pm:\n    offset: 0x40\n  pcie: -\n");
}

static void raw_bytes_are_laid_out_as_lspci_does(void **state)
{
	(void)state;
	assert_int_equal(vioctl("show 01:00.0 --raw"), 0);
	assert_lines(17);
	assert_said("00: 86 80 c9 10 00 00 10 00 00 00 00 00 00 00 00 00\n10: 00");
	assert_said("\nf0: 00");
}

static void a_list_of_capabilities_that_loops_is_told(void **state)
{
	uint8_t config[256] = { [0x06] = 0x10, [0x34] = 0x40, [0x40] = 1, 0x40 };

	(void)state;
	put_bytes(VF1 "/config", config, sizeof(config));
	assert_int_equal(vioctl("show 01:10.2"), 1);
	assert_said("capabilities: -\n");
	assert_said("vioctl: 0000:01:10.2: ");
	put_config(VF1);
}

static void what_a_driver_is_called_does_not_reach_the_terminal(void **state)
{
	(void)state;
	put(VF1, "driver_override", "\033[31m\n");
	assert_int_equal(vioctl("list"), 1);
	assert_null(strchr(output, '\033'));
	put(VF1, "driver_override", "(null)\n");
}

static void an_error_is_json_where_that_is_asked_for(void **state)
{
	(void)state;
	assert_int_equal(vioctl("show 05:00.0 --json"), 3);
	assert_said("{\"error\":{\"errno\":\"ENODEV\",\"exit_code\":3,\"text\":\"");
}

static void words_that_are_wrong_exit_with_2(void **state)
{
	static const char *const lines[] = {
		"",
		"frob",
		"list --frob",
		"list frob",
		"list --pf",
		"list --pf 01:00.9",
		"list --json=1",
		"show",
		"show 01:00.0junk",
		"claim -n 0",
		"claim -n 65",
		"claim -n 1x",
		"claim --policy best",
		"claim --need isolated,luck",
		"claim --mac 02:00:00:00:00",
		"claim --mac 02:00:00:00:00:0g",
		"release",
		"release nothing",
		"configure 01:10.0",
		"configure 01:10.0 --spoofchk maybe",
		"recover now",
		"watch --count 0",
		"pause",
		"pause 01:10.0 01:10.2",
		"pause 01:10.0 --timeout 0",
		"pause 01:10.0 --timeout 3601",
		"resume",
		"resume 01:10.0 --to nowhere",
		"resize",
		"resize 01:00.0",
		"resize 01:00.0 many",
		"resize 01:00.0 65536",
		"resize nothing 4",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		if (vioctl(lines[i]) != 2)
			fail_msg("%s: not refused: %s", lines[i], output);
}

static void every_help_fits_a_screen(void **state)
{
	static const char *const lines[] = {
		"--help",     "list --help",      "show --help",    "claim --help",
		"release -h", "configure --help", "recover --help", "watch --help",
		"pause -h",   "resume --help",    "resize --help",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		unsigned int n_lines = 0;

		assert_int_equal(vioctl(lines[i]), 0);
		assert_said("Usage: vioctl ");
		for (char *at = strtok(output, "\n"); at; at = strtok(NULL, "\n")) {
			assert_true(strlen(at) <= 80);
			n_lines++;
		}
		assert_in_range(n_lines, 3, 24);
	}
}

static void a_vf_that_nobody_holds_is_not_released(void **state)
{
	(void)state;
	assert_int_equal(vioctl("release 01:10.0"), 4);
	assert_string_equal(output, "vioctl: 0000:01:10.0: nobody holds it, vioctl "
				    "claim does\n");
}

static void recovery_without_leases_has_nothing_to_do(void **state)
{
	(void)state;
	assert_int_equal(vioctl("recover --json"), 0);
	assert_string_equal(output, "{\"undone\":0,\"alive\":0,\"unknown\":0,"
				    "\"failed\":0}\n");
}

static void what_cannot_be_resized_is_told_with_the_reason(void **state)
{
	(void)state;
	assert_int_equal(vioctl("resize 05:00.0 2"), 3);
	assert_lines(1);
	assert_int_equal(vioctl("resize 01:00.0 8"), 1);
	assert_said("vioctl: 0000:01:00.0: 8 VFs are asked for, it makes 7\n");
	assert_int_equal(vioctl("resize 01:10.0 2"), 6);
	assert_said("0000:01:10.0: cannot make virtual functions");
}

static void the_number_that_is_there_is_no_work(void **state)
{
	(void)state;
	assert_int_equal(vioctl("resize 01:00.0 2 --json"), 0);
	assert_said("{\"pf\":\"0000:01:00.0\",\"n_vfs\":2,\"paused\":0,\"pause_ns\":0,"
		    "\"kernel_ns\":0,\"total_ns\":");
	assert_int_equal(vioctl("resize 01:00.0 2"), 0);
	assert_said("pf: 0000:01:00.0\nn_vfs: 2\npaused: 0\n");
}

static void a_vf_that_nobody_holds_is_not_paused(void **state)
{
	(void)state;
	assert_int_equal(vioctl("pause 01:10.0"), 4);
	assert_said("0000:01:10.0: nobody holds it, vioctl claim does\n");
	assert_int_equal(vioctl("resume 01:10.0"), 4);
	assert_said("0000:01:10.0: nobody holds it, vioctl claim does\n");
	assert_int_equal(vioctl("pause 05:10.0"), 3);
}

static pid_t holder;

static void run_holder(int out)
{
	char run[PATH_BYTES];

	snprintf(run, sizeof(run), "%s/run", root);
	if (dup2(out, STDOUT_FILENO) >= 0)
		execl(getenv("VIOCTL"), "vioctl", "--sysfs", root, "--run", run,
		      "claim", "--pf", "02:00.0", "--driver", "", "--tag", "test",
		      (char *)NULL);
	_exit(1);
}

/* Returns when it has said what it holds. */
static int hold(void **state)
{
	char line[32] = "";
	int out[2];

	(void)state;
	assert_int_equal(pipe(out), 0);
	holder = fork();
	assert_true(holder >= 0);
	if (!holder)
		run_holder(out[1]);
	close(out[1]);
	assert_int_equal(read(out[0], line, sizeof(line) - 1), 13);
	close(out[0]);
	assert_string_equal(line, "0000:02:10.0\n");
	return 0;
}

static int let_go(void **state)
{
	int status = -1;

	(void)state;
	kill(holder, SIGTERM);
	assert_int_equal(waitpid(holder, &status, 0), holder);
	return status;
}

static void a_holder_is_asked_to_pause_and_to_resume(void **state)
{
	(void)state;
	assert_int_equal(vioctl("pause 02:10.0 --json"), 0);
	assert_string_equal(output,
			    "{\"address\":\"0000:02:10.0\",\"state\":\"paused\"}\n");
	assert_int_equal(vioctl("show 02:10.0 --json"), 0);
	assert_said("\"lease\":{\"state\":\"paused\",\"is_alive\":true,");
	assert_int_equal(vioctl("pause 02:10.0"), 1);
	assert_said("0000:02:10.0: it is paused");
	assert_int_equal(vioctl("configure 02:10.0 --vlan 5"), 4);
	assert_int_equal(vioctl("resume 02:10.0 --json"), 0);
	assert_string_equal(output,
			    "{\"address\":\"0000:02:10.0\",\"state\":\"held\"}\n");
	assert_int_equal(vioctl("resume 02:10.0"), 1);
	assert_said("0000:02:10.0: it is not paused");
}

static void a_paused_vf_is_given_back_when_its_holder_ends(void **state)
{
	assert_int_equal(vioctl("pause 02:10.0"), 0);
	assert_int_equal(let_go(state), 0);
	assert_int_equal(vioctl("show 02:10.0 --json"), 0);
	assert_said("\"lease\":null");
	hold(state);
}

static void a_claimed_vf_is_no_place_to_go_on(void **state)
{
	(void)state;
	assert_int_equal(vioctl("pause 02:10.0"), 0);
	assert_int_equal(vioctl("resume 02:10.0 --to 01:00.0"), 4);
	assert_int_equal(vioctl("resume 02:10.0 --to 05:00.0"), 3);
	assert_int_equal(vioctl("show 02:10.0 --json"), 0);
	assert_said("\"state\":\"paused\"");
}

static void who_holds_a_vf_is_named_to_who_wants_another_number(void **state)
{
	char text[128];

	(void)state;
	assert_int_equal(vioctl("resize 02:00.0 3"), 4);
	assert_lines(1);
	snprintf(text, sizeof(text),
		 "vioctl: 0000:02:10.0: vioctl[%d] holds it: vioctl release, or with "
		 "--pause-held it is paused\n",
		 (int)holder);
	assert_string_equal(output, text);
}

/* The kernel of this machine does nothing: the holder puts everything back. */
static void a_holder_is_asked_to_change_the_number_and_to_put_it_back(void **state)
{
	(void)state;
	assert_int_equal(vioctl("resize 02:00.0 1 --pause-held --json"), 0);
	assert_said("{\"pf\":\"0000:02:00.0\",\"n_vfs\":1,\"paused\":0,");
	assert_int_equal(vioctl("resize 02:00.0 0 --pause-held"), 4);
	assert_said("and would be VF 0 of 0");
	assert_int_equal(vioctl("resize 02:00.0 3 --pause-held"), 1);
	assert_said("0000:02:00.0: it has 1 VFs, not 0");
	assert_int_equal(vioctl("show 02:10.0 --json"), 0);
	assert_said("\"lease\":{\"state\":\"held\",\"is_alive\":true,");
	assert_int_equal(vioctl("resize 02:00.0 1"), 4);
}

static void a_program_that_has_a_vf_open_is_named(void **state)
{
	char path[PATH_BYTES], text[128];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/dev/vfio/18", root);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(text, sizeof(text),
		 "vioctl: 0000:02:10.0: vioctl-test[%d] has it open and has not closed "
		 "it within 1 s: ",
		 (int)getpid());
	assert_int_equal(vioctl("pause 02:10.0 --timeout 1"), 7);
	assert_said(text);
	assert_int_equal(vioctl("resize 02:00.0 3 --pause-held --timeout 1"), 7);
	assert_said(text);
	close(fd);
	assert_int_equal(vioctl("pause 02:10.0 --timeout 1"), 0);
}

static void a_full_disk_is_told(void **state)
{
	(void)state;
	assert_int_equal(vioctl("list --json >/dev/full"), 1);
}

#define HELD(name) cmocka_unit_test_setup_teardown(name, hold, let_go)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_has_a_line_for_each_function),
		cmocka_unit_test(list_of_one_pf_is_its_own_and_its_vfs),
		cmocka_unit_test(list_of_what_is_free_has_vfs_alone),
		cmocka_unit_test(json_is_one_line_with_the_promised_keys),
		cmocka_unit_test(show_has_capabilities_in_both_forms),
		cmocka_unit_test(raw_bytes_are_laid_out_as_lspci_does),
		cmocka_unit_test(a_list_of_capabilities_that_loops_is_told),
		cmocka_unit_test(what_a_driver_is_called_does_not_reach_the_terminal),
		cmocka_unit_test(an_error_is_json_where_that_is_asked_for),
		cmocka_unit_test(words_that_are_wrong_exit_with_2),
		cmocka_unit_test(every_help_fits_a_screen),
		cmocka_unit_test(a_vf_that_nobody_holds_is_not_released),
		cmocka_unit_test(recovery_without_leases_has_nothing_to_do),
		cmocka_unit_test(what_cannot_be_resized_is_told_with_the_reason),
		cmocka_unit_test(the_number_that_is_there_is_no_work),
		cmocka_unit_test(a_vf_that_nobody_holds_is_not_paused),
		cmocka_unit_test(a_full_disk_is_told),
	};
	const struct CMUnitTest tests_held[] = {
		HELD(a_holder_is_asked_to_pause_and_to_resume),
		HELD(a_paused_vf_is_given_back_when_its_holder_ends),
		HELD(a_claimed_vf_is_no_place_to_go_on),
		HELD(who_holds_a_vf_is_named_to_who_wants_another_number),
		HELD(a_holder_is_asked_to_change_the_number_and_to_put_it_back),
		HELD(a_program_that_has_a_vf_open_is_named),
	};
	const int n_failed =
		cmocka_run_group_tests_name("vioctl", tests, create, destroy);

	return n_failed + cmocka_run_group_tests_name("vioctl held", tests_held,
						      create_two, destroy);
}
