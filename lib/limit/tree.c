/* SPDX-License-Identifier: MIT */
/*
 * What the limits of a tree share. It lives as long as any of them or of their leases,
 * so that a lease whose limit is destroyed by another thread finds out and not a hole.
 */
#include <errno.h>

#include "core/bits.h"
#include "core/pair.h"
#include "limit/node.h"

int vio_tree_create(const struct vio_env *env, uint64_t now_ns, struct vio_tree **out)
{
	struct vio_tree *tree = VIO_NEW(env, struct vio_tree);

	if (!tree)
		return -ENOMEM;
	if (pthread_mutex_init(&tree->lock, NULL)) {
		VIO_DELETE(env, tree);
		return -ENOMEM;
	}
	tree->env = env;
	tree->last_ns = now_ns;
	tree->has_pairs = vio_pair_is_supported();
	vio_list_init(&tree->nodes);
	vio_list_init(&tree->granted);
	vio_list_init(&tree->calls);
	vio_env_hold(env);
	vio_tree_hold(tree);
	*out = tree;
	return 0;
}

/* Relaxed: whoever counts up holds a count already, or the lock. */
void vio_tree_hold(struct vio_tree *tree)
{
	__atomic_fetch_add(&tree->n_refs, 1, __ATOMIC_RELAXED);
}

/* Acquire and release: all that was done to the tree comes before it is freed. */
void vio_tree_drop(struct vio_tree *tree)
{
	const struct vio_env *env = tree->env;

	if (__atomic_sub_fetch(&tree->n_refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_destroy(&tree->lock);
	VIO_DELETE(env, tree);
	vio_env_drop(env);
}

void vio_tree_set_next_sweep(struct vio_tree *tree)
{
	uint64_t at_ns;

	if (!vio_add_u64(tree->last_ns, tree->slack_ns, &at_ns))
		at_ns = UINT64_MAX;
	/* Relaxed: who reads the old time takes the lock and finds the new one. */
	__atomic_store_n(&tree->sweep_at_ns, at_ns, __ATOMIC_RELAXED);
}
