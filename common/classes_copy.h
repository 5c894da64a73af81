/* classes_copy.h - a copy of rc:classes that follows it, and puts it back where Redis has lost it (SPEC-PUBLIC P3,
 * P14): one a worker of a gateway, one an admin service.
 */
#ifndef COMMON_CLASSES_COPY_H
#define COMMON_CLASSES_COPY_H

#include "common/classes.h"
#include "common/metrics.h"
#include "common/registry_calls.h"
#include "common/replaced_copy.h"
#include "common/reply.h"

struct classes_copy {
    const struct registry_calls *calls;
    void (*on_changed)(void *owner); /* the former classes are still there */
    void *owner;
    struct metrics *metrics;
    struct replaced_copy is;
    struct classes table;
};

/* All borrowed. */
void classes_copy_init(struct classes_copy *copy, const struct registry_calls *calls,
                       void (*on_changed)(void *owner), void *owner,
                       const struct class_rules *fallback, struct metrics *metrics);
void classes_copy_deinit(struct classes_copy *copy);

/* The number that Redis has. */
void classes_copy_on_rev(struct classes_copy *copy, uint64_t rev);

/* Begins a call of classes.lua, to be sent. Its reply: the number of what is there, which the copy becomes if it is
 * the higher one. 0: there is none. */
void classes_copy_begin_read(struct classes_copy *copy);
uint64_t classes_copy_take(struct classes_copy *copy, const redisReply *reply);

/* It is this from now on; `classes` is emptied. */
void classes_copy_replace(struct classes_copy *copy, struct classes *classes,
                          uint64_t rev);

/* Adds each prefix and class. */
void classes_copy_add_all(struct redis_command *cmd, const struct classes *classes);

#endif
