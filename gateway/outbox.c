/* outbox.c - see outbox.h.
 *
 *     outbox_add -> room->outbox.messages -> outbox_flush -> start_batch -> publish_send
 *                                              ^                             |
 *                                              +------ on_batch_done <-------+
 */
#include "gateway/outbox.h"

#include <assert.h>
#include <string.h>

#include "gateway/pool.h"

enum { BATCH_BYTES = 256 * 1024 };

struct outgoing {
    struct publish_message message; /* first: the list is of these */
    outbox_fn on_done;
    void *data;
    uint64_t queued_ms;
    size_t size; /* of this block */
    char bytes[];
};

struct batch {
    struct outbox *outbox;
    struct room *room;
    struct list messages;
    struct token token; /* the room's when it was sent, and its number */
    uint64_t seq;
};

void outbox_init(struct outbox *outbox, struct store *store)
{
    outbox->store = store;
    outbox->deadline_ms = (uint64_t)store->config->redis_deadline_ms;
    list_init(&outbox->dirty);
}

static struct json_text put(char **at, struct json_text text)
{
    struct json_text copy = {*at, text.len};

    if (text.len > 0)
        memcpy(*at, text.base, text.len);
    *at += text.len;
    return copy;
}

static struct outgoing *outgoing_from(struct list *link)
{
    return list_entry(link, struct outgoing, message.link);
}

static void mark_dirty(struct outbox *outbox, struct room *room)
{
    if (list_is_empty(&room->outbox.dirty))
        list_add(&outbox->dirty, &room->outbox.dirty);
}

void outbox_add(struct outbox *outbox, struct room *room,
                const struct publish_message *message, uint64_t now_ms,
                outbox_fn on_done, void *data)
{
    size_t size = sizeof(struct outgoing) + message->user.len + message->key.len +
                  message->tail.len;
    struct outgoing *out = pool_alloc(size);
    char *at = out->bytes;

    out->message.user = put(&at, message->user);
    out->message.key = put(&at, message->key);
    out->message.tail = put(&at, message->tail);
    out->message.is_spared = message->is_spared;
    out->on_done = on_done;
    out->data = data;
    out->queued_ms = now_ms;
    out->size = size;
    if (list_is_empty(&room->outbox.messages))
        room_ref(room); /* by the messages that wait */
    list_add(&room->outbox.messages, &out->message.link);
    mark_dirty(outbox, room);
}

static void finish(struct room *room, struct outgoing *out,
                   const struct publish_result *result, const char *epoch)
{
    list_remove(&out->message.link);
    out->on_done(out->data, room, result, epoch);
    pool_recycle(out, out->size);
}

static void fail_all(struct room *room, struct list *messages)
{
    static const struct publish_result unavailable = {PROTO_UNAVAILABLE, 0, 0};
    struct list *link;

    while ((link = list_first(messages)))
        finish(room, outgoing_from(link), &unavailable, NULL);
}

/* What waits in the room fails; may free it. */
static void fail_waiting(struct room *room)
{
    struct list now;

    if (list_is_empty(&room->outbox.messages))
        return;
    list_take_all(&now, &room->outbox.messages); /* more may come meanwhile */
    fail_all(room, &now);
    room_unref(room);
}

/* Redis says that a user is not in the room, but here it is: one of both is wrong. */
static bool contradicts(const struct room *room, const struct outgoing *out,
                        const struct publish_result *result)
{
    const struct room_user *user;

    if (result->error != PROTO_NOT_JOINED)
        return false;
    user = map_find(&room->users, out->message.user.base, out->message.user.len);
    return user && user->is_in && !user->is_leaving;
}

/* The highest number among the acks; 0: none. */
static uint64_t find_acked(const struct list *messages,
                           const struct publish_answer *answer)
{
    const struct publish_result *result = answer->results;
    uint64_t acked = 0;

    for (const struct list *link = messages->next; link != messages;
         link = link->next, result++)
        if (result->error == PROTO_OK && result->seq > acked)
            acked = result->seq;
    return acked;
}

/* What Redis says of the room: what it acked was seen, and it may not be behind what the room had
 * when the call was sent. */
static void note_answer(struct batch *batch, const struct publish_answer *answer,
                        uint64_t acked)
{
    struct room *room = batch->room;

    if (strcmp(answer->epoch, room_log_epoch(&room->log)) != 0)
        return; /* a notice, or the next call, tells */
    terms_see(&room->terms, answer->token, acked, 0);
    if (!terms_is_current(&room->terms, answer->token)) {
        room_doubt_token(room, answer->token);
    } else if (token_equals(batch->token, answer->token) && answer->seq < batch->seq) {
        terms_refute(&room->terms);
        room_doubt(room);
    }
}

static void on_batch_done(void *data, int status, const redisReply *reply)
{
    struct batch *batch = data;
    struct room *room = batch->room;
    struct publish_answer answer;
    bool is_known = publish_read(status, reply, &batch->messages, &answer);
    bool needs_sync = !is_known;
    struct list *link;

    store_note_refusal(batch->outbox->store, room, status, reply);
    if (is_known) {
        store_touched(batch->outbox->store, room, false);
        note_answer(batch, &answer, find_acked(&batch->messages, &answer));
    }
    for (unsigned i = 0; is_known && (link = list_first(&batch->messages)); i++) {
        struct outgoing *out = outgoing_from(link);
        struct publish_result result = answer.results[i];

        if (contradicts(room, out, &result)) {
            needs_sync = true;
            result.error = PROTO_UNAVAILABLE;
        }
        finish(room, out, &result, answer.epoch);
    }
    fail_all(room, &batch->messages);
    room->outbox.is_busy = false;
    if (!list_is_empty(&room->outbox.messages))
        mark_dirty(batch->outbox, room);
    pool_recycle(batch, sizeof(*batch));
    if (needs_sync)
        room_doubt(room);
    room_unref(room);
}

static void start_batch(struct outbox *outbox, struct room *room)
{
    struct batch *batch = pool_alloc(sizeof(*batch));
    unsigned count = 0;
    size_t bytes = 0;

    batch->outbox = outbox;
    batch->room = room;
    list_init(&batch->messages);
    list_each(link, &room->outbox.messages) {
        size_t more = outgoing_from(link)->message.tail.len + room->message_head.len;

        if (count == PUBLISH_MAX || (count > 0 && bytes + more > BATCH_BYTES))
            break;
        bytes += more;
        count++;
        list_remove(link);
        list_add(&batch->messages, link);
    }
    batch->token = terms_token(&room->terms);
    batch->seq = room_log_seq(&room->log);
    room->outbox.is_busy = true;
    if (!list_is_empty(&room->outbox.messages))
        room_ref(room); /* else the call takes the ref of those that waited */
    outbox->store->args.since_ms =
        outgoing_from(list_first(&batch->messages))->queued_ms;
    publish_send(outbox->store, room, &batch->messages, on_batch_done, batch);
}

static bool is_late(const struct outbox *outbox, struct room *room, uint64_t now_ms)
{
    struct list *first = list_first(&room->outbox.messages);

    return first && now_ms - outgoing_from(first)->queued_ms >= outbox->deadline_ms;
}

void outbox_flush(struct outbox *outbox, uint64_t now_ms)
{
    list_each(link, &outbox->dirty) {
        struct room *room = list_entry(link, struct room, outbox.dirty);

        if (room->outbox.is_busy || list_is_empty(&room->outbox.messages)) {
            list_remove(link); /* on_batch_done comes back to it */
        } else if (room_is_ready(room)) {
            list_remove(link);
            start_batch(outbox, room);
        } else if (is_late(outbox, room, now_ms)) {
            list_remove(link);
            fail_waiting(room);
        }
    }
}

void outbox_fail(struct outbox *outbox)
{
    struct list *link;

    while ((link = list_first(&outbox->dirty))) {
        struct room *room = list_entry(link, struct room, outbox.dirty);

        list_remove(link);
        fail_waiting(room);
    }
}
