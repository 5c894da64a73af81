/* leaving.c - see leaving.h.
 *
 *     leaving_tick -> may_stay
 *                  -> ask_for_session -> sessions_find -> on_session -> leaving_end_session
 */
#include "admin/leaving.h"

#include <stdlib.h>
#include <string.h>

#include "admin/sessions.h"
#include "common/clock.h"
#include "common/xalloc.h"

enum { ASK_MS = 15000 };

static bool is_of_another(void *data, const struct auth_who *who)
{
    const struct leaving *leaving = data;

    return memcmp(who->digest, leaving->ended, sizeof(leaving->ended)) != 0;
}

void leaving_end_session(struct leaving *leaving,
                         const unsigned char digest[OPERATORS_DIGEST])
{
    memcpy(leaving->ended, digest, sizeof(leaving->ended));
    listeners_keep(leaving->listeners, is_of_another, leaving);
}

struct question {
    struct leaving *leaving;
    struct auth_who who;
};

static void on_session(void *data, int status, const redisReply *reply)
{
    struct question *question = data;

    if (sessions_read(&question->who, status, reply) == SESSIONS_NONE)
        leaving_end_session(question->leaving, question->who.digest);
    free(question);
}

/* It stays until the answer. */
static bool ask_for_session(void *data, const struct auth_who *who)
{
    struct leaving *leaving = data;
    struct question *question;

    if (who->kind != AUTH_BY_SESSION)
        return true;
    question = xcalloc(1, sizeof(*question));
    *question = (struct question){.leaving = leaving, .who = *who};
    sessions_find(&leaving->api->db, who->digest, on_session, question);
    return true;
}

static bool may_stay(void *data, const struct auth_who *who)
{
    const struct leaving *leaving = data;

    return auth_holds(&leaving->api->auth, who, clock_ms());
}

void leaving_tick(struct leaving *leaving)
{
    uint64_t now = uv_now(leaving->api->loop);

    listeners_keep(leaving->listeners, may_stay, leaving);
    if (now < leaving->ask_at_ms)
        return;
    leaving->ask_at_ms = now + ASK_MS;
    listeners_keep(leaving->listeners, ask_for_session, leaving);
}
