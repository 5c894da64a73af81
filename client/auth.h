/* auth.h - who a client is, where the fleet asks for tokens (SPEC-PUBLIC P1, P2): a token first on each
 * connection, and another one before that ends, on the connection that is open. Knows no socket and no clock.
 *
 *     auth_on_open -> on_wanted … auth_bring -> `auth` is sent -> on_ready
 *                                            -> on_failed: there is none
 *     auth_expiring -> on_wanted … auth_bring -> `auth` is sent
 *
 * What may be said waits until `auth` was sent, and is sent behind it without waiting for the answer.
 */
#ifndef CLIENT_AUTH_H
#define CLIENT_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "client/chat_room.h"

struct auth_hooks {
    bool (*send)(void *owner, const char *json, size_t len);
    /* A token is to be brought, now or later. NULL: none are asked for. */
    void (*on_wanted)(void *owner);
    /* Everything else may be sent on this connection from now on. */
    void (*on_ready)(void *owner);
    /* There is no token for this connection. */
    void (*on_failed)(void *owner);
    /* auth_retry is to be called sooner. */
    void (*on_retry_set)(void *owner);
};

struct auth {
    const struct auth_hooks *hooks;
    void *owner;
    char *token; /* owned: the last that was sent; NULL: none */
    uint64_t last_id;
    uint64_t retry_at_ms; /* 0: nothing waits */
    bool is_open, is_ready, is_wanted;
};

/* All borrowed. */
void auth_init(struct auth *auth, const struct auth_hooks *hooks, void *owner);
void auth_deinit(struct auth *auth);

void auth_on_open(struct auth *auth);
void auth_on_lost(struct auth *auth);

/* The token that was wanted, copied; NULL: there is none now. The one that was sent last is no newer one. */
void auth_bring(struct auth *auth, const char *token, uint64_t now_ms);

/* Any event of the connection. */
void auth_take(struct auth *auth, const struct chat_event *event);

/* Does what is due; when it is to be called again, 0: not. */
uint64_t auth_retry(struct auth *auth, uint64_t now_ms);

#endif
