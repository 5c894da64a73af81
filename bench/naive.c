/* naive.c - roomcast-bench-naive: the floor as it is written when nobody has thought
 * about fan-out: for each message and each member one encoding, one allocation and one
 * write. See broadcaster.h for what both leave out.
 *
 *     on_message, once a message: for each member encode it and queue a copy
 *     flush_room, once a turn and room that was spoken in: one write a copy, free it
 *
 * A copy lives until the turn in which the socket has taken it, as with an event library
 * that owns what it is given until it calls back. Acknowledgements are copies too.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/broadcaster.h"
#include "common/xalloc.h"

struct copy {
    struct list link;
    size_t len, sent;
    char bytes[];
};

struct client {
    struct broadcaster_client base;
    struct list copies; /* not written yet; next is NULL: never had one */
    size_t waiting_bytes;
    bool is_blocked; /* the socket is full: on_writable goes on */
};

static void queue_copy(struct client *c, const struct strbuf *frame)
{
    struct copy *copy = xmalloc(sizeof(*copy) + frame->len);

    copy->len = frame->len;
    copy->sent = 0;
    memcpy(copy->bytes, frame->data, frame->len);
    if (!c->copies.next)
        list_init(&c->copies);
    list_add(&c->copies, &copy->link);
    c->waiting_bytes += frame->len;
    if (c->waiting_bytes > BROADCASTER_WAITING_BYTES_MAX)
        broadcaster_cut(&c->base);
}

static void free_copy(struct client *c, struct copy *copy)
{
    c->waiting_bytes -= copy->len;
    list_remove(&copy->link);
    free(copy);
}

/* Whether the socket took all of it. */
static bool write_copy(struct client *c, struct copy *copy)
{
    ssize_t n = write(c->base.fd, copy->bytes + copy->sent, copy->len - copy->sent);

    copy->sent += n > 0 ? (size_t)n : 0;
    if (copy->sent < copy->len)
        return false;
    free_copy(c, copy);
    return true;
}

static void write_copies(struct broadcaster *b, struct client *c)
{
    bool is_blocked = false;

    if (!c->copies.next)
        return;
    list_each(link, &c->copies) {
        is_blocked = !write_copy(c, list_entry(link, struct copy, link));
        if (is_blocked)
            break;
    }
    if (is_blocked != c->is_blocked)
        broadcaster_watch_writable(b, &c->base, is_blocked);
    c->is_blocked = is_blocked;
}

static void send_frame(struct broadcaster *b, struct broadcaster_client *base,
                       const struct strbuf *frame)
{
    struct client *c = (struct client *)base;

    queue_copy(c, frame);
    if (!c->is_blocked)
        write_copies(b, c);
}

static void on_writable(struct broadcaster *b, struct broadcaster_client *c)
{
    write_copies(b, (struct client *)c);
}

static void flush_room(struct broadcaster *b, struct broadcaster_room *room)
{
    list_each(link, &room->members) {
        struct client *c = list_entry(link, struct client, base.member);

        if (!c->is_blocked)
            write_copies(b, c);
    }
}

static void on_message(struct broadcaster *b, struct broadcaster_client *from,
                       const char *text, size_t len)
{
    struct strbuf frame = {0};

    list_each(link, &from->room->members) {
        strbuf_reset(&frame, SIZE_MAX);
        broadcaster_add_event(b, &frame, from, text, len);
        queue_copy(list_entry(link, struct client, base.member), &frame);
    }
    strbuf_reset(&frame, SIZE_MAX);
    broadcaster_add_ack(&frame, from->room);
    queue_copy((struct client *)from, &frame);
    strbuf_deinit(&frame);
}

static void deinit_client(struct broadcaster_client *base)
{
    struct client *c = (struct client *)base;

    if (c->copies.next)
        list_each(link, &c->copies)
            free_copy(c, list_entry(link, struct copy, link));
}

int main(int argc, char **argv)
{
    static const struct broadcaster_ways ways = {
        .name = "roomcast-bench-naive",
        .client_bytes = sizeof(struct client),
        .room_bytes = sizeof(struct broadcaster_room),
        .on_message = on_message,
        .flush_room = flush_room,
        .send = send_frame,
        .on_writable = on_writable,
        .deinit_client = deinit_client,
    };

    return broadcaster_main(&ways, argc, argv);
}
