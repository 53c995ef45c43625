/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Common code of test programs: small files, allocations that fail, modules.
 * Functions that can fail return -errno.
 */
#ifndef RIG_LIB_H
#define RIG_LIB_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define DEVICE	"/dev/test_misc_cg"

static const char * const misc_files[] = {
	"misc.capacity", "misc.current", "misc.peak", "misc.max",
	"misc.max.effective", "misc.events", "misc.events.local",
};

#define NR_FILES (sizeof(misc_files) / sizeof(misc_files[0]))

/* Write @text to the file with one write(). */
static inline int put(const char *text, const char *path)
{
	int ret = 0, fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Read the file as a string; returns the length of the string. */
static inline int get(char *buf, size_t size, const char *path)
{
	size_t len = 0;
	ssize_t ret = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (len < size - 1 && (ret = read(fd, buf + len, size - 1 - len)) > 0)
		len += ret;
	if (ret < 0)
		ret = -errno;
	buf[len] = 0;
	close(fd);
	return ret < 0 ? ret : (int)len;
}

/* put() and get() for a file of a cgroup */
static inline int cg_put(const char *cgroup, const char *file, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	return put(text, path);
}

static inline int cg_get(const char *cgroup, const char *file, char *buf,
			 size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	return get(buf, size, path);
}

/*
 * Faults: make the Nth allocation of this task fail
 */

static int fault_fd = -1;

#define FAILSLAB "/sys/kernel/debug/failslab/"

/*
 * Let allocations fail only ("require") or never ("reject") while @function of
 * the kernel is on the stack; NULL stands for all functions.
 */
static inline int fault_filter(const char *what, const char *function)
{
	unsigned long start = 0, end = ULONG_MAX, address;
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[512], name[256], path[128];
	int ret;

	while (function && file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx %*c %255s", &address, name) != 2)
			continue;
		if (!strcmp(name, function))
			start = address;
		/* Symbols are sorted: @function ends where the next one starts. */
		if (start && address > start) {
			end = address;
			break;
		}
	}
	if (file)
		fclose(file);
	if (function && !start)
		return -ENOENT;

	snprintf(line, sizeof(line), "%#lx", start);
	snprintf(path, sizeof(path), FAILSLAB "%s-start", what);
	ret = put(line, path);
	snprintf(line, sizeof(line), "%#lx", end);
	snprintf(path, sizeof(path), FAILSLAB "%s-end", what);
	return ret ? ret : put(line, path);
}

/* Call once per boot; fails if the kernel has no fault injection. */
static inline int fault_init(void)
{
	int ret = put("N", FAILSLAB "ignore-gfp-wait");

	ret = ret ? ret : put("0", FAILSLAB "verbose");
	ret = ret ? ret : put("32", FAILSLAB "stacktrace-depth");
	/* Spare kmemleak, which makes an allocation of its own for each one. */
	return ret ? ret : fault_filter("reject", "__alloc_object");
}

/* Call once per process: fail-nth belongs to the process that opens it. */
static inline int fault_open(void)
{
	fault_fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	return fault_fd < 0 ? -errno : 0;
}

static inline void fault_arm(unsigned int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", n);
	if (pwrite(fault_fd, text, strlen(text), 0) < 0)
		abort();
}

/* Returns whether an allocation has failed. */
static inline int fault_disarm(void)
{
	char text[16] = "";

	if (pread(fault_fd, text, sizeof(text) - 1, 0) < 0)
		abort();
	fault_arm(0);
	return !atoi(text);
}

/*
 * Modules
 */

static inline int module_load(const char *file, const char *parameters)
{
	struct utsname name;
	char path[PATH_MAX];
	int fd, ret = 0;

	uname(&name);
	snprintf(path, sizeof(path), "/lib/modules/%s/kernel/%s", name.release,
		 file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, parameters, 0))
		ret = -errno;
	close(fd);
	return ret;
}

/* Retries while the module is in use: its files may just be closing. */
static inline int module_unload(const char *name)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (!syscall(SYS_delete_module, name, O_NONBLOCK))
			return 0;
		if (errno != EAGAIN && errno != EBUSY)
			break;
		usleep(10000);
	}
	return -errno;
}

#endif
