/* floor.c - roomcast-bench-floor: the least that a room over WebSocket can cost, to
 * compare the gateway with. See broadcaster.h for what it leaves out.
 *
 *     on_message, once a message: frame it, note it in its room
 *     flush_room, once a turn and room that was spoken in: one write a member
 *
 * The acknowledgement to a sender goes out in the same write as the messages.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/broadcaster.h"

enum { ROUND_FRAMES_MAX = 1000 /* one sendmsg takes 1024 parts */ };

struct client {
    struct broadcaster_client base;
    struct strbuf acks;    /* of this turn */
    struct strbuf waiting; /* what the socket did not take */
};

struct room {
    struct broadcaster_room base;
    struct strbuf frames;
    uint32_t ends[ROUND_FRAMES_MAX]; /* where each frame ends in `frames` */
    unsigned frame_count;
};

/* Keeps what the socket did not take of `parts`, from byte `sent` on. */
static void keep_rest(struct broadcaster *b, struct client *c,
                      const struct iovec *parts, int count, size_t sent)
{
    bool was_empty = c->waiting.len == 0;

    for (int i = 0; i < count; i++) {
        size_t skipped = sent < parts[i].iov_len ? sent : parts[i].iov_len;

        sent -= skipped;
        strbuf_add(&c->waiting, (char *)parts[i].iov_base + skipped,
                   parts[i].iov_len - skipped);
    }
    if (was_empty && c->waiting.len > 0)
        broadcaster_watch_writable(b, &c->base, true);
    if (c->waiting.len > BROADCASTER_WAITING_BYTES_MAX)
        broadcaster_cut(&c->base);
}

/* By the calls that cost the kernel least, which are the gateway's. */
static ssize_t send_now(int fd, struct iovec *parts, int count)
{
    struct msghdr all = {.msg_iov = parts, .msg_iovlen = (size_t)count};

    return count == 1 ? send(fd, parts->iov_base, parts->iov_len, 0)
                      : sendmsg(fd, &all, 0);
}

static void send_parts(struct broadcaster *b, struct client *c, struct iovec *parts,
                       int count, size_t len)
{
    ssize_t n = 0;

    if (c->waiting.len == 0)
        n = send_now(c->base.fd, parts, count);
    if (n == (ssize_t)len)
        return;
    keep_rest(b, c, parts, count, n < 0 ? 0 : (size_t)n);
}

static void send_frame(struct broadcaster *b, struct broadcaster_client *c,
                       const struct strbuf *frame)
{
    struct iovec part = {frame->data, frame->len};

    send_parts(b, (struct client *)c, &part, 1, frame->len);
}

static void on_writable(struct broadcaster *b, struct broadcaster_client *base)
{
    struct client *c = (struct client *)base;
    ssize_t n = write(base->fd, c->waiting.data, c->waiting.len);

    if (n > 0)
        strbuf_drop_front(&c->waiting, (size_t)n);
    if (c->waiting.len == 0) {
        strbuf_reset(&c->waiting, 0);
        broadcaster_watch_writable(b, base, false);
    }
}

static void flush_room(struct broadcaster *b, struct broadcaster_room *base)
{
    struct room *room = (struct room *)base;
    struct iovec parts[ROUND_FRAMES_MAX + 1];
    int count = (int)room->frame_count;
    size_t start = 0;

    if (count == 0) /* it was full in the middle of the turn */
        return;
    for (int i = 0; i < count; i++) {
        parts[i].iov_base = room->frames.data + start;
        parts[i].iov_len = room->ends[i] - start;
        start = room->ends[i];
    }
    list_each(link, &base->members) {
        struct client *c = list_entry(link, struct client, base.member);

        parts[count].iov_base = c->acks.data;
        parts[count].iov_len = c->acks.len;
        send_parts(b, c, parts, count + (c->acks.len > 0), start + c->acks.len);
        strbuf_reset(&c->acks, 4096);
    }
    strbuf_reset(&room->frames, 1024 * 1024);
    room->frame_count = 0;
}

static void on_message(struct broadcaster *b, struct broadcaster_client *from,
                       const char *text, size_t len)
{
    struct client *c = (struct client *)from;
    struct room *room = (struct room *)from->room;

    broadcaster_add_event(b, &room->frames, from, text, len);
    room->ends[room->frame_count++] = (uint32_t)room->frames.len;
    broadcaster_add_ack(&c->acks, &room->base);
    if (room->frame_count == ROUND_FRAMES_MAX)
        flush_room(b, &room->base);
}

static void deinit_client(struct broadcaster_client *base)
{
    struct client *c = (struct client *)base;

    strbuf_deinit(&c->acks);
    strbuf_deinit(&c->waiting);
}

int main(int argc, char **argv)
{
    static const struct broadcaster_ways ways = {
        .name = "roomcast-bench-floor",
        .client_bytes = sizeof(struct client),
        .room_bytes = sizeof(struct room),
        .on_message = on_message,
        .flush_room = flush_room,
        .send = send_frame,
        .on_writable = on_writable,
        .deinit_client = deinit_client,
    };

    return broadcaster_main(&ways, argc, argv);
}
