/* replay.c - see replay.h.
 *
 *     replay_read -> start_read                          the first in a while
 *                 -> start_fill -> on_filled -> answer   the next ones, while it is read
 *                 -> ready                               those after them
 *     replay_run  -> on_done
 *
 * An answer from the ring is as good as one from Redis: the ring goes up to the room's last
 * message here, and what comes behind it reaches the member as any live message does. Where
 * the ring does not tell (a client that is ahead of this worker, a history larger than
 * the ring), Redis is asked.
 *
 * A ring that was emptied while its history was read, as by a reset or a deleted message, is not
 * filled with it: it may be older than what emptied the ring.
 */
#include "gateway/replay.h"

#include <stdlib.h>

#include "gateway/follow.h"
#include "gateway/pool.h"

enum {
    KEEP_MS = 10000,
    RINGS_MAX_BYTES = 64 * 1024 * 1024, /* of a worker's rings */
};

struct replay {
    struct list link;
    struct replays *replays;
    struct room *room;
    struct list waiting; /* reads, for the fill */
    uint64_t used_ms;
    uint32_t drops; /* the room's ring_drops when it was last filled */
    bool is_filling, was_filled;
};

struct replay_read {
    struct list link;
    struct replays *replays;
    struct room *room; /* held */
    uint64_t after;
    store_history_fn on_done;
    void *data;
};

static void end_read(struct replay_read *read, const struct follow_history *history)
{
    struct room *room = read->room;

    read->on_done(read->data, history);
    pool_recycle(read, sizeof(*read));
    room_release(room);
}

static void on_history(void *data, const struct follow_history *history)
{
    end_read(data, history);
}

static void start_read(struct replay_read *read)
{
    metric_add(&read->room->rooms->metrics->history_reads_total, 1);
    store_history(read->replays->store, read->room, read->after, 0,
                  PROTO_BATCH_MESSAGES, on_history, read);
}

/* ---- a room's replay ---- */

static void drop(struct replay *replay)
{
    list_remove(&replay->link);
    replay->room->replay = NULL;
    follow_keep_ring(replay->room, false);
    pool_recycle(replay, sizeof(*replay));
}

static void on_replay_lost(struct room *room)
{
    drop(room->replay); /* nobody waits: who does holds the room */
}

static struct replay *get_replay(struct replays *replays, struct room *room)
{
    struct replay *replay = room->replay;

    if (!replay) {
        replay = pool_alloc(sizeof(*replay));
        *replay = (struct replay){.replays = replays, .room = room};
        list_init(&replay->link);
        list_init(&replay->waiting);
        room->replay = replay;
        follow_keep_ring(room, true);
    }
    replay->used_ms = uv_now(replays->loop);
    list_remove(&replay->link);
    list_add(&replays->kept, &replay->link);
    return replay;
}

/* Whether the ring answers. */
static bool can_answer(const struct replay_read *read)
{
    struct follow_history history;

    return follow_read_ring(read->room, read->after, NULL, &history);
}

static void on_filled(void *data, const struct follow_history *history)
{
    struct replay *replay = data;
    struct room *room = replay->room;
    struct list *link;

    replay->is_filling = false;
    if (history && replay->drops == room->ring_drops)
        follow_fill_ring(room, history);
    while ((link = list_first(&replay->waiting))) {
        struct replay_read *read = list_entry(link, struct replay_read, link);

        list_remove(link);
        if (!history)
            end_read(read, NULL);
        else if (can_answer(read))
            list_add(&replay->replays->ready, link);
        else
            start_read(read);
    }
    room_release(room);
}

static void start_fill(struct replay *replay)
{
    replay->is_filling = replay->was_filled = true;
    replay->drops = replay->room->ring_drops;
    replay->room->holds++;
    metric_add(&replay->room->rooms->metrics->history_reads_total, 1);
    store_history(replay->replays->store, replay->room, UINT64_MAX, (uint64_t)1 << 53,
                  PROTO_BATCH_MESSAGES, on_filled, replay);
}

/* ---- a read ---- */

static bool is_first_in_a_while(const struct room *room, uint64_t now_ms)
{
    return !room->replay &&
           (room->replay_read_ms == 0 || now_ms - room->replay_read_ms >= KEEP_MS);
}

void replay_read(struct replays *replays, struct room *room, uint64_t after,
                 store_history_fn on_done, void *data)
{
    struct replay_read *read = pool_alloc(sizeof(*read));
    uint64_t now_ms = uv_now(replays->loop);
    struct replay *replay;

    *read = (struct replay_read){.replays = replays,
                                 .room = room,
                                 .after = after,
                                 .on_done = on_done,
                                 .data = data};
    list_init(&read->link);
    room->holds++;
    if (is_first_in_a_while(room, now_ms)) {
        room->replay_read_ms = now_ms;
        start_read(read);
        return;
    }
    replay = get_replay(replays, room);
    if (can_answer(read)) {
        list_add(&replays->ready, &read->link);
        return;
    }
    if (!replay->is_filling &&
        (!replay->was_filled || replay->drops != room->ring_drops))
        start_fill(replay);
    if (replay->is_filling)
        list_add(&replay->waiting, &read->link);
    else
        start_read(read);
}

static void answer(struct replay_read *read)
{
    static _Thread_local struct json_text lines[PROTO_BATCH_MESSAGES];
    struct follow_history history;

    if (!follow_read_ring(read->room, read->after, lines, &history)) {
        start_read(read); /* the ring was emptied meanwhile */
        return;
    }
    metric_add(&read->room->rooms->metrics->history_shared_total, 1);
    end_read(read, &history);
}

void replay_run(struct replays *replays)
{
    uint64_t now_ms = uv_now(replays->loop);
    struct list *link;

    while ((link = list_first(&replays->ready))) {
        list_remove(link);
        answer(list_entry(link, struct replay_read, link));
    }
    list_each(kept, &replays->kept) {
        struct replay *replay = list_entry(kept, struct replay, link);

        if (now_ms - replay->used_ms < KEEP_MS &&
            replays->rooms->ring_bytes <= RINGS_MAX_BYTES)
            return;
        if (!replay->is_filling)
            drop(replay);
    }
}

void replay_init(struct replays *replays, struct store *store, struct rooms *rooms,
                 uv_loop_t *loop)
{
    *replays = (struct replays){.store = store, .rooms = rooms, .loop = loop};
    list_init(&replays->kept);
    list_init(&replays->ready);
    rooms->watch.on_replay_lost = on_replay_lost;
}

void replay_deinit(struct replays *replays)
{
    struct list *link;

    while ((link = list_first(&replays->ready))) {
        list_remove(link);
        end_read(list_entry(link, struct replay_read, link), NULL);
    }
}
