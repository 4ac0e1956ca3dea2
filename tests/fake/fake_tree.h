/* SPDX-License-Identifier: MIT */
/* The inside of the fake kernel, shared by its three files. */
#ifndef TESTS_FAKE_FAKE_TREE_H
#define TESTS_FAKE_FAKE_TREE_H

#include <pthread.h>
#include <stdbool.h>

#include "core/list.h"
#include "fake/fake.h"

#define FAKE_FDS_MAX    4096
#define FAKE_ATTR_BYTES 4096 /* as sysfs: a page */

enum fake_kind { FAKE_DIR, FAKE_ATTR, FAKE_LINK };

/* Never freed before the kernel is, so that open files need not be counted. */
struct fake_node {
	struct vio_list sibling;
	struct vio_list children;
	struct fake_node *parent; /* the root's is itself */
	struct fake_node *next;   /* in the list of all */
	enum fake_kind kind;
	bool is_gone;
	uint64_t number;
	char *name;
	char *text; /* of a link, its target; of a file with fixed contents, those */
	struct vio_fake_attr attr;
	const struct vio_fake_device *device; /* NULL: not one's file */
};

struct fake_file {
	struct fake_node *node;
	int flags;
	size_t offset;
	size_t n;
	char buf[FAKE_ATTR_BYTES]; /* what show() gave when read at 0 */
};

struct fake_timer {
	bool is_timer;
	uint64_t expiry_ns; /* 0: not armed */
	uint64_t interval_ns;
};

struct vio_fake {
	struct vio_sys sys;
	pthread_mutex_t lock; /* all below; not held in show() and store() */
	struct fake_node root;
	struct fake_node *all;
	uint64_t n_nodes;
	struct fake_file *files[FAKE_FDS_MAX]; /* by descriptor */
	struct fake_timer timers[FAKE_FDS_MAX];
	uint64_t now_ns;
};

/* Under the lock. 0 or -errno, as path_resolution(7). */
int fake_tree_find(struct vio_fake *fake, struct fake_node *start, const char *path,
		   bool follow_last, struct fake_node **out);

/* Under the lock: is an absolute path of the tree? */
bool fake_tree_owns(struct vio_fake *fake, const char *path);

void fake_tree_destroy(struct vio_fake *fake);

/* The entries of the table, by file. */
void fake_files_fill(struct vio_sys *sys);
void fake_time_fill(struct vio_sys *sys);

#endif /* TESTS_FAKE_FAKE_TREE_H */
