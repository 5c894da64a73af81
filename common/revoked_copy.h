/* revoked_copy.h - a copy of rc:revoked that follows it, and puts back what Redis has lost (SPEC-PUBLIC P3,
 * P14): one a worker of a gateway, one an admin service.
 *
 *     IDLE -> a higher number -> the hash is read page by page, and merged into the copy -> IDLE
 *          -> a smaller one, or the copy has what the hash has not
 *                             -> what is missing is put back, one holder at a time -> read again
 *
 * An entry of an order is merged at once; where it does not follow the number of the copy, the hash is read,
 * too. A copy never forgets an entry before its time is over.
 */
#ifndef COMMON_REVOKED_COPY_H
#define COMMON_REVOKED_COPY_H

#include "common/metrics.h"
#include "common/registry_calls.h"
#include "common/reply.h"
#include "common/revocations.h"

struct revoked_copy_hooks {
    const struct registry_calls *calls; /* of the owner */
    /* An order has come about this name; open connections have `grace_secs`. */
    void (*on_order)(void *owner, struct json_text name, uint64_t grace_secs);
    /* Some entries have changed by reading. */
    void (*on_read)(void *owner);
};

struct revoked_copy {
    const struct revoked_copy_hooks *hooks;
    void *owner;
    struct metrics *metrics;
    struct revocations table;
    uint64_t rev;       /* of the copy; 0: none was read yet, and none is there */
    uint64_t next_rev;  /* of the reading under way */
    uint64_t heard_rev; /* meanwhile */
    uint32_t reading;   /* counts them */
    size_t in_hash;     /* entries that the reading has met */
    bool is_busy, has_heard, has_changed;
    uint32_t missing; /* entries that are to be put back */
    char lock[17];    /* of rc:policy:restore */
};

/* All borrowed. */
void revoked_copy_init(struct revoked_copy *copy,
                       const struct revoked_copy_hooks *hooks, void *owner,
                       struct metrics *metrics);
void revoked_copy_deinit(struct revoked_copy *copy);

/* The number that Redis has. */
void revoked_copy_on_rev(struct revoked_copy *copy, uint64_t rev);

/* How many entries Redis has: fewer than the copy, and it is read, whatever the number says. */
void revoked_copy_on_count(struct revoked_copy *copy, uint64_t count);

/* What an order says: the entry, and the numbers before and with it. */
struct revoked_order {
    uint64_t before, rev;
    struct json_text name;
    struct revocation is;
    uint64_t grace_secs;
};

void revoked_copy_on_order(struct revoked_copy *copy,
                           const struct revoked_order *order);

/* `revoked <before> <rev> <entry>`, an entry being the %-encoded name, issued before, kept until and, where
 * there is one, the grace in seconds. parse: what follows `revoked `; `name` is scratch, and where
 * order->name is. False: it is none. */
void revoked_order_print(struct strbuf *out, const struct revoked_order *order);
bool revoked_order_parse(struct json_text text, char name[REVOCATION_NAME_MAX],
                         struct revoked_order *order);

/* Begins a call of revoke.lua, which the caller adds entries to and sends. `raises`: the number, which the
 * last call of several does; `lock`: what is given up with it, or empty. */
struct redis_command *revoked_copy_begin_call(struct revoked_copy *copy, bool raises,
                                              const char *lock);
void revoked_copy_add_entry(struct redis_command *cmd, struct json_text name,
                            const struct revocation *is);

#endif
