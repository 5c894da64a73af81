/* intake.h - what comes out of Redis is not believed before it was looked at.
 *
 * Other programs can write there too. A name of a room, a user or a node that was read (from a
 * key, a set, a hash, a notice, a keyspace event) goes through one of the three questions
 * below before anything is done with it. What is refused, here or where
 * notices and replies are parsed, is counted in malformed_total and logged, one line a minute and kind.
 */
#ifndef COMMON_INTAKE_H
#define COMMON_INTAKE_H

#include <stdbool.h>

#include "common/json.h"
#include "common/metrics.h"

enum intake_kind {
#define X(id, word) id,
    INTAKE_KINDS(X)
#undef X
        INTAKE_KINDS_COUNT
};

/* `where` says what was read, in a word; `name` is what it was about, or what is no name. */
void intake_refuse(struct metrics *metrics, enum intake_kind kind, const char *where,
                   struct json_text name);

/* Whether it is one; refused if not. `where` as above. */
bool intake_room(struct metrics *metrics, const char *where, struct json_text name);
bool intake_user(struct metrics *metrics, const char *where, struct json_text name);
bool intake_node(struct metrics *metrics, const char *where, struct json_text name);

#endif
