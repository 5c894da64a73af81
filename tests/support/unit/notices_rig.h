/* notices_rig.h - a link for notices without a socket, for unit tests: what is sent is written down, a
 * line a command, and what comes is what the test says. The clock is a number.
 *
 * Takes the place of what gateway/feed_link.c uses of common/redis_link.h and of libuv.
 */
#ifndef TESTS_SUPPORT_UNIT_NOTICES_RIG_H
#define TESTS_SUPPORT_UNIT_NOTICES_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "common/redis_link.h"

struct notices_rig {
    struct redis_link_opts link;
    struct strbuf sent; /* since the test last looked */
    bool is_open, is_ready;
    bool is_full; /* it takes no command */
    unsigned restarts;
    uint64_t now_ms;
    uv_timer_cb on_timer; /* NULL: it does not run */
    uv_timer_t *timer;
};

extern struct notices_rig notices_rig;

/* Begins and ends a test. */
void notices_rig_open(void);
void notices_rig_close(void);

/* The connection is there, or is lost. */
void notices_rig_connect(void);
void notices_rig_cut(void);

/* The time passes; the timer rings, if it runs. */
void notices_rig_pass_ms(uint64_t ms);

/* What was sent is this, and from now on nothing. */
void notices_rig_assert_sent(const char *lines);
void notices_rig_forget_sent(void);

/* What comes: any reply; an array of three or four words; a confirmation; a refusal. */
void notices_rig_take(const char *resp, size_t len);
void notices_rig_push(const char *first, const char *second, const char *third,
                      const char *fourth);
void notices_rig_confirm(const char *what);
void notices_rig_refuse(void);

#endif
