/* timeline.h - what a room's conversation looks like to somebody who was there: messages in
 * their order, and a line where something is missing or the room was recreated.
 *
 * No socket, no clock and no screen here. Of a long conversation the newest TIMELINE_KEEP lines
 * are held, or TIMELINE_MAX while somebody reads older ones.
 */
#ifndef CLIENT_TIMELINE_H
#define CLIENT_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

struct timeline {
    struct timeline_line **lines; /* owned, the oldest first */
    int64_t first_id, last_id;    /* given to a line; 0: none yet */
    size_t count, cap;
    char epoch[32];
    uint64_t last_seq; /* of the last message; 0: none yet */
    bool has_messages;
    bool has_all; /* nothing older is to be had */
    bool is_read; /* above its end: older lines stay; set by the owner */
};

/* A message as it is told; strings borrowed. */
struct timeline_message {
    const char *epoch, *user, *text;
    uint64_t seq, ts_ms;
    bool is_deleted;
};

void timeline_init(struct timeline *t);
void timeline_deinit(struct timeline *t);

/* The next message. False: it is here already. */
bool timeline_take(struct timeline *t, const struct timeline_message *m);

/* One that is older than all here, told from the newest to the oldest. False: no more lines
 * are held. */
bool timeline_take_older(struct timeline *t, const struct timeline_message *m);

/* Whether this message has not come, and will: it is of this epoch. */
bool timeline_awaits(const struct timeline *t, const char *epoch, uint64_t seq);

/* The seq of the oldest message; 0: there is none. */
uint64_t timeline_oldest(const struct timeline *t);

/* The join's history has come; its last message should have been `seq`. */
void timeline_finish(struct timeline *t, uint64_t seq, uint64_t now_ms);

void timeline_gap(struct timeline *t, uint64_t from, uint64_t to, uint64_t now_ms);
void timeline_reset(struct timeline *t, const char *epoch, uint64_t seq,
                    uint64_t now_ms);

/* It was deleted; its author gave it another text. */
void timeline_delete(struct timeline *t, uint64_t seq);
void timeline_edit(struct timeline *t, uint64_t seq, const char *text);

void timeline_add(struct timeline *t, enum timeline_kind kind, uint64_t now_ms,
                  const char *text);

#endif
