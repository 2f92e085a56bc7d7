// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guards that no byte is lost or mixed up: processes write, read, clone, punch, truncate and hold
 * files in every way there is, in several mounts and domains, while the scanner merges at full
 * speed, and compare all they see with a model of their own. Snapshots of a file that is written
 * meanwhile must be of one point in time. Nothing may be left after unmounting.
 *
 * CHECKER_SECONDS (30), CHECKER_SEED (1), CHECKER_WORKERS (6), EX_FS (vellumfs); CHECKER_DISK is a
 * disk to read from, the lab's own by default.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checker.h"
#include "kselftest.h"

#define PATIENCE_MS	120000	/* for processes to end, on a loaded machine */
#define POLL_MS		50
#define OPS_PER_FILE	16	/* before a worker looks at the time */

static const char *const mount_options[MODEL_MOUNTS] = {
	"size=64M|domain=a", "size=64M|domain=b", "size=64M|domain=a?huge=always",
};

static const char mount_domains[MODEL_MOUNTS] = { 'a', 'b', 'a' };

static struct ex_mount mounts[MODEL_MOUNTS];

void op_failed(struct worker *w, const char *name, const char *what)
{
	printf("# FAILED: %s on file %ld: %s\n", name, w->f - w->m->files + 1, what);
	w->m->stop = 1;
	fflush(stdout);
	_exit(1);
}

static void open_files(struct model *m)
{
	char name[16];
	int i;

	for (i = 0; i < MODEL_FILES; i++) {
		struct model_file *f = &m->files[i];

		snprintf(name, sizeof(name), "file%d", i + 1);
		f->domain = mount_domains[i / MODEL_PER_MOUNT];
		f->fd = ex_open(mounts[i / MODEL_PER_MOUNT].dir, name, O_RDWR | O_CREAT);
		if (ftruncate(f->fd, MODEL_SIZE))
			ex_die("ftruncate: %s", strerror(errno));
		f->map = mmap(NULL, MODEL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
		if (f->map == MAP_FAILED)
			ex_die("mmap: %s", strerror(errno));
	}
}

static void close_files(struct model *m)
{
	int i;

	for (i = 0; i < MODEL_FILES; i++) {
		munmap(m->files[i].map, MODEL_SIZE);
		close(m->files[i].fd);
	}
}

static void remove_files(void)
{
	char path[96];
	int i;

	for (i = 0; i < MODEL_FILES; i++) {
		snprintf(path, sizeof(path), "%s/file%d", mounts[i / MODEL_PER_MOUNT].dir, i + 1);
		unlink(path);
	}
}

/* The lab's system disk is never written. */
static void open_disk(struct worker *w)
{
	const char *path = getenv("CHECKER_DISK");
	uint8_t *data;
	int fd;

	if (!path)
		path = access("/dev/vda", R_OK) ? "/dev/sda" : "/dev/vda";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	w->disk_fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	data = mmap(NULL, DISK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd >= 0 && w->disk_fd >= 0 && data != MAP_FAILED &&
	    pread(fd, data, DISK_SIZE, 0) == (ssize_t)DISK_SIZE)
		w->disk = data;
	else
		printf("# no disk to read from: %s: %s\n", path, strerror(errno));
	close(fd);
	if (!access("/dev/ram0", W_OK) || !system("modprobe -q brd rd_nr=1 rd_size=4096"))
		w->ram_fd = open("/dev/ram0", O_RDWR | O_DIRECT | O_CLOEXEC);
	if (w->ram_fd < 0)
		printf("# no RAM disk to write to\n");
}

static const struct op *choose(struct worker *w)
{
	static const struct op *const sets[] = { page_ops, page_ops, holder_ops, file_ops };
	const struct op *set = sets[ex_below(&w->rng, 4)], *op;
	unsigned int total = 0;
	uint64_t at;

	if (ex_ours() && ex_chance(&w->rng, 3))
		set = policy_ops;
	for (op = set; op->name; op++)
		total += op->weight;
	at = ex_below(&w->rng, total);
	for (op = set; at >= op->weight; op++)
		at -= op->weight;
	return op;
}

static void worker_run(struct worker *w)
{
	const struct op *op;
	int i;

	w->scratch = aligned_alloc(EX_PAGE, SPAN_MAX * EX_PAGE);
	while (!w->m->stop) {
		w->f = &w->m->files[ex_below(&w->rng, MODEL_FILES)];
		for (i = 0; i < OPS_PER_FILE; i++) {
			op = choose(w);
			if (op->clones && !w->can_clone)
				continue;
			op->run(w, op->name);
			__atomic_fetch_add(&w->m->ops, 1, __ATOMIC_RELAXED);
		}
	}
}

static void start(struct worker *w, unsigned int workers)
{
	uint64_t seed = ex_env("CHECKER_SEED", 1);
	unsigned int i;

	fflush(stdout);
	for (i = 0; i < workers; i++) {
		w->index = i;
		w->rng.state = seed << 16 | i;
		if (!fork()) {
			worker_run(w);
			fflush(stdout);
			_exit(0);
		}
	}
}

/* Where a process hangs that does not end */
static void tell_stack(pid_t pid)
{
	char command[96];

	fflush(stdout);
	snprintf(command, sizeof(command), "sed 's/^/# %d: /' /proc/%d/stack", pid, pid);
	if (system(command))
		printf("# process %d cannot be looked at\n", pid);
}

static bool children_end(struct model *m)
{
	uint64_t end = ex_now_ms() + PATIENCE_MS;
	int status, good = 1;
	pid_t pid;

	for (;;) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid < 0)
			return good;
		if (pid && status) {
			printf("# process %d ended with status %#x\n", pid, status);
			m->stop = 1;
			good = 0;
			/* It may have died with a lock. */
			kill(0, SIGTERM);
		}
		if (pid)
			continue;
		if (ex_now_ms() > end)
			break;
		ex_sleep_ms(POLL_MS);
	}
	printf("# processes do not end\n");
	kill(0, SIGTERM);
	return false;
}

static bool watch(struct model *m, uint64_t seconds, long *most)
{
	uint64_t end = ex_now_ms() + seconds * 1000;
	siginfo_t info;

	while (!m->stop && ex_now_ms() < end) {
		long sharing = ex_counter("pages_sharing");

		*most = sharing > *most ? sharing : *most;
		info.si_pid = 0;
		if (!waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid) {
			if (info.si_status)
				tell_stack(info.si_pid);
			m->stop = 1;
		}
		ex_sleep_ms(POLL_MS);
	}
	return !m->stop;
}

static void verify_all(struct worker *w)
{
	int i;

	w->scratch = aligned_alloc(EX_PAGE, SPAN_MAX * EX_PAGE);
	for (i = 0; i < MODEL_FILES; i++) {
		const struct op *op = file_ops;

		w->f = &w->m->files[i];
		while (op[1].name)
			op++;
		op->run(w, "the final reader");
	}
}

static void check_end(void)
{
	bool empty = true, unmounted = true;
	int i;

	for (i = 0; i < MODEL_MOUNTS; i++)
		empty &= ex_is_empty_again(&mounts[i]);
	for (i = 0; i < MODEL_MOUNTS; i++)
		unmounted &= ex_umount(&mounts[i]);
	ksft_test_result(empty, "removing the files gives all their pages back\n");
	ksft_test_result(unmounted && ex_nothing_left(), "unmounting returns every page\n");
	ksft_test_result(ex_unload(), "the module unloads\n");
}

static struct worker worker;

int main(void)
{
	uint64_t seconds = ex_env("CHECKER_SECONDS", 30);
	long most = 0;
	bool good;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	setpgid(0, 0);
	signal(SIGTERM, SIG_IGN);
	ksft_print_header();
	ksft_set_plan(6);
	ex_load();
	for (i = 0; i < MODEL_MOUNTS; i++) {
		char name[8] = { 'm', '0' + i };

		ex_mount(&mounts[i], name, mount_options[i]);
	}
	worker = (struct worker) {
		.m = model_create(),
		.parent = getpid(),
		.disk_fd = -1,
		.ram_fd = -1,
		.can_clone = ex_can_clone(&mounts[0]),
	};
	open_files(worker.m);
	open_disk(&worker);
	ex_hurry();
	signal(SIGTERM, SIG_DFL);
	start(&worker, ex_env("CHECKER_WORKERS", 6));
	if (worker.can_clone)
		for (i = 0; i < MODEL_MOUNTS; i++)
			cut_start(&mounts[i], worker.m);
	signal(SIGTERM, SIG_IGN);
	good = watch(worker.m, seconds, &most);
	worker.m->stop = 1;
	good &= children_end(worker.m);
	printf("# %lu operations, at most %ld pages sharing, %ld times held\n", worker.m->ops, most,
	       ex_counter("pages_held"));
	ksft_test_result(good, "all that was read is what was written, for %lu s\n",
			 (unsigned long)seconds);
	if (good)
		verify_all(&worker);
	ksft_test_result(good, "and all of it is there in the end\n");
	if (ex_ours())
		ksft_test_result(most > 0, "pages were merged meanwhile\n");
	else
		ksft_test_result_skip("nothing merges here\n");
	close_files(worker.m);
	remove_files();
	check_end();
	ksft_finished();
}
