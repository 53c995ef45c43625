// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a command as in a container: in a cgroup namespace rooted at the
 * caller's cgroup, with a new cgroup2 mount in place of the host's.
 *
 *	in-cgroupns COMMAND [ARG...]
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: in-cgroupns COMMAND [ARG...]\n");
		return 2;
	}
	if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    umount2("/sys/fs/cgroup", MNT_DETACH) ||
	    mount("cgroup", "/sys/fs/cgroup", "cgroup2", 0, NULL)) {
		perror("in-cgroupns");
		return 1;
	}
	execvp(argv[1], argv + 1);
	perror(argv[1]);
	return 127;
}
