/* auth.c - see auth.h. */
#include "client/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/json_read.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum { RETRY_MS = 2000, ID_BYTES = 24 };

void auth_init(struct auth *auth, const struct auth_hooks *hooks, void *owner)
{
    *auth = (struct auth){.hooks = hooks, .owner = owner};
}

static void forget_token(struct auth *auth)
{
    if (auth->token)
        OPENSSL_cleanse(auth->token, strlen(auth->token));
    free(auth->token);
    auth->token = NULL;
}

void auth_deinit(struct auth *auth)
{
    forget_token(auth);
}

static void want(struct auth *auth)
{
    auth->retry_at_ms = 0;
    auth->is_wanted = true;
    auth->hooks->on_wanted(auth->owner);
}

static void want_at(struct auth *auth, uint64_t at_ms)
{
    auth->retry_at_ms = at_ms;
    auth->hooks->on_retry_set(auth->owner);
}

void auth_on_open(struct auth *auth)
{
    auth->is_open = true;
    if (auth->hooks->on_wanted) {
        want(auth);
        return;
    }
    auth->is_ready = true;
    auth->hooks->on_ready(auth->owner);
}

void auth_on_lost(struct auth *auth)
{
    auth->is_open = auth->is_ready = auth->is_wanted = false;
    auth->retry_at_ms = 0;
}

static void print_id(const struct auth *auth, char out[ID_BYTES])
{
    snprintf(out, ID_BYTES, "\"a%llu\"", (unsigned long long)auth->last_id);
}

static void send_token(struct auth *auth)
{
    struct strbuf out = {NULL, 0, 0};
    char id[ID_BYTES];

    auth->last_id++;
    print_id(auth, id);
    strbuf_add_format(&out, "{\"type\":\"auth\",\"id\":%s,\"token\":", id);
    strbuf_add_json(&out, auth->token, strlen(auth->token));
    strbuf_add_char(&out, '}');
    auth->hooks->send(auth->owner, out.data, out.len);
    OPENSSL_cleanse(out.data, out.len);
    strbuf_deinit(&out);
}

void auth_bring(struct auth *auth, const char *token, uint64_t now_ms)
{
    bool is_newer =
        token && (!auth->is_ready || !auth->token || strcmp(auth->token, token) != 0);

    if (!auth->is_open || !auth->is_wanted)
        return;
    auth->is_wanted = false;
    if (!is_newer && auth->is_ready) {
        want_at(auth, now_ms + RETRY_MS);
        return;
    }
    if (!is_newer) {
        auth->hooks->on_failed(auth->owner);
        return;
    }
    if (token != auth->token) {
        char *copy = xstrdup(token);

        forget_token(auth);
        auth->token = copy;
    }
    send_token(auth);
    if (!auth->is_ready) {
        auth->is_ready = true;
        auth->hooks->on_ready(auth->owner);
    }
}

void auth_take(struct auth *auth, const struct chat_event *event)
{
    struct json_text id = json_read_find(event->members, "id");
    char own[ID_BYTES];

    if (!auth->hooks->on_wanted)
        return;
    if (json_read_is(event->type, "auth_expiring") &&
        json_read_find(event->members, "room").len == 0) {
        want(auth);
        return;
    }
    print_id(auth, own);
    if (json_read_is(event->type, "error") && json_text_is(id, own) &&
        json_read_is(json_read_find(event->members, "code"), "unavailable")) {
        uint64_t after_ms =
            json_read_number(json_read_find(event->members, "retry_after_ms"));

        forget_token(auth); /* the same may be brought again */
        want_at(auth, event->now_ms + (after_ms ? after_ms : RETRY_MS));
    }
}

uint64_t auth_retry(struct auth *auth, uint64_t now_ms)
{
    if (!auth->retry_at_ms || auth->retry_at_ms > now_ms)
        return auth->retry_at_ms;
    want(auth);
    return auth->retry_at_ms; /* it may have been brought, in vain, at once */
}
