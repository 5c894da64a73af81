/* class_rules.h - what holds in a room (SPEC-PUBLIC P5): the fields of a class, and what the settings say where
 * there is none. Pure.
 */
#ifndef COMMON_CLASS_RULES_H
#define COMMON_CLASS_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/config.h"
#include "common/json.h"
#include "common/strbuf.h"

/* What holds in a room. */
struct class_rules {
    uint64_t ttl_ms;        /* an empty room's life */
    unsigned users, guests; /* rights without a grant: RIGHT_… */
    unsigned create;        /* the right that it takes to make a room by joining */
    unsigned history;       /* messages kept */
    unsigned members_max;   /* 0: any number */
    unsigned slow_secs;     /* between two messages of a user */
    unsigned edit_secs;     /* how long authors may edit or delete their own */
    bool presence;          /* who came and went is told */
};

/* What the settings say. */
void class_rules_of_settings(struct class_rules *rules, const struct config *config);

/* Changes what the class says. False: `json` is no class; adds to `why`, for people, which field is to blame. */
bool class_rules_take(struct class_rules *rules, struct json_text json,
                      struct strbuf *why);

/* Adds what holds, each field, as a class would say it. */
void class_rules_print(struct strbuf *out, const struct class_rules *rules);

/* Adds a name that somebody has sent, in quotes, not all of it where it is long. */
void class_rules_add_name(struct strbuf *why, struct json_text name);

#endif
