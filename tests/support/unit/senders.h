/* senders.h - a worker's senders without the worker: each writes to one end of a pair of
 * sockets, the test reads at the other, and the owner counts what it is told.
 *
 *     senders_begin(MAX_BYTES, 0, 0);
 *     owner = owner_open();
 *     owner_say(owner, SENDER_REPLY, 'a');
 *     senders_turn();
 *     owner_expect(owner, "a");
 *     owner_free(owner);
 *     senders_end();
 */
#ifndef TESTS_SUPPORT_UNIT_SENDERS_H
#define TESTS_SUPPORT_UNIT_SENDERS_H

#include "common/strbuf.h"
#include "gateway/sender.h"

enum {
    FRAME = 52, /* bytes of a frame that counts COST */
    COST = FRAME + QUEUE_FRAME_BYTES,
};

/* One at a time. */
extern struct senders {
    uv_loop_t loop;
    struct metrics metrics, others; /* of this worker, of another one */
    struct metrics *workers[2];
    struct sender_env env;
    uint32_t now_s;
} senders;

struct owner {
    struct sender sender;
    uv_pipe_t pipe;
    int peer;
    struct strbuf heard; /* by the peer, since it was compared */
    unsigned choked, slow, drained, ended, failed, too_long; /* how often it was told */
};

void senders_begin(size_t max_bytes, uint32_t flush_ms, uint32_t presence_ms);

/* All owners must be freed. */
void senders_end(void);

/* One turn of the loop; it waits for nothing. */
void senders_turn(void);

/* A sender that is not open yet; its socket takes little. */
struct owner *owner_new(void);
struct owner *owner_open(void);
void owner_free(struct owner *owner);

/* `len` times `letter`; the caller's. */
struct frame *letters_new(char letter, size_t len);

/* sender_send of letters; of one letter. */
bool owner_send(struct owner *owner, enum sender_class class, char letter, size_t len);
bool owner_say(struct owner *owner, enum sender_class class, char letter);

/* Pushes frames until the queue has `bytes`, a multiple of COST. */
void owner_fill(struct owner *owner, size_t bytes);

/* The peer reads up to `most` bytes into `heard`. How many it got. */
size_t owner_hear(struct owner *owner, size_t most);

/* Turns and reads until nothing comes any more. */
void owner_hear_all(struct owner *owner);

/* What the peer has heard, with what is there to read, is `text`. Forgets it. */
void owner_expect(struct owner *owner, const char *text);

#endif
