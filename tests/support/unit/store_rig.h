/* store_rig.h - stands for gateway/store.c in unit tests: calls of scripts are
 * written down and answered when the test says so. A test that uses it is linked with these
 * functions instead of store.c's.
 */
#ifndef TESTS_SUPPORT_UNIT_STORE_RIG_H
#define TESTS_SUPPORT_UNIT_STORE_RIG_H

#include "gateway/store.h"

enum { STORE_RIG_MAX = 256, STORE_RIG_ARGS_MAX = 2048 };

struct store_rig_call {
    enum script script; /* SCRIPTS_COUNT: a plain command */
    redis_reply_fn on_reply;
    void *data;
    unsigned keys; /* how many of the arguments are said to be keys */
    unsigned argc;
    char *argv[STORE_RIG_ARGS_MAX]; /* from KEYS[1] on; of a command all */
    char *bytes;
};

struct store_rig {
    struct store store;
    struct store_rig_call calls[STORE_RIG_MAX]; /* not answered yet, the oldest first */
    unsigned calls_count;
    bool is_away;      /* redis_link_is_ready says no */
    unsigned touched;  /* calls of store_touched */
    unsigned refusals; /* calls of store_note_refusal with an error */
};

/* One for a test program. The pointers are borrowed. */
extern struct store_rig store_rig;
void store_rig_open(const struct config *config, struct metrics *metrics);

/* Nothing may wait for an answer any more. */
void store_rig_close(void);

/* Answers the oldest call with an array of these words: one that is a number is one, `nil` is
 * none, `( … )` is an array, all others are strings, also between quotes (`'7'`, `''`), with a space for each `~`.
 * NULL: Redis is away. */
void store_rig_answer(const char *words);

/* Its slot of a Redis Cluster was on its way until its deadline. */
void store_rig_answer_moving(void);

/* Answers it with a text, nothing, a number, or an error of Redis. */
void store_rig_answer_text(const char *text);
void store_rig_answer_nil(void);
void store_rig_answer_number(unsigned number);
void store_rig_answer_error(const char *text);

/* The oldest call is answered last, as one to another master of a Redis Cluster may be. */
void store_rig_put_off(void);

/* Fails the test unless the oldest call is of this script and its arguments from `first` on are
 * these words. */
void store_rig_assert_call(enum script script, unsigned first, const char *words);

#endif
