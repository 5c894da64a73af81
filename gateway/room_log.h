/* room_log.h - the messages of a room as this worker has them: where they stand (the epoch, the
 * number of the last one), the last line, and a ring of the latest ones. Pure: it knows
 * frames, but neither members nor Redis.
 *
 * The ring has no hole and ends with the last message. Filling it costs a frame for each
 * message, so it is filled only while somebody needs it: the caller says so with each message.
 *
 * Called room_log and not log because common/log.h writes the process's log.
 */
#ifndef GATEWAY_ROOM_LOG_H
#define GATEWAY_ROOM_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/json.h"
#include "common/proto.h"
#include "common/token.h"

struct frame;

enum { ROOM_LOGS_GIVEN_UP = 256 };

/* What the logs of a worker share. */
struct room_logs {
    uint64_t history_max_bytes; /* what Redis keeps of a room */
    size_t ring_bytes;          /* of all rings */
    /* The latest epochs that logs had given up which are no more: of closed rooms. An epoch is random, so it tells
     * by itself which room it was of. */
    char given_up[ROOM_LOGS_GIVEN_UP][PROTO_EPOCH_LEN];
    uint32_t given_up_count; /* ever */
};

/* Only room_log.c looks into it: others have the functions below. */
struct room_log {
    struct room_logs *logs;
    char epoch[PROTO_EPOCH_LEN + 1]; /* empty: not known */
    uint64_t seq;                    /* the last message: what live members have */
    uint64_t history_limit;          /* messages that Redis keeps */
    uint64_t changed;    /* rev of the latest deletion or edit known of the history */
    struct frame *last;  /* its line; NULL: not known */
    struct frame **ring; /* messages seq - ring_count + 1 to seq */
    uint32_t ring_head, ring_count, ring_cap;
    uint32_t ring_drops;  /* how often it was emptied */
    size_t ring_bytes;    /* of the messages, as Redis counts them */
    bool ring_is_whole;   /* it holds all that Redis holds */
    struct strbuf former; /* epochs that it stood at before, the latest first */
};

/* A piece of the history, as Redis or the ring gave it; all borrowed. */
struct history {
    const char *epoch;
    struct token token; /* none: of the ring */
    uint64_t seq;       /* the room's last message */
    uint64_t oldest;    /* the oldest message held */
    uint64_t first;     /* number of lines[0] */
    const struct json_text *lines;
    size_t count;
    bool is_cut;    /* beside it stands what is no message */
    bool has_older; /* of a read of older messages: there are more of them */
};

void room_log_init(struct room_log *log, struct room_logs *logs);
void room_log_deinit(struct room_log *log);

/* So many messages Redis keeps of the room. */
static inline void room_log_limit(struct room_log *log, uint64_t limit)
{
    log->history_limit = limit;
}

/* The log stands at message `seq` of this epoch, and nothing else is known of it. `epoch` has
 * PROTO_EPOCH_LEN characters and a NUL. */
void room_log_start(struct room_log *log, const char *epoch, uint64_t seq);

/* Whether it, or a log that was there before it, has stood at this epoch, and does not any more: if Redis has it
 * again, it has gone back. */
bool room_log_has_given_up(const struct room_log *log, const char *epoch);

/* The room is gone: the epoch is not known any more. */
void room_log_forget(struct room_log *log);

/* The next message; takes the reference. `in_ring`: the ring is needed. */
void room_log_append(struct room_log *log, struct frame *frame, bool in_ring);

/* The log goes on after message `seq`, without the messages up to it. */
void room_log_skip(struct room_log *log, uint64_t seq);

/* Puts what was read of the history in front of what the ring holds, unless a hole would
 * remain between them. */
void room_log_fill(struct room_log *log, const struct history *history);

/* What a read of the history after `after` would give, from the ring; false: the ring does not
 * tell. `lines` has room for PROTO_BATCH_MESSAGES; NULL: none are given. */
bool room_log_read(const struct room_log *log, uint64_t after, struct json_text *lines,
                   struct history *out);

/* Whether the ring holds message `seq`; then that message, borrowed. */
bool room_log_has(const struct room_log *log, uint64_t seq);
struct frame *room_log_at(const struct room_log *log, uint64_t seq);

/* The latest deletion or edit of Redis's history is of rev `changed` (of meta), when the room was at
 * `rev`; 0: not known. If that is news, what the ring holds may be older, and it is emptied. A
 * later one that was known here is believed no more if Redis was beyond it. */
void room_log_note_change(struct room_log *log, uint64_t changed, uint64_t rev);

/* Empties and frees the ring. */
void room_log_drop(struct room_log *log);

static inline const char *room_log_epoch(const struct room_log *log)
{
    return log->epoch;
}

/* Whether the epoch and the number are known. */
static inline bool room_log_is_known(const struct room_log *log)
{
    return log->epoch[0] != '\0';
}

static inline uint64_t room_log_seq(const struct room_log *log)
{
    return log->seq;
}

static inline uint64_t room_log_changed(const struct room_log *log)
{
    return log->changed;
}

/* The last message, borrowed, to compare with Redis's; NULL: not known. */
static inline struct frame *room_log_last(const struct room_log *log)
{
    return log->last;
}

/* Grows whenever the ring is emptied: a read of the history from before may be older than what
 * emptied it. */
static inline uint32_t room_log_drops(const struct room_log *log)
{
    return log->ring_drops;
}

#endif
