/* typing.h - who is writing, and how seldom we say that we are. A signal may be lost, so what
 * is not said again is over after a while. Time is passed in.
 */
#ifndef CLIENT_TYPING_H
#define CLIENT_TYPING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TYPING_LASTS_MS = 6000,
    TYPING_AGAIN_MS = 3000,
    TYPING_MAX = 16 /* users that are told of */
};

struct typing {
    struct {
        char *user; /* owned */
        uint64_t until_ms;
    } users[TYPING_MAX];
    size_t count;
    uint64_t said_ms; /* that we are; 0: not */
};

void typing_deinit(struct typing *t);

void typing_hear(struct typing *t, const char *user, bool on, uint64_t now_ms);

/* Drops who has stopped. True: somebody was dropped. */
bool typing_prune(struct typing *t, uint64_t now_ms);

/* Whether to tell the others now that we write, or have stopped. */
bool typing_should_say(struct typing *t, bool on, uint64_t now_ms);

#endif
