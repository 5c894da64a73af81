/* broadcaster.h - rooms over WebSocket in one epoll loop, without all that roomcast does:
 * no Redis, no JSON, no history, no checks. How a message gets to the members is left to
 * the program: bench/floor.c does as little as possible, bench/naive.c as much as a
 * program that nobody has thought about.
 *
 * A client speaks in short text frames: `join N` makes it a member of room number N,
 * anything after that is the text of a message. Its members get the event that roomcast
 * would send, byte for byte as long; the sender gets an acknowledgement as well.
 */
#ifndef BENCH_BROADCASTER_H
#define BENCH_BROADCASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/list.h"
#include "common/strbuf.h"

struct broadcaster;

/* Both are the first field of a program's own struct, and zeroed beyond that. */
struct broadcaster_client {
    struct broadcaster_room *room; /* NULL: has not joined */
    struct list member;
    struct strbuf held; /* the beginning of a frame that is not all here */
    int fd;
    unsigned number;
    bool is_upgraded;
};

struct broadcaster_room {
    struct list members;
    struct list spoken; /* in a list while this turn has something for its members */
    unsigned number;
    uint64_t seq;
};

/* What a program does. All are called from broadcaster_main, on its one thread. */
struct broadcaster_ways {
    const char *name;
    size_t client_bytes, room_bytes;
    /* A member said `text`; its number is the room's seq, which is already raised. */
    void (*on_message)(struct broadcaster *b, struct broadcaster_client *from,
                       const char *text, size_t len);
    /* The end of a turn in which somebody spoke in `room`. */
    void (*flush_room)(struct broadcaster *b, struct broadcaster_room *room);
    /* Sends a frame of its own, not to be kept waiting for the end of the turn. */
    void (*send)(struct broadcaster *b, struct broadcaster_client *c,
                 const struct strbuf *frame);
    void (*on_writable)(struct broadcaster *b, struct broadcaster_client *c);
    void (*deinit_client)(struct broadcaster_client *c);
};

/* main() of both programs: PORT [SECONDS]. */
int broadcaster_main(const struct broadcaster_ways *ways, int argc, char **argv);

/* Adds the frame of the event, or of the acknowledgement, of the last message. */
void broadcaster_add_event(struct broadcaster *b, struct strbuf *out,
                           const struct broadcaster_client *from, const char *text,
                           size_t len);
void broadcaster_add_ack(struct strbuf *out, const struct broadcaster_room *room);

/* Whether on_writable is wanted. */
void broadcaster_watch_writable(struct broadcaster *b, struct broadcaster_client *c,
                                bool is_wanted);

/* A client that lets more than this wait is cut off: reading then says that it is gone. */
enum { BROADCASTER_WAITING_BYTES_MAX = 64 * 1024 * 1024 };
void broadcaster_cut(struct broadcaster_client *c);

#endif
