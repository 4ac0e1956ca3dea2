/* SPDX-License-Identifier: MIT */
/*
 * The data path, in bursts: pop, fill or check, push, publish once, notify if asked.
 * Fewer packets are under way than the client's rings hold: it never finds its
 * transmit queue full, so a packet that does not come back was lost by somebody.
 * The first one waits for a kick: a driver that is still setting its queues up may
 * have given buffers already, and throws away what comes in them.
 */
#include <endian.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "stream.h"

/* The header of a device without legacy drivers (virtio 1.2, 5.1.6). */
#define HEADER_BYTES sizeof(struct virtio_net_hdr_mrg_rxbuf)

/*
 * Packets under way at the most. The smallest ring that a client has here is of 256
 * descriptors; a packet that came in one buffer takes two of them on its way back, a
 * header and itself, and one that came in two takes three.
 */
#define WINDOW           96u
#define WINDOW_TWO       64u
#define ONE_BUFFER_BYTES 1514u

struct packet {
	struct virtio_net_hdr_mrg_rxbuf header;
	uint8_t frame[FRAME_BYTES_MAX];
};

static uint32_t smaller(uint64_t a, uint32_t b)
{
	return a < b ? (uint32_t)a : b;
}

/* How many packets may go now. */
static uint32_t room(const struct stream *stream)
{
	const struct tally *tally = &stream->tally;
	const uint64_t left = stream->n_packets - tally->sent;
	const uint32_t under_way = (uint32_t)(tally->sent - tally->next);
	const uint32_t most =
		stream->frame_bytes > ONE_BUFFER_BYTES ? WINDOW_TWO : WINDOW;

	return smaller(left, most - under_way);
}

static void push(struct lane *lane, uint32_t n)
{
	vio_queue_push(lane->queue, lane->chains, n);
	if (vio_queue_publish(lane->queue) > 0)
		vio_queue_notify(lane->queue);
	lane->n_chains -= n;
	memmove(lane->chains, lane->chains + n, lane->n_chains * sizeof(*lane->chains));
}

void stream_give_back(struct lane *lane)
{
	for (uint32_t i = 0; i < lane->n_chains; i++)
		lane->chains[i].written_bytes = 0;
	if (lane->n_chains)
		push(lane, lane->n_chains);
}

/* Behind the pieces of the chains that are kept. */
static struct iovec *find_room(struct lane *lane)
{
	const struct vio_chain *last;

	if (!lane->n_chains)
		return lane->iov;
	last = &lane->chains[lane->n_chains - 1];
	return last->iov + last->n_out + last->n_in;
}

static int pop(struct lane *lane, uint32_t n)
{
	struct iovec *iov = find_room(lane);
	int got = vio_queue_pop(lane->queue, lane->chains + lane->n_chains, n, iov,
				(uint32_t)(lane->iov + BURST_IOV - iov));

	if (got > 0)
		lane->n_chains += (uint32_t)got;
	else if (got < 0)
		lane->is_latched = 1;
	return got > 0;
}

/* Copies to the guest; the chain has room for it. */
static void write_chain(struct vio_chain *chain, const uint8_t *data, uint32_t n)
{
	const struct iovec *iov = chain->iov + chain->n_out;

	chain->written_bytes = n;
	for (; n; iov++) {
		const uint32_t piece = smaller(iov->iov_len, n);

		memcpy(iov->iov_base, data, piece);
		data += piece;
		n -= piece;
	}
}

static void
write_packet(struct stream *stream, struct vio_chain *chains, uint32_t n_chains)
{
	struct packet packet; /* not cleared: most of it is not sent */
	uint32_t left = (uint32_t)HEADER_BYTES + stream->frame_bytes;
	const uint8_t *data = (const uint8_t *)&packet;

	packet.header = (struct virtio_net_hdr_mrg_rxbuf){
		.num_buffers = htole16((uint16_t)n_chains),
	};
	packet_build(packet.frame, stream->frame_bytes, stream->name,
		     stream->tally.sent);
	for (uint32_t i = 0; i < n_chains; i++) {
		const uint32_t piece = smaller(chains[i].in_bytes, left);

		write_chain(&chains[i], data, piece);
		data += piece;
		left -= piece;
	}
	tally_add(&stream->tally.sent, 1);
}

/* Makes a packet from this chain on; how many it took, 0: more than there are. */
static uint32_t fill(struct stream *stream, uint32_t from)
{
	struct lane *lane = &stream->lanes[RECEIVE];
	const uint64_t need = HEADER_BYTES + stream->frame_bytes;
	uint64_t bytes = 0;

	for (uint32_t i = from; i < lane->n_chains; i++) {
		const uint32_t n = i - from + 1;

		bytes += lane->chains[i].in_bytes;
		if (bytes >= need) {
			write_packet(stream, &lane->chains[from], n);
			return n;
		}
		/* Too small: an empty packet, which the client drops. */
		if (!stream->is_mergeable) {
			lane->chains[i].written_bytes = 0;
			return n;
		}
	}
	return 0;
}

static int send(struct stream *stream)
{
	struct lane *lane = &stream->lanes[RECEIVE];
	const uint32_t most = room(stream);
	uint32_t done = 0, n;

	if (!lane->queue || lane->is_latched || !lane->has_kicked || !most)
		return 0;
	/* One by one while a packet is incomplete: no more than that is kept. */
	if (!pop(lane, lane->n_chains ? 1 : smaller(most, BURST)))
		return 0;
	while ((n = fill(stream, done)))
		done += n;
	if (done)
		push(lane, done);
	/* Buffers so small that not even a burst of them takes a packet. */
	if (lane->n_chains == BURST)
		stream_give_back(lane);
	return 1;
}

/* Copied once, then looked at: the client could still write to it. */
static void take_packet(struct stream *stream, const struct vio_chain *chain)
{
	struct packet packet;
	uint8_t *to = (uint8_t *)&packet;

	/* Too long to be ours, or without a frame. */
	if (chain->out_bytes > sizeof(packet) || chain->out_bytes < HEADER_BYTES) {
		tally_add(&stream->tally.foreign, 1);
		return;
	}
	for (uint32_t i = 0; i < chain->n_out; i++) {
		memcpy(to, chain->iov[i].iov_base, chain->iov[i].iov_len);
		to += chain->iov[i].iov_len;
	}
	packet_take(&stream->tally, packet.frame, chain->out_bytes - HEADER_BYTES,
		    stream->name);
}

static int take_back(struct stream *stream)
{
	struct lane *lane = &stream->lanes[TRANSMIT];

	if (!lane->queue || lane->is_latched || !pop(lane, BURST))
		return 0;
	for (uint32_t i = 0; i < lane->n_chains; i++) {
		take_packet(stream, &lane->chains[i]);
		lane->chains[i].written_bytes = 0;
	}
	push(lane, lane->n_chains);
	return 1;
}

/* A clock is read when the first one goes and when the last one is back. */
int stream_move(struct stream *stream)
{
	int has_begun, was_done, did_move;

	/* The account is the main thread's while no queue runs. */
	if (!stream->lanes[RECEIVE].queue && !stream->lanes[TRANSMIT].queue)
		return 0;
	has_begun = stream->tally.sent > 0;
	was_done = stream_is_done(stream);
	did_move = take_back(stream);
	did_move |= send(stream);
	if (!has_begun && stream->tally.sent)
		__atomic_store_n(&stream->begin_ns, clock_ns(), __ATOMIC_RELAXED);
	if (!was_done && stream_is_done(stream))
		__atomic_store_n(&stream->end_ns, clock_ns(), __ATOMIC_RELAXED);
	return did_move;
}

int stream_wants_kicks(const struct stream *stream, uint32_t which)
{
	return which == TRANSMIT || room(stream);
}
