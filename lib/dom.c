/* SPDX-License-Identifier: MIT */
/*
 * A tenant: a list of members and what they have counted. The lock guards the
 * list alone, since members join from any thread. It is not held while a member
 * is told to reset or close, which may run the host's callbacks; a marker in the
 * list keeps the place, so that members may leave meanwhile.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/utf8.h"
#include "dom.h"

#define DESCRIBE_BYTES 48  /* a member's name in an error */
#define NAMES_BYTES    160 /* of members, beside a tenant's name and a sentence */

void vio_member_join(struct vio_member *member, struct vio_dom *dom)
{
	member->dom = dom;
	if (!dom)
		return;
	pthread_mutex_lock(&dom->lock);
	vio_list_append(&dom->members, &member->node);
	dom->n_members++;
	pthread_mutex_unlock(&dom->lock);
}

void vio_member_leave(struct vio_member *member)
{
	struct vio_dom *dom = member->dom;

	if (!dom)
		return;
	pthread_mutex_lock(&dom->lock);
	vio_list_remove(&member->node);
	dom->n_members--;
	if (member->meter)
		vio_meter_sum(&dom->left, member->meter);
	pthread_mutex_unlock(&dom->lock);
	member->dom = NULL;
}

int vio_dom_create(struct vio_ctx *ctx, const char *name, struct vio_dom **out)
{
	const struct vio_env *env = vio_env_of(ctx);
	size_t n = name ? strnlen(name, VIO_DOM_NAME_BYTES) : 0;
	struct vio_dom *dom;

	if (!n || n == VIO_DOM_NAME_BYTES || !vio_is_utf8(name, n))
		return -EINVAL;
	dom = VIO_NEW(env, struct vio_dom);
	if (!dom)
		return -ENOMEM;
	if (pthread_mutex_init(&dom->lock, NULL)) {
		VIO_DELETE(env, dom);
		return -ENOMEM;
	}
	dom->env = env;
	memcpy(dom->name, name, n);
	vio_list_init(&dom->members);
	vio_env_hold(env);
	*out = dom;
	return 0;
}

/* Moves the marker behind the next member, which it returns; NULL at the end. */
static struct vio_member *visit_next(struct vio_dom *dom, struct vio_list *marker)
{
	struct vio_list *next;

	pthread_mutex_lock(&dom->lock);
	next = marker->next;
	vio_list_remove(marker);
	if (next != &dom->members)
		vio_list_append(next->next, marker);
	pthread_mutex_unlock(&dom->lock);
	return next == &dom->members ? NULL : vio_dom_member_at(next);
}

/*
 * Members that join meanwhile are visited as well, as they may belong to one
 * that was told already. From within a member's callback the tenant can neither
 * be visited again, stepped nor destroyed; hence there is one marker at most.
 */
static int visit_members(struct vio_dom *dom, bool is_close)
{
	struct vio_member marker = { 0 };
	struct vio_member *member;

	if (dom->is_stepping)
		return -EBUSY;
	dom->is_stepping = true;
	dom->is_visiting = true;

	pthread_mutex_lock(&dom->lock);
	vio_list_append(dom->members.next, &marker.node);
	pthread_mutex_unlock(&dom->lock);
	while ((member = visit_next(dom, &marker.node))) {
		void (*begin)(struct vio_member *) =
			is_close ? member->ops->close : member->ops->reset;

		if (begin)
			begin(member);
	}
	dom->is_visiting = false;
	return 0;
}

int vio_dom_reset(struct vio_dom *dom)
{
	return visit_members(dom, false);
}

int vio_dom_close(struct vio_dom *dom)
{
	return visit_members(dom, true);
}

/* Under the lock; NULL: none. */
static struct vio_member *find_busy(struct vio_dom *dom)
{
	struct vio_list *node = dom->members.next;

	for (; node != &dom->members; node = node->next) {
		struct vio_member *member = vio_dom_member_at(node);

		if (member->ops->is_busy && member->ops->is_busy(member))
			return member;
	}
	return NULL;
}

int vio_dom_step(struct vio_dom *dom, struct vio_error *err)
{
	char who[DESCRIBE_BYTES] = "";
	struct vio_member *busy;

	if (!dom->is_stepping)
		return 0;
	if (dom->is_visiting)
		return vio_fail(err, 1, "%s: its members are just being told",
				dom->name);
	pthread_mutex_lock(&dom->lock);
	busy = find_busy(dom);
	if (busy)
		busy->ops->describe(busy, who, sizeof(who));
	pthread_mutex_unlock(&dom->lock);

	if (busy)
		return vio_fail(err, 1, "%s: waiting for %s", dom->name, who);
	dom->is_stepping = false;
	return 0;
}

struct vio_meter vio_dom_sum(struct vio_dom *dom)
{
	struct vio_list *node;
	struct vio_meter sum;

	pthread_mutex_lock(&dom->lock);
	sum = dom->left;
	for (node = dom->members.next; node != &dom->members; node = node->next)
		if (vio_dom_member_at(node)->meter)
			vio_meter_sum(&sum, vio_dom_member_at(node)->meter);
	pthread_mutex_unlock(&dom->lock);
	/* Relaxed, as all meters. */
	sum.service_ns += __atomic_load_n(&dom->service_ns, __ATOMIC_RELAXED);
	return sum;
}

/* Reading changes nothing but the lock. */
int vio_dom_read_meters(const struct vio_dom *dom, struct vio_meters *meters)
{
	struct vio_meter sum = vio_dom_sum((struct vio_dom *)dom);

	return vio_meter_fill(&sum, meters);
}

void vio_dom_add_service(struct vio_dom *dom, uint64_t service_ns)
{
	/* Relaxed: a meter orders nothing. */
	__atomic_fetch_add(&dom->service_ns, service_ns, __ATOMIC_RELAXED);
}

/* Under the lock: "queue 0, queue 1", cut where the room ends. */
static void print_members(struct vio_dom *dom, char *buf, size_t n)
{
	struct vio_list *node = dom->members.next;
	size_t used = 0;

	buf[0] = '\0';
	for (; node != &dom->members && used < n; node = node->next) {
		struct vio_member *member = vio_dom_member_at(node);
		char who[DESCRIBE_BYTES] = "";

		member->ops->describe(member, who, sizeof(who));
		used += (size_t)snprintf(buf + used, n - used, "%s%s", used ? ", " : "",
					 who);
	}
}

int vio_dom_destroy(struct vio_dom *dom, struct vio_error *err)
{
	const struct vio_env *env;
	char names[NAMES_BYTES];
	uint32_t n_members;

	if (!dom)
		return 0;
	if (dom->is_visiting)
		return vio_fail(err, -EBUSY, "%s: its members are just being told",
				dom->name);
	pthread_mutex_lock(&dom->lock);
	n_members = dom->n_members;
	print_members(dom, names, sizeof(names));
	pthread_mutex_unlock(&dom->lock);
	if (n_members)
		return vio_fail(err, -EBUSY, "%s: %u members, destroy them first: %s",
				dom->name, n_members, names);

	env = dom->env;
	pthread_mutex_destroy(&dom->lock);
	VIO_DELETE(env, dom);
	vio_env_drop(env);
	return 0;
}
