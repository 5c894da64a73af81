/* history_read.c - see history_read.h.
 *
 *     history_read -> start_read -> on_history -> on_done
 *                        ^              |
 *                        +--------------+ beyond a page without a message; older than a change
 */
#include "gateway/history_read.h"

#include <stdlib.h>
#include <string.h>

#include "common/intake.h"
#include "common/lines.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/deliver.h"

enum {
    BATCH_ENVELOPE_BYTES = 2048, /* of a history_batch, around the messages */
    PAGES_MAX = 100,             /* without a message in them, that one read looks at */
    CHANGED_AT = 5,              /* in the answer */
    LINES_AT = 6,
};

struct history_read {
    struct store *store;
    struct room *room;      /* a ref */
    uint64_t after, before; /* as in history_range */
    unsigned limit, pages;
    bool was_outdated; /* it was asked for again */
    history_read_fn on_done;
    void *data;
};

static void start_read(struct history_read *read);

/* Numbers of the list, and of the part of it that was asked for. */
static bool is_asked_for(const struct history_read *read, const struct history *h)
{
    return h->first > 0 && h->seq < UINT64_MAX / 2 && h->first <= h->seq &&
           h->count - 1 <= h->seq - h->first &&
           (read->after != UINT64_MAX ? h->first > read->after
                                      : h->first + h->count <= read->before);
}

static bool take_history(struct history_read *read, const redisReply *reply,
                         struct history *h, char *epoch)
{
    static _Thread_local struct json_text lines[PROTO_LIMIT_MAX];
    long long first;
    size_t from = LINES_AT;

    if (!reply_is_array(reply, from) || !reply_take_epoch(epoch, reply, 0) ||
        !reply_take_number(reply, 3, &first))
        return false;
    for (; first < 1 && from < reply_count(reply); first++)
        from++; /* the list is longer than the room's number */
    *h = (struct history){
        .epoch = epoch,
        .token = reply_token(reply, 4),
        .seq = reply_number(reply, 1),
        .oldest = reply_number(reply, 2),
        .first = first < 1 ? 1 : (uint64_t)first,
        .lines = lines,
        .count = reply_count(reply) - from,
        .is_cut = read->pages > 0,
    };
    if (h->count > read->limit || (h->count > 0 && !is_asked_for(read, h)))
        return false;
    for (size_t i = 0; i < h->count; i++)
        lines[i] = reply_text(reply, from + i);
    return true;
}

static bool is_good(const struct history_read *read, const struct history *h, size_t i)
{
    return lines_is_message(room_head(read->room), h->first + i, h->lines[i]);
}

/* Leaves of the page what can be given as it stands: from where the reader comes, the first lines
 * that are messages, as far as there is none between them. Who reads sees by the numbers
 * what is missing. */
static void cut(struct history_read *read, struct history *h)
{
    bool is_forward = read->after != UINT64_MAX;
    size_t from = 0, until = h->count, older;

    if (is_forward) {
        while (from < h->count && !is_good(read, h, from))
            from++;
        for (until = from; until < h->count && is_good(read, h, until);)
            until++;
    } else {
        while (until > 0 && !is_good(read, h, until - 1))
            until--;
        for (from = until; from > 0 && is_good(read, h, from - 1);)
            from--;
        for (older = from; older > 0 && !is_good(read, h, older - 1);)
            older--;
        h->has_older = older > 0 || h->first > h->oldest;
    }
    if (until - from < h->count) {
        intake_refuse(read->store->metrics, INTAKE_HISTORY, "line",
                      (struct json_text){read->room->name, read->room->name_len});
        h->is_cut = true;
    }
    h->lines += from;
    h->first += from;
    h->count = until - from;
}

static void end_read(struct history_read *read, const struct history *history)
{
    read->on_done(read->data, history);
    room_unref(read->room);
    free(read);
}

static bool is_of_log(const struct room *room, const struct history *history)
{
    return strcmp(history->epoch, room_log_epoch(&room->log)) == 0 &&
           terms_is_current(&room->terms, history->token);
}

/* Whether the answer is from before a deletion or an edit that is known here by now. Then it is asked
 * for again, once: what was sent after the notice is answered as Redis has it, and a notice that
 * Redis knows nothing of was somebody else's. */
static bool is_outdated(struct history_read *read, const struct history *history,
                        uint64_t changed)
{
    struct room_log *log = &read->room->log;

    if (!is_of_log(read->room, history))
        return false;
    if (changed < room_log_changed(log) && !read->was_outdated)
        return true;
    room_log_note_change(log, changed, read->was_outdated ? UINT64_MAX : 0);
    return false;
}

static void on_history(void *data, int status, const redisReply *reply)
{
    struct history_read *read = data;
    char epoch[PROTO_EPOCH_LEN + 1];
    struct history history;
    uint64_t first;
    size_t count;

    store_note_refusal(read->store, read->room, status, reply);
    if (status < 0 || !take_history(read, reply, &history, epoch)) {
        end_read(read, NULL);
        return;
    }
    if (is_outdated(read, &history, reply_number(reply, CHANGED_AT))) {
        read->was_outdated = true;
        start_read(read);
        return;
    }
    count = history.count;
    first = history.first;
    cut(read, &history);
    /* Not a message among them: beyond them, PAGES_MAX times at most. */
    if (count > 0 && history.count == 0 && ++read->pages < PAGES_MAX) {
        if (read->after != UINT64_MAX)
            read->after = first + count - 1;
        else
            read->before = first;
        start_read(read);
        return;
    }
    end_read(read, &history);
}

static void start_read(struct history_read *read)
{
    struct store *store = read->store;
    const struct room *room = read->room;

    scripts_begin(&store->args.cmd, SCRIPT_HISTORY, 2);
    args_add_key(&store->args, room, KEY_META);
    args_add_key(&store->args, room, KEY_HISTORY);
    if (read->after == UINT64_MAX) {
        redis_command_add_text(&store->args.cmd, "");
        redis_command_add_u64(&store->args.cmd, read->before);
    } else {
        redis_command_add_u64(&store->args.cmd, read->after);
        redis_command_add_text(&store->args.cmd, "");
    }
    redis_command_add_u64(&store->args.cmd, read->limit);
    redis_command_add_u64(&store->args.cmd, PROTO_BATCH_BYTES - BATCH_ENVELOPE_BYTES);
    store_send_script(store, SCRIPT_HISTORY, on_history, read);
}

void history_read(struct store *store, struct room *room,
                  const struct history_range *range, history_read_fn on_done,
                  void *data)
{
    struct history_read *read = xcalloc(1, sizeof(*read));

    read->store = store;
    read->room = room_ref(room);
    read->after = range->after;
    read->before = range->before;
    read->limit = range->limit;
    read->on_done = on_done;
    read->data = data;
    start_read(read);
}

static void on_backfill(void *data, const struct history *history)
{
    deliver_backfill(data, history);
}

void history_read_backfill(struct store *store, struct room *room, uint64_t after)
{
    const struct history_range range = {.after = after, .limit = PROTO_BATCH_MESSAGES};

    history_read(store, room, &range, on_backfill, room);
}
