/* token.h - whose log a room's numbers are of: `<term>.<home>` (SPEC-SCALE S4). The home is the
 * server that changes the room, by the first 16 digits of its replication id; the term counts
 * how often another server took over. Numbers of the same epoch and token are of one log.
 */
#ifndef COMMON_TOKEN_H
#define COMMON_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"

struct token {
    uint64_t term, home; /* term 0: none, as of a version without terms */
};

/* False, and none: it is no token. */
bool token_parse(struct json_text text, struct token *out);

/* Another word: the home alone, 16 hex digits. */
bool token_parse_home(struct json_text text, uint64_t *out);

static inline bool token_is_known(struct token token)
{
    return token.term != 0;
}

static inline bool token_equals(struct token a, struct token b)
{
    return a.term == b.term && a.home == b.home;
}

#endif
