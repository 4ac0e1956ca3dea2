/* SPDX-License-Identifier: MIT */
/* The tree of the fake kernel: nodes, and finding the way to them. */
#include <stdlib.h>

#include "fake/fake_tree.h"
#include "fake/support.h"

#define LINKS_MAX 40 /* as path_resolution(7) */

static struct fake_node *find_child(struct fake_node *dir, const char *name, size_t n)
{
	struct vio_list *at = dir->children.next;

	for (; at != &dir->children; at = at->next) {
		struct fake_node *node =
			VIO_CONTAINER_OF(at, struct fake_node, sibling);

		if (strlen(node->name) == n && !memcmp(node->name, name, n))
			return node;
	}
	return NULL;
}

static struct fake_node *step(struct fake_node *at, const char *name, size_t n)
{
	if (n == 1 && name[0] == '.')
		return at;
	if (n == 2 && name[0] == '.' && name[1] == '.')
		return at->parent;
	return find_child(at, name, n);
}

static int walk(struct vio_fake *fake, struct fake_node *at, const char *path,
		bool follow_last, unsigned int *n_links, struct fake_node **out)
{
	if (*path == '/')
		at = &fake->root;
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t n = strcspn(path, "/");
		struct fake_node *next;
		int ret;

		if (at->kind != FAKE_DIR)
			return -ENOTDIR;
		next = step(at, path, n);
		if (!next)
			return -ENOENT;
		path += n;
		if (next->kind == FAKE_LINK && (*path || follow_last)) {
			if (++*n_links > LINKS_MAX)
				return -ELOOP;
			ret = walk(fake, at, next->text, true, n_links, &next);
			if (ret)
				return ret;
		}
		at = next;
	}
	*out = at;
	return 0;
}

int fake_tree_find(struct vio_fake *fake, struct fake_node *start, const char *path,
		   bool follow_last, struct fake_node **out)
{
	unsigned int n_links = 0;

	if (!*path)
		return -ENOENT;
	return walk(fake, start, path, follow_last, &n_links, out);
}

bool fake_tree_owns(struct vio_fake *fake, const char *path)
{
	const char *name = path + strspn(path, "/");

	return *path == '/' && find_child(&fake->root, name, strcspn(name, "/"));
}

static void add_node(struct vio_fake *fake, struct fake_node *dir,
		     struct fake_node *node, char *name)
{
	node->name = name;
	node->parent = dir;
	node->number = ++fake->n_nodes;
	node->next = fake->all;
	fake->all = node;
	vio_list_init(&node->children);
	vio_list_append(&dir->children, &node->sibling);
}

static struct fake_node *create_node(struct vio_fake *fake, const char *path,
				     enum fake_kind kind, const char *target)
{
	struct fake_node *at = &fake->root, *child;

	assert_int_equal(*path, '/');
	pthread_mutex_lock(&fake->lock);
	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t n = strcspn(path, "/");

		child = find_child(at, path, n);
		if (!child) {
			child = calloc(1, sizeof(*child));
			assert_non_null(child);
			add_node(fake, at, child, strndup(path, n));
		}
		at = child;
		path += n;
	}
	/* With its target: another thread may be on its way here. */
	at->text = target ? strdup(target) : NULL;
	at->kind = kind;
	pthread_mutex_unlock(&fake->lock);
	return at;
}

void vio_fake_add_dir(struct vio_fake *fake, const char *path)
{
	create_node(fake, path, FAKE_DIR, NULL);
}

static int show_text(void *opaque, char *buf, size_t n)
{
	const struct fake_node *node = opaque;
	size_t length = strlen(node->text);

	assert_true(length <= n);
	memcpy(buf, node->text, length);
	return (int)length;
}

void vio_fake_add_text(struct vio_fake *fake, const char *path, const char *text)
{
	struct fake_node *node = create_node(fake, path, FAKE_ATTR, NULL);

	node->text = strdup(text);
	node->attr = (struct vio_fake_attr){ .show = show_text, .opaque = node };
}

void vio_fake_add_attr(struct vio_fake *fake, const char *path,
		       const struct vio_fake_attr *attr)
{
	create_node(fake, path, FAKE_ATTR, NULL)->attr = *attr;
}

void vio_fake_add_device(struct vio_fake *fake, const char *path,
			 const struct vio_fake_device *device)
{
	create_node(fake, path, FAKE_ATTR, NULL)->device = device;
}

void vio_fake_add_link(struct vio_fake *fake, const char *path, const char *target)
{
	create_node(fake, path, FAKE_LINK, target);
}

static void remove_node(struct fake_node *node)
{
	/* Relaxed: whoever reads meanwhile may see either. */
	__atomic_store_n(&node->is_gone, true, __ATOMIC_RELAXED);
	vio_list_remove(&node->sibling);
	while (!vio_list_is_empty(&node->children))
		remove_node(VIO_CONTAINER_OF(node->children.next, struct fake_node,
					     sibling));
}

void vio_fake_remove(struct vio_fake *fake, const char *path)
{
	struct fake_node *node;

	pthread_mutex_lock(&fake->lock);
	assert_int_equal(fake_tree_find(fake, &fake->root, path, false, &node), 0);
	remove_node(node);
	pthread_mutex_unlock(&fake->lock);
}

void fake_tree_destroy(struct vio_fake *fake)
{
	while (fake->all) {
		struct fake_node *node = fake->all;

		fake->all = node->next;
		free(node->name);
		free(node->text);
		free(node);
	}
}

struct vio_fake *vio_fake_create(void)
{
	struct vio_fake *fake = calloc(1, sizeof(*fake));

	assert_non_null(fake);
	pthread_mutex_init(&fake->lock, NULL);
	vio_list_init(&fake->root.children);
	fake->root.parent = &fake->root;
	fake->sys = vio_sys_linux;
	fake->sys.opaque = fake;
	fake_files_fill(&fake->sys);
	fake_time_fill(&fake->sys);
	return fake;
}

void vio_fake_destroy(struct vio_fake *fake)
{
	for (int fd = 0; fd < FAKE_FDS_MAX; fd++)
		if (fake->files[fd])
			fail_msg("%s is still open", fake->files[fd]->node->name);
	fake_tree_destroy(fake);
	pthread_mutex_destroy(&fake->lock);
	free(fake);
}

const struct vio_sys *vio_fake_get_sys(struct vio_fake *fake)
{
	return &fake->sys;
}
