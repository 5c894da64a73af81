/* marks.h - whether each Redis of a list is the shard that the settings say (SPEC-SCALE S3, rc:shard).
 *
 * A list in another order, a longer one, or one Redis in it twice would lead rooms to another place.
 * So each Redis is marked `<fleet id> <number> <how many>`: by the first gateway that finds it
 * without a mark, shard 0 before the others. Nothing is written, no mark either, before all that can be reached
 * were looked at, nor while one of them has another number or count than here. Where none has a mark, each
 * must have been reached.
 *
 *     link ready -> ASKED -> RIGHT
 *                         -> UNMARKED -> [all were looked at, shard 0 is marked] ASKED: made -> RIGHT
 *                         -> WRONG: asked again every second
 *     link lost  -> AWAY
 *
 * One Redis alone is not marked, but may bear the mark of a list that it was made a part of, or of rooms
 * that were moved elsewhere (shard_mark.h): so it is looked at as well.
 *
 * Knows no links: it asks by its hooks. One a worker.
 */
#ifndef GATEWAY_MARKS_H
#define GATEWAY_MARKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/shard_mark.h"
#include "common/shard_of.h"
#include "common/strbuf.h"

enum mark_state {
    MARK_UNKNOWN, /* nothing was tried yet */
    MARK_ASKED,
    MARK_UNMARKED, /* it has none yet */
    MARK_RIGHT,
    MARK_WRONG,
    MARK_AWAY,
};

struct marks;

/* Its owner embeds struct marks. */
struct marks_hooks {
    /* Reads the mark of this shard; `text` is set first where there is none, unless NULL. Ends in
     * marks_on_reply, never from inside the call. */
    void (*ask)(struct marks *marks, unsigned shard, const char *text);
    /* What is ready may be written to from now on; nothing may be any more. */
    void (*on_go)(struct marks *marks);
    void (*on_stop)(struct marks *marks);
};

struct mark {
    enum mark_state state;
    bool has_link;
    bool makes; /* the question in flight makes a mark where there is none */
    uint64_t asked_ms;
};

struct marks {
    struct marks_hooks hooks;
    unsigned count;                     /* of the shards */
    char id[SHARD_MARK_ID_LEN + 1];     /* of the fleet; empty: not known yet */
    char new_id[SHARD_MARK_ID_LEN + 1]; /* that is given to a fleet without one */
    struct mark all[SHARD_OF_MAX];
    _Atomic unsigned found[SHARD_OF_MAX]; /* where it is WRONG; marks_print_wrong */
    bool may_write;
};

/* `new_id`: SHARD_MARK_ID_LEN hex digits, copied. */
void marks_init(struct marks *marks, unsigned count, const char *new_id,
                const struct marks_hooks *hooks);

/* The shard's link is ready, or is not, or could not be made. */
void marks_on_link(struct marks *marks, unsigned shard, uint64_t now_ms);
void marks_on_lost(struct marks *marks, unsigned shard, uint64_t now_ms);

/* What marks_hooks.ask has found: an empty text for no mark, or `status` below 0. */
void marks_on_reply(struct marks *marks, unsigned shard, int status,
                    struct json_text text, uint64_t now_ms);

/* Asks those again that were wrong or did not answer; about ten times a second. */
void marks_tick(struct marks *marks, uint64_t now_ms);

/* If the shard's mark is WRONG: adds what it says. False: it is not. From any thread. */
bool marks_print_wrong(const struct marks *marks, unsigned shard, struct strbuf *out);

/* Whether what a shard says may be written there. */
bool marks_may_write(const struct marks *marks, unsigned shard);

#endif
