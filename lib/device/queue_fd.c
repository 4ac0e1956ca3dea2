/* SPDX-License-Identifier: MIT */
/*
 * A queue's eventfds. The ring itself makes no system call; these are the two
 * that its owner makes, one for each burst at the most.
 */
#include <errno.h>
#include <limits.h>

#include "ring/queue.h"
#include "sys/sys.h"

int vio_queue_notify(struct vio_queue *queue)
{
	const struct vio_sys *sys = queue->env->sys;
	const uint64_t one = 1;
	ssize_t n;

	if (queue->params.call_fd < 0)
		return 0;
	n = sys->write(sys->opaque, queue->params.call_fd, &one, sizeof(one));
	return n < 0 ? (int)n : 0;
}

int vio_queue_get_kick_fd(const struct vio_queue *queue)
{
	return queue->params.kick_fd;
}

/* The peer chose the descriptor: a short or absurd answer of it is an error. */
int vio_queue_read_kicks(struct vio_queue *queue)
{
	const struct vio_sys *sys = queue->env->sys;
	uint64_t count;
	ssize_t n;

	if (queue->params.kick_fd < 0)
		return 0;
	n = sys->read_nowait(sys->opaque, queue->params.kick_fd, &count, sizeof(count));
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	if (n != sizeof(count))
		return -EIO;
	if (count > INT_MAX)
		count = INT_MAX;
	vio_meter_add(&queue->meter.kicks, count);
	return (int)count;
}
