/* terms.h - whether Redis still has all of a room that was seen here, after another server took
 * over its log (SPEC-SCALE S4). Pure.
 *
 * A room's numbers are of the log of one server, which the token names. What was seen is kept
 * as pairs: a token, and the highest `seq` and `rev` seen under it. Seen means delivered, or
 * answered through here. meta's `terms` says at which numbers each server took over; if a server
 * took over below what was seen under the one before, something is lost.
 */
#ifndef GATEWAY_TERMS_H
#define GATEWAY_TERMS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/token.h"

enum { TERMS_SEEN_MAX = 4 };

struct terms_seen {
    struct token token;
    uint64_t seq, rev;
};

/* A room's; all zero where nothing was seen. Others use the functions below. */
struct terms {
    struct token token;   /* of the last join or sync: the one that counts */
    struct token doubted; /* the last other one that was a reason for a sync */
    struct terms_seen seen[TERMS_SEEN_MAX];
    unsigned count;
    bool has_more;   /* there were more tokens than fit */
    bool is_refuted; /* a number came again under the same token */
};

/* The room stands at these numbers under this token; what was seen before does not count any
 * more. */
void terms_start(struct terms *terms, struct token token, uint64_t seq, uint64_t rev);

/* These numbers were seen; 0: none. Under no token nothing is noted. */
void terms_see(struct terms *terms, struct token token, uint64_t seq, uint64_t rev);

/* The room goes on under this token, at this rev; nothing that was seen is lost. */
void terms_continue(struct terms *terms, struct token token, uint64_t rev);

/* Whether what comes under this token counts: it is the room's. What comes under none is of a
 * version without terms, and counts. */
bool terms_is_current(const struct terms *terms, struct token token);

/* The token that counts; none if nothing was seen under any. */
static inline struct token terms_token(const struct terms *terms)
{
    return terms->token;
}

/* Whether a token that is not current is a reason to sync: once each. */
bool terms_take_doubt(struct terms *terms, struct token token);

/* A number came again under the current token: the log was put back. The next terms_holds says
 * so. */
void terms_refute(struct terms *terms);

/* What a sync answered. `sent`: the terms as they were when it was sent; `entries`: meta's
 * `terms`, as `<term> <home, 16 digits> <seq> <rev>,…`. Whether nothing of what was seen is
 * lost. */
bool terms_holds(const struct terms *terms, const struct terms *sent,
                 const struct terms_seen *answer, struct json_text entries);

#endif
