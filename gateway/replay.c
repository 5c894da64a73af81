/* replay.c - see replay.h.
 *
 *     replay_read -> start_flight                          the first in a while
 *                 -> start_fill -> on_landed -> ready      the next ones, while it is read
 *                 -> ready                                 those after them
 *                 -> board -> on_landed -> on_done         what the ring does not tell
 *     replay_run  -> answer -> on_done
 *
 * An answer from the ring is as good as one from Redis: the ring goes up to the room's last
 * message here, and what comes behind it reaches the member as any live message does. Where
 * the ring does not tell (a client that is ahead of this worker, a history larger than
 * the ring), Redis is asked, once for all who want the same at the same time: they board the
 * flight that is under way.
 *
 * A ring that was emptied while its history was read, as by a reset or a deleted message, is not
 * filled with it: it may be older than what emptied the ring. Nor does a later read board a
 * flight from before.
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
    struct list flights;
    uint64_t used_ms;
    uint32_t drops; /* room_log_drops when it was last filled */
    bool was_filled;
};

/* A read that Redis is answering, and who waits for it. */
struct flight {
    struct list link; /* in its replay, if it has one */
    struct replays *replays;
    struct room *room; /* held */
    struct list reads;
    uint64_t after; /* FILL: for the ring */
    uint32_t drops; /* room_log_drops when it began */
};

struct replay_read {
    struct list link;
    struct replays *replays;
    struct room *room; /* held */
    uint64_t after;
    store_history_fn on_done;
    void *data;
};

#define FILL UINT64_MAX

static void end_read(struct replay_read *read, const struct history *history)
{
    struct room *room = read->room;

    read->on_done(read->data, history);
    pool_recycle(read, sizeof(*read));
    room_release(room);
}

/* Whether the ring answers. */
static bool can_answer(const struct replay_read *read)
{
    struct history history;

    return room_log_read(&read->room->log, read->after, NULL, &history);
}

/* ---- reads that Redis answers ---- */

static void board(struct replay_read *read);

static void on_landed(void *data, const struct history *history)
{
    struct flight *flight = data;
    struct room *room = flight->room;
    bool is_fill = flight->after == FILL;
    struct list *link;

    list_remove(&flight->link);
    if (is_fill && history && flight->drops == room_log_drops(&room->log))
        room_log_fill(&room->log, history);
    while ((link = list_first(&flight->reads))) {
        struct replay_read *read = list_entry(link, struct replay_read, link);

        list_remove(link);
        if (!is_fill || !history)
            end_read(read, history);
        else if (can_answer(read))
            list_add(&flight->replays->ready, link);
        else
            board(read);
    }
    pool_recycle(flight, sizeof(*flight));
    room_release(room);
}

static struct flight *new_flight(struct replays *replays, struct room *room,
                                 uint64_t after)
{
    struct flight *flight = pool_alloc(sizeof(*flight));

    *flight = (struct flight){.replays = replays,
                              .room = room,
                              .after = after,
                              .drops = room_log_drops(&room->log)};
    list_init(&flight->link);
    list_init(&flight->reads);
    room->holds++;
    if (room->replay)
        list_add(&room->replay->flights, &flight->link);
    metric_add(&room->rooms->metrics->history_reads_total, 1);
    return flight;
}

static void start_flight(struct replay_read *read)
{
    struct flight *flight = new_flight(read->replays, read->room, read->after);

    list_add(&flight->reads, &read->link);
    store_history(read->replays->store, read->room, read->after, 0,
                  PROTO_BATCH_MESSAGES, on_landed, flight);
}

static struct flight *find_flight(const struct room *room, uint64_t after)
{
    if (!room->replay)
        return NULL;
    for (struct list *link = room->replay->flights.next; link != &room->replay->flights;
         link = link->next) {
        struct flight *flight = list_entry(link, struct flight, link);

        if (flight->after == after && flight->drops == room_log_drops(&room->log))
            return flight;
    }
    return NULL;
}

static void board(struct replay_read *read)
{
    struct flight *flight = find_flight(read->room, read->after);

    if (!flight) {
        start_flight(read);
        return;
    }
    metric_add(&read->room->rooms->metrics->history_shared_total, 1);
    list_add(&flight->reads, &read->link);
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
        list_init(&replay->flights);
        room->replay = replay;
        follow_keep_ring(room, true);
    }
    replay->used_ms = uv_now(replays->loop);
    list_remove(&replay->link);
    list_add(&replays->kept, &replay->link);
    return replay;
}

static void start_fill(struct replay *replay)
{
    struct flight *flight = new_flight(replay->replays, replay->room, FILL);

    replay->was_filled = true;
    replay->drops = flight->drops;
    store_history(replay->replays->store, replay->room, FILL, (uint64_t)1 << 53,
                  PROTO_BATCH_MESSAGES, on_landed, flight);
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
    struct flight *fill;

    *read = (struct replay_read){.replays = replays,
                                 .room = room,
                                 .after = after,
                                 .on_done = on_done,
                                 .data = data};
    list_init(&read->link);
    room->holds++;
    if (is_first_in_a_while(room, now_ms)) {
        room->replay_read_ms = now_ms;
        start_flight(read);
        return;
    }
    replay = get_replay(replays, room);
    if (can_answer(read)) {
        list_add(&replays->ready, &read->link);
        return;
    }
    if (!replay->was_filled || replay->drops != room_log_drops(&room->log))
        start_fill(replay);
    fill = find_flight(room, FILL);
    if (fill)
        list_add(&fill->reads, &read->link);
    else
        board(read);
}

static void answer(struct replay_read *read)
{
    static _Thread_local struct json_text lines[PROTO_BATCH_MESSAGES];
    struct history history;

    if (!room_log_read(&read->room->log, read->after, lines, &history)) {
        board(read); /* the ring was emptied meanwhile */
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
            replays->rooms->logs.ring_bytes <= RINGS_MAX_BYTES)
            return;
        if (list_is_empty(&replay->flights))
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
