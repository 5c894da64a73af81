/* timeline.h - what a room's conversation looks like to somebody who was there: messages in
 * their order, a line where something is missing or began anew, and what was not acked yet.
 *
 * No socket, no clock and no screen here. Of a long conversation the newest TIMELINE_KEEP lines
 * are held, or TIMELINE_MAX while somebody reads older ones.
 */
#ifndef CLIENT_TIMELINE_H
#define CLIENT_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"

/* Lines of a room. */
enum { TIMELINE_KEEP = 2000, TIMELINE_MAX = 10000 };

enum timeline_kind {
    TIMELINE_MESSAGE,
    TIMELINE_NOTE,   /* what was answered, who came */
    TIMELINE_WARNING /* gap, reset, kicked, errors */
};

struct timeline_line {
    int64_t id; /* grows along the timeline, never 0, never used again */
    enum timeline_kind kind;
    bool is_deleted;
    uint64_t seq;   /* of a message */
    uint64_t ts_ms; /* since 1970 */
    char *user;     /* owned; NULL: no message */
    char *text;     /* owned */
    size_t text_len;
};

/* Something of ours that is not in the conversation yet. */
struct timeline_unsent {
    struct list link;
    uint64_t id;  /* of chat_client_say */
    uint64_t seq; /* 0: not acked; else its message has not come yet */
    uint64_t seen_seq;
    char *text; /* owned */
};

struct timeline {
    struct timeline_line **lines; /* owned, the oldest first */
    int64_t first_id, last_id;    /* given to a line; 0: none yet */
    size_t count, cap;
    char epoch[32];
    uint64_t last_seq; /* of the last message; 0: none yet */
    bool has_messages;
    bool has_all;       /* nothing older is to be had */
    bool is_read;       /* above its end: older lines stay; set by the owner */
    struct list unsent; /* in the order said */
    size_t unsent_count;
};

/* A message as it is told; strings borrowed. */
struct timeline_message {
    const char *epoch, *user, *text;
    uint64_t seq, ts_ms;
    bool is_deleted, is_own;
};

void timeline_init(struct timeline *t);
void timeline_deinit(struct timeline *t);

/* The next message. False: it is here already. */
bool timeline_take(struct timeline *t, const struct timeline_message *m);

/* One that is older than all here, told from the newest to the oldest. False: no more lines
 * are held. */
bool timeline_take_older(struct timeline *t, const struct timeline_message *m);

/* The seq of the oldest message; 0: there is none. */
uint64_t timeline_oldest(const struct timeline *t);

/* The join's history has come; its last message should have been `seq`. */
void timeline_finish(struct timeline *t, uint64_t seq, uint64_t now_ms);

void timeline_gap(struct timeline *t, uint64_t from, uint64_t to, uint64_t now_ms);
void timeline_reset(struct timeline *t, const char *epoch, uint64_t seq,
                    uint64_t now_ms);

/* A moderator has deleted it. */
void timeline_delete(struct timeline *t, uint64_t seq);

void timeline_add(struct timeline *t, enum timeline_kind kind, uint64_t now_ms,
                  const char *text);

void timeline_say(struct timeline *t, uint64_t id, const char *text, size_t len);

/* It is in the room; its message comes, or has come, unless that was in another epoch. */
void timeline_acked(struct timeline *t, uint64_t id, const char *epoch, uint64_t seq);

/* What is acked and has not come will not: the room began anew, or we are out. */
void timeline_forget_acked(struct timeline *t);

/* It will not be said. The text, to be freed; NULL: not known. */
char *timeline_refused(struct timeline *t, uint64_t id);

#endif
