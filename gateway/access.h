/* access.h - how the clients of a worker prove who they are, and what they may then
 * (SPEC-PUBLIC P1, P2): keys, grants, lifetimes. Knows neither sockets nor rooms.
 */
#ifndef GATEWAY_ACCESS_H
#define GATEWAY_ACCESS_H

#include <stdatomic.h>

#include <uv.h>

#include "common/classes.h"
#include "common/config.h"
#include "common/metrics.h"
#include "common/revocations.h"
#include "common/watched_file.h"
#include "gateway/identity.h"

struct access_hooks {
    void (*on_warn)(struct lifetime *lifetime);
    void (*on_end)(struct lifetime *lifetime); /* the token has expired */
    /* An issuer may have a key that is not known here. */
    void (*on_keys_wanted)(void *owner, const char *issuer);
    /* Some key may not be accepted any more. */
    void (*on_keys_changed)(void *owner);
    void *owner;
};

/* All of a worker; opened by access_open. */
struct access {
    const struct config *config;
    struct metrics *metrics;
    bool is_on;            /* else anybody may be anybody */
    _Atomic bool has_keys; /* some token can be verified; other threads look */
    struct jwt_rules rules;
    struct jwt_secrets secrets;
    struct watched_file secrets_file;
    struct jwks jwks;                  /* of issuers */
    bool is_behind;                    /* there are newer ones, which are being read */
    const struct revocations *revoked; /* borrowed; NULL: none */
    const struct classes *classes;     /* borrowed; policy_init sets it */
    struct access_hooks hooks;
    struct grants_table grants;
    struct lifetimes lifetimes;
    struct jwt_claims claims; /* scratch: of the token that was verified last */
    uv_timer_t tick;
    unsigned ticks;
};

void access_open(struct access *access, uv_loop_t *loop, const struct config *config,
                 struct metrics *metrics, const struct access_hooks *hooks);
void access_close(struct access *access);
void access_deinit(
    struct access *access); /* once the loop has ended and nobody is left */

/* Whether somebody can come in at all. From any thread. */
bool access_is_ready(const struct access *access);

/* The keys of issuers are these from now on: JSON, {issuer: JWKS}. False: it is none, and nothing has
 * changed. */
bool access_set_keys(struct access *access, struct json_text keys);

/* The admin service has read the keys of this issuer, and they are in Redis. */
void access_note_reading(struct access *access, struct json_text issuer);

/* Redis was asked, and has none: tokens of issuers are refused from now on. Before that they may be good. */
void access_has_looked(struct access *access);

/* Whether what has this print is still accepted. */
bool access_has_key(const struct access *access, uint64_t key);

/* Verifies a token into access->claims, and counts the result. */
enum jwt_result access_verify(struct access *access, struct json_text token);

/* A new guest, or NULL: there are none here. */
struct identity *access_make_guest(struct access *access);

/* The rights that a connection has in a room, without a room token. `identity`: NULL where
 * auth is off. */
unsigned access_rights(const struct access *access, const struct identity *identity,
                       struct json_text room);

#endif
