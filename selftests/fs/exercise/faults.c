// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards against allocations that fail: each operation is repeated with its first, second, third...
 * allocation failing (/proc/thread-self/fail-nth) until none does. It must fail with ENOMEM or
 * ENOSPC or SIGBUS, or do without; a file has its old or its new contents in every page, and at
 * the end nothing may be left. The scanner's own allocations fail at random. Skips on kernels
 * without fault injection.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/vellumfs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "ex.h"
#include "faults.h"
#include "kselftest.h"
#include "words.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define NTH_MAX		400	/* more allocations than any operation here has */
#define LOAD_NTH_MAX	100000	/* more than the module loader has */
#define LOAD_LAST	150	/* of them are tried */
#define SCANNER_ROUNDS	150
#define MERGING_MS	60000
#define NTH_PATH	"/proc/thread-self/fail-nth"

static int nth_fd = -1;

static bool put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return good;
}

/* Also what may sleep and reclaim fails, of any size, and quietly. */
static bool faults_ready(void)
{
	nth_fd = open(NTH_PATH, O_RDWR | O_CLOEXEC);
	put(DEBUGFS "fail_page_alloc/ignore-gfp-highmem", "N");
	put(DEBUGFS "fail_page_alloc/min-order", "0");
	put(DEBUGFS "fail_page_alloc/verbose", "0");
	put(DEBUGFS "failslab/verbose", "0");
	return put(DEBUGFS "failslab/ignore-gfp-wait", "N") &&
	       put(DEBUGFS "fail_page_alloc/ignore-gfp-wait", "N") && nth_fd >= 0;
}

/* Writing and reading it may themselves meet the fault that is still due: once more, then. */
static void arm(unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth), tries;

	for (tries = 0; tries < 3; tries++)
		if (pwrite(nth_fd, text, len, 0) == len)
			return;
	ex_die("%s: %s", NTH_PATH, strerror(errno));
}

/* How many allocations before the fault were left; it may come in the middle of being asked. */
static unsigned int disarm(void)
{
	char text[16] = "";
	unsigned int left = 1;

	if (pread(nth_fd, text, sizeof(text) - 1, 0) > 0)
		left = atoi(text);
	arm(0);
	return left;
}

static sigjmp_buf killed;

static void on_sigbus(int sig)
{
	(void)sig;
	siglongjmp(killed, 1);
}

/* One try with one fault: 0, a negative errno, or -EFAULT for a signal */
static int try_site(struct place *p, const struct site *site, unsigned int nth, bool *came)
{
	volatile int ret = -EFAULT;

	if (!sigsetjmp(killed, 1)) {
		arm(nth);
		ret = site->act(p);
	}
	*came = !disarm();
	return ret;
}

static bool allowed(int ret, bool came)
{
	if (!came)
		return !ret;
	return !ret || ret == -ENOMEM || ret == -ENOSPC || ret == -EFAULT || ret == -EAGAIN;
}

static bool run_site(struct place *p, const struct site *site)
{
	unsigned int nth, failed = 0;
	bool came = true;
	int ret;

	for (nth = 1; came && nth < NTH_MAX; nth++) {
		place_reset(p);
		ret = try_site(p, site, nth, &came);
		failed += ret != 0;
		if (!allowed(ret, came)) {
			printf("# %s with fault %u%s: %s\n", site->name, nth,
			       came ? "" : " that did not come", strerror(-ret));
			return false;
		}
		if (!place_check(p, site->name))
			return false;
		if (site->undo)
			site->undo(p);
	}
	printf("# %s: %u faults, %u failures\n", site->name, nth - 2, failed);
	return nth < NTH_MAX;
}

static void run_sites(struct place *p)
{
	struct sigaction act = { .sa_handler = on_sigbus };
	const struct site *site;

	sigaction(SIGBUS, &act, NULL);
	for (site = sites; site->name; site++)
		ksft_test_result(run_site(p, site), "%s\n", site->name);
	signal(SIGBUS, SIG_DFL);
}

/* Mounting: what fails leaves nothing mounted */
static bool run_mounts(void)
{
	bool came = true, good = true;
	unsigned int nth;
	int ret;

	mkdir(EX_ROOT "/try", 0700);
	for (nth = 1; came && nth < NTH_MAX && good; nth++) {
		arm(nth);
		ret = mount("try", EX_ROOT "/try", "vellumfs", 0, "size=8M,domain=try") ?
			-errno : 0;
		came = !disarm();
		good = allowed(ret, came) && (ret || !umount(EX_ROOT "/try"));
		if (!good)
			printf("# mount with fault %u: %s\n", nth, strerror(-ret));
	}
	rmdir(EX_ROOT "/try");
	printf("# mount: %u faults\n", nth - 2);
	return good;
}

static int load(int module, unsigned int nth, unsigned int *left)
{
	int ret;

	arm(nth);
	ret = syscall(SYS_finit_module, module, "", 0) ? -errno : 0;
	*left = disarm();
	return ret;
}

/* What fails leaves no module. Of a loader's many allocations the last are the module's. */
static bool run_loads(void)
{
	unsigned int nth, total, left, failed = 0;
	struct utsname uts;
	char path[192];
	int fd, ret;

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s/extra/vellumfs.ko", uts.release);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || system("rmmod vellumfs") || load(fd, LOAD_NTH_MAX, &left) || !left)
		ex_die("%s: %s", path, strerror(errno));
	total = LOAD_NTH_MAX - left;
	for (nth = total > LOAD_LAST ? total - LOAD_LAST : 1; nth <= total + 1; nth++) {
		if (!access("/sys/module/vellumfs", F_OK) && system("rmmod vellumfs"))
			ex_die("the module does not unload");
		ret = load(fd, nth, &left);
		failed += ret != 0;
		if (!allowed(ret, !left)) {
			printf("# loading with fault %u: %s\n", nth, strerror(-ret));
			return false;
		}
	}
	printf("# loading: %u allocations, %u failures\n", total, failed);
	close(fd);
	ex_load();
	return true;
}

/* A page that kept changing is looked at in every 64th pass, and the machine may be slow. */
static long wait_for_merging(void)
{
	uint64_t end = ex_now_ms() + MERGING_MS;
	long merged;

	do {
		ex_sleep_ms(100);
		merged = ex_counter("pages_sharing");
	} while (merged <= 0 && ex_now_ms() < end);
	return merged;
}

/* Half of what the scanner asks for is refused while it has work all the time. */
static bool run_scanner(struct place *p)
{
	long merged;
	unsigned int i;
	bool good = true;

	if (!faults_on_thread("vellumfs", true))
		ex_die("the scanner cannot be made to fail");
	put(DEBUGFS "failslab/task-filter", "Y");
	put(DEBUGFS "fail_page_alloc/task-filter", "Y");
	put(DEBUGFS "failslab/times", "-1");
	put(DEBUGFS "fail_page_alloc/times", "-1");
	put(DEBUGFS "failslab/probability", "50");
	put(DEBUGFS "fail_page_alloc/probability", "50");
	for (i = 0; i < SCANNER_ROUNDS && good; i++) {
		place_reset(p);
		ex_sleep_ms(20);
		good = place_check(p, "the scanner");
	}
	put(DEBUGFS "failslab/probability", "0");
	put(DEBUGFS "fail_page_alloc/probability", "0");
	faults_on_thread("vellumfs", false);
	place_reset(p);
	merged = wait_for_merging();
	printf("# afterwards %ld pages are sharing\n", merged);
	return good && merged > 0 && place_check(p, "the scanner afterwards");
}

int main(void)
{
	const struct site *site;
	unsigned int n = 0;
	struct ex_mount m;
	struct place p;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ksft_print_header();
	if (!ex_ours() || !faults_ready())
		ksft_exit_skip("this kernel cannot make allocations fail\n");
	for (site = sites; site->name; site++)
		n++;
	ksft_set_plan(n + 6);
	ex_load();
	ksft_test_result(run_loads(), "loading the module\n");
	ex_hurry();
	ksft_test_result(run_mounts(), "mounting\n");
	ex_mount(&m, "faults", "size=32M");
	place_make(&p, &m);
	run_sites(&p);
	ksft_test_result(run_scanner(&p), "the scanner\n");
	place_free(&p);
	ksft_test_result(ex_is_empty_again(&m), "every page is back\n");
	ksft_test_result(ex_umount(&m) && ex_nothing_left(), "unmounting\n");
	ksft_test_result(ex_unload(), "the module unloads\n");
	ksft_finished();
}
