/* follower.h - what a member of one room is promised (SPEC section 2), checked with each
 * message that comes in.
 *
 *     struct follower f = {.room = "lobby", .user = "ann", .history_limit = 100,
 *                          .sent = &sent};
 *     follower_print_join(&f, &out, NULL);          what to send
 *     follower_take(&f, text, len);                 each message that comes
 *     f.state == FOLLOWER_LIVE && f.next == 11      it has 1 to 10
 *
 * Proves: join_ack, then the history, then live messages; each number one more than the
 * one before, from the first that the join must give, none twice, none missing but those
 * that `gap` names, and `gap` only where the history cannot have them any more; with
 * `recovered` exactly what came after `since`; and after leave_ack nothing.
 *
 * Needs a room that is made once and has one publisher, who begins each text with the
 * number that the message will have, and says in *sent how many it has sent. What is
 * wrong fails the test.
 */
#ifndef TESTS_SUPPORT_FLEET_FOLLOWER_H
#define TESTS_SUPPORT_FLEET_FOLLOWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"

enum { FOLLOWER_ASKED_MAX = 8, FOLLOWER_EPOCH_MAX = 32 };

enum follower_state {
    FOLLOWER_OUT,
    FOLLOWER_ACKED,      /* the first history_batch is next */
    FOLLOWER_IN_HISTORY, /* more of them come */
    FOLLOWER_LIVE
};

struct follower_since {
    char epoch[FOLLOWER_EPOCH_MAX];
    uint64_t seq;
};

/* A join or leave that is not answered yet. */
struct follower_ask {
    unsigned id;
    bool is_leave, has_since;
    struct follower_since since;
};

/* Zeroed but for the first lines. */
struct follower {
    const char *room, *user;
    unsigned history_limit;
    const uint64_t *sent; /* borrowed */

    enum follower_state state;
    char epoch[FOLLOWER_EPOCH_MAX]; /* empty: never been in */
    uint64_t next;                  /* the number that must come next */
    uint64_t until;                 /* of the join_ack: the last one of the history */
    struct follower_ask asked[FOLLOWER_ASKED_MAX]; /* in the order sent */
    unsigned asked_count, last_id;
    unsigned joins, recovered, batches, gaps, acks;
    uint64_t messages;
};

/* Adds a join (`since` may be NULL) or a leave to `out`, one message, and awaits the
 * answer; at most FOLLOWER_ASKED_MAX may be awaited. */
void follower_print_join(struct follower *f, struct strbuf *out,
                         const struct follower_since *since);
void follower_print_leave(struct follower *f, struct strbuf *out);

/* Adds message number `seq` with a text of at least `len` bytes; its `id` is the number,
 * and so the ack is checked too. */
void follower_print_message(const struct follower *f, struct strbuf *out, uint64_t seq,
                            size_t len);

/* One message that came in. */
void follower_take(struct follower *f, const char *text, size_t len);

/* The connection has ended: nothing is awaited. What is needed to resume stays. */
void follower_on_end(struct follower *f);

/* Where it would resume. */
struct follower_since follower_since(const struct follower *f);

#endif
