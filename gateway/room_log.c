/* room_log.c - see room_log.h.
 *
 *     room_log_start -> room_log_append, room_log_skip -> room_log_forget
 *
 * Two bounds cut the ring. Its own (RING_MAX_…) may leave less than Redis holds; Redis's own
 * (history_max_bytes) leaves just what Redis holds. `ring_is_whole` tells them apart, so
 * that a read of messages from before the ring is answered only where Redis has none
 * of them either.
 */
#include "gateway/room_log.h"

#include <string.h>

#include "gateway/frame.h"
#include "gateway/pool.h"

enum {
    RING_MAX_FRAMES = 1024,
    RING_MAX_BYTES = 1024 * 1024,
    BATCH_MAX_BYTES = PROTO_BATCH_BYTES - 2048, /* without what stands around it */
};

/* ---- the ring ---- */

static struct frame **ring_at(const struct room_log *log, uint32_t i)
{
    return &log->ring[(log->ring_head + i) & (log->ring_cap - 1)];
}

static void count_bytes(struct room_log *log, const struct frame *frame, bool added)
{
    size_t len;

    frame_text(frame, &len);
    log->ring_bytes += added ? len : -len;
    log->logs->ring_bytes += added ? len : -len;
}

static bool has_too_many_bytes(const struct room_log *log)
{
    return log->ring_count > 1 && log->ring_bytes > log->logs->history_max_bytes;
}

/* What Redis drops too, as it keeps so many messages and bytes of them, leaves a ring that
 * holds all that Redis holds. */
static void ring_drop_oldest(struct room_log *log)
{
    struct frame *oldest = *ring_at(log, 0);

    if (has_too_many_bytes(log))
        log->ring_is_whole = true;
    else if (log->ring_count <= log->history_limit)
        log->ring_is_whole = false;
    count_bytes(log, oldest, false);
    frame_unref(oldest);
    log->ring_head = (log->ring_head + 1) & (log->ring_cap - 1);
    log->ring_count--;
}

static void ring_recycle(struct frame **ring, uint32_t cap)
{
    pool_recycle(ring, cap * sizeof(struct frame *));
}

static void ring_grow(struct room_log *log)
{
    uint32_t cap = log->ring_cap ? 2 * log->ring_cap : 16;
    struct frame **bigger = pool_alloc(cap * sizeof(struct frame *));

    for (uint32_t i = 0; i < log->ring_count; i++)
        bigger[i] = *ring_at(log, i);
    ring_recycle(log->ring, log->ring_cap);
    log->ring = bigger;
    log->ring_cap = cap;
    log->ring_head = 0;
}

/* Takes the reference. */
static void ring_add(struct room_log *log, struct frame *frame)
{
    if (log->ring_count == log->ring_cap && log->ring_cap < RING_MAX_FRAMES)
        ring_grow(log);
    while (log->ring_count > 0 &&
           (log->ring_count == log->ring_cap || log->ring_bytes > RING_MAX_BYTES))
        ring_drop_oldest(log);
    *ring_at(log, log->ring_count++) = frame;
    count_bytes(log, frame, true);
    while (has_too_many_bytes(log))
        ring_drop_oldest(log);
}

void room_log_drop(struct room_log *log)
{
    while (log->ring_count > 0)
        ring_drop_oldest(log);
    ring_recycle(log->ring, log->ring_cap);
    log->ring = NULL;
    log->ring_cap = log->ring_head = 0;
    log->ring_is_whole = false;
    log->ring_drops++;
}

/* Whether nothing stands in Redis before `h` that the log's messages could begin with: if Redis
 * is ahead of the log, as much may have been cut off its front since. (A ring that begins with
 * message 1 tells the start anyway.) */
static bool is_from_the_start(const struct room_log *log, const struct history *h)
{
    return h->first == h->oldest && h->seq <= log->seq;
}

void room_log_fill(struct room_log *log, const struct history *h)
{
    uint64_t next = log->seq - log->ring_count + 1; /* the oldest that is there */
    struct frame **old = log->ring;
    uint32_t count = log->ring_count, head = log->ring_head, cap = log->ring_cap;

    if (strcmp(h->epoch, log->epoch) != 0 || h->first > next ||
        h->first + h->count < next) /* a hole between them */
        return;
    log->ring = NULL;
    log->ring_head = log->ring_count = log->ring_cap = 0;
    log->logs->ring_bytes -= log->ring_bytes;
    log->ring_bytes = 0;
    log->ring_is_whole = is_from_the_start(log, h);
    for (size_t i = 0; i < h->count && h->first + i < next; i++)
        ring_add(log, frame_new_text(h->lines[i].base, h->lines[i].len));
    for (uint32_t i = 0; i < count; i++)
        ring_add(log, old[(head + i) & (cap - 1)]);
    ring_recycle(old, cap);
}

bool room_log_has(const struct room_log *log, uint64_t seq)
{
    return seq <= log->seq && seq + log->ring_count > log->seq;
}

struct frame *room_log_at(const struct room_log *log, uint64_t seq)
{
    return *ring_at(log, (uint32_t)(seq + log->ring_count - log->seq - 1));
}

bool room_log_read(const struct room_log *log, uint64_t after, struct json_text *lines,
                   struct history *out)
{
    uint64_t limit = log->history_limit, seq;
    uint64_t count = log->ring_count < limit ? log->ring_count : limit;
    uint64_t oldest = log->seq - count + 1;
    size_t bytes = 0;

    if (!log->epoch[0] || after > log->seq ||
        (after + 1 < oldest && !log->ring_is_whole && log->ring_count < limit))
        return false;
    seq = after + 1 < oldest ? oldest : after + 1;
    *out = (struct history){.epoch = log->epoch,
                            .seq = log->seq,
                            .oldest = oldest,
                            .first = seq,
                            .lines = lines};
    for (; lines && seq <= log->seq && out->count < PROTO_BATCH_MESSAGES; seq++) {
        struct json_text *line = &lines[out->count];

        line->base = frame_text(room_log_at(log, seq), &line->len);
        bytes += line->len + 1;
        if (out->count > 0 && bytes > BATCH_MAX_BYTES)
            break;
        out->count++;
    }
    return true;
}

/* ---- where it stands ---- */

static void set_last(struct room_log *log, struct frame *frame)
{
    frame_unref(log->last);
    log->last = frame;
}

void room_log_init(struct room_log *log, struct room_logs *logs)
{
    *log = (struct room_log){.logs = logs};
}

/* The log goes, and what it has given up stays so. */
static void keep_given_up(struct room_log *log)
{
    struct room_logs *logs = log->logs;

    for (size_t at = 0; at < log->former.len; at += PROTO_EPOCH_LEN)
        memcpy(logs->given_up[logs->given_up_count++ % ROOM_LOGS_GIVEN_UP],
               log->former.data + at, PROTO_EPOCH_LEN);
}

void room_log_deinit(struct room_log *log)
{
    keep_given_up(log);
    room_log_drop(log);
    set_last(log, NULL);
    strbuf_deinit(&log->former);
}

/* It is another one from now on. */
static void give_up_epoch(struct room_log *log)
{
    enum {
        FORMER_BYTES_MAX = 15 * PROTO_EPOCH_LEN
    }; /* with the new one as many as remake.lua has */
    struct strbuf former = {NULL, 0, 0};
    size_t kept =
        log->former.len < FORMER_BYTES_MAX ? log->former.len : FORMER_BYTES_MAX;

    if (!log->epoch[0])
        return;
    strbuf_add_text(&former, log->epoch);
    if (kept > 0)
        strbuf_add(&former, log->former.data, kept);
    strbuf_deinit(&log->former);
    log->former = former;
}

static bool have_given_up(const struct room_logs *logs, const char *epoch)
{
    for (uint32_t i = 0; i < logs->given_up_count && i < ROOM_LOGS_GIVEN_UP; i++)
        if (memcmp(logs->given_up[i], epoch, PROTO_EPOCH_LEN) == 0)
            return true;
    return false;
}

bool room_log_has_given_up(const struct room_log *log, const char *epoch)
{
    for (size_t at = 0; at < log->former.len; at += PROTO_EPOCH_LEN)
        if (memcmp(log->former.data + at, epoch, PROTO_EPOCH_LEN) == 0)
            return true;
    return have_given_up(log->logs, epoch);
}

void room_log_start(struct room_log *log, const char *epoch, uint64_t seq)
{
    if (strcmp(log->epoch, epoch) != 0)
        give_up_epoch(log);
    memcpy(log->epoch, epoch, sizeof(log->epoch));
    log->changed = 0;
    room_log_skip(log, seq);
}

void room_log_forget(struct room_log *log)
{
    give_up_epoch(log);
    log->epoch[0] = '\0';
    room_log_skip(log, log->seq);
}

void room_log_note_change(struct room_log *log, uint64_t changed, uint64_t rev)
{
    bool is_news = changed > log->changed;

    if (!is_news && (changed == log->changed || rev < log->changed))
        return;
    log->changed = changed;
    if (is_news)
        room_log_drop(log);
}

void room_log_append(struct room_log *log, struct frame *frame, bool in_ring)
{
    if (in_ring)
        ring_add(log, frame_ref(frame));
    else if (log->ring_count > 0 || log->ring_is_whole)
        room_log_drop(log); /* this message would be missing */
    log->seq++;
    set_last(log, frame);
}

void room_log_skip(struct room_log *log, uint64_t seq)
{
    room_log_drop(log);
    set_last(log, NULL);
    log->seq = seq;
}
