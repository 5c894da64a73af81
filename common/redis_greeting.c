/* redis_greeting.c - see redis_greeting.h. */
#include "common/redis_greeting.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

#include "common/log.h"
#include "common/reply.h"

/* No connection has them. */
#define NOBODY_ID "9223372036854775807"
#define NOBODY_ADDR "0.0.0.0:0"

/* In the order said. X(id, right it takes; NULL: one that is needed) */
#define STEPS(X)                                                                       \
    X(STEP_AUTH, NULL)                                                                 \
    X(STEP_SERVER, "info")                                                             \
    X(STEP_ROLE, "info")                                                               \
    X(STEP_KILL, "client|kill")                                                        \
    X(STEP_SELECT, NULL)                                                               \
    X(STEP_NAME, "client|setname")                                                     \
    X(STEP_CLIENT, "client|info")

enum step {
#define X(id, right) id,
    STEPS(X)
#undef X
        STEPS_COUNT
};

_Static_assert((int)STEPS_COUNT <= (int)REDIS_GREETING_STEPS_MAX, "all fit");

static const char *const rights[STEPS_COUNT] = {
#define X(id, right) [id] = right,
    STEPS(X)
#undef X
};

void redis_greeting_begin(struct redis_greeting *g)
{
    g->next_step = g->sent_count = g->taken_count = 0;
    g->was_kill_obeyed = false;
    g->why = REDIS_WHY_NOT_KNOWN;
}

/* ---- what is said ---- */

static bool add_auth(const struct redis_identity *me, struct redis_command *cmd)
{
    if (!me->password)
        return false;
    if (me->user)
        redis_command_set_words(cmd, 3,
                                (const char *[]){"AUTH", me->user, me->password});
    else
        redis_command_set_words(cmd, 2, (const char *[]){"AUTH", me->password});
    return true;
}

/* Numbers begin again when Redis does, so only with its address is the old connection told from
 * somebody else's. Where there is none yet, nobody is ended: it is asked whether one could. */
static void add_kill(const struct redis_greeting_client *old, struct redis_command *cmd)
{
    bool has_old = old->id[0];

    redis_command_set_words(cmd, 6,
                            (const char *[]){"CLIENT", "KILL", "ID",
                                             has_old ? old->id : NOBODY_ID, "ADDR",
                                             has_old ? old->addr : NOBODY_ADDR});
}

static bool add_select(int db, struct redis_command *cmd)
{
    char number[24];

    if (!db)
        return false;
    snprintf(number, sizeof(number), "%d", db);
    redis_command_set_words(cmd, 2, (const char *[]){"SELECT", number});
    return true;
}

/* False: it is not to be said. */
static bool add_step(const struct redis_greeting *g, enum step step,
                     struct redis_command *cmd)
{
    switch (step) {
    case STEP_AUTH:
        return add_auth(&g->me, cmd);
    case STEP_SERVER:
        redis_command_set_words(cmd, 2, (const char *[]){"INFO", "server"});
        return true;
    case STEP_ROLE:
        redis_command_set_words(cmd, 2, (const char *[]){"INFO", "replication"});
        return g->me.form == REDIS_SENTINEL;
    case STEP_KILL:
        add_kill(&g->old, cmd);
        return true;
    case STEP_SELECT:
        return add_select(g->me.db, cmd);
    case STEP_NAME:
        redis_command_set_words(cmd, 3,
                                (const char *[]){"CLIENT", "SETNAME", g->me.name});
        return true;
    default:
        redis_command_set_words(cmd, 2, (const char *[]){"CLIENT", "INFO"});
        return true;
    }
}

bool redis_greeting_next(struct redis_greeting *g, struct redis_command *cmd)
{
    while (g->next_step < STEPS_COUNT) {
        enum step step = g->next_step++;

        if (!add_step(g, step, cmd))
            continue;
        g->sent[g->sent_count++] = step;
        return true;
    }
    return false;
}

/* ---- what is answered ---- */

/* The word behind `name` in `text`; empty if it is not there, or too long. */
static void take_word(char *out, size_t size, const char *text, const char *name)
{
    const char *at = strstr(text, name);
    size_t len = at ? strcspn(at + strlen(name), " \r\n") : 0;

    out[0] = '\0';
    if (at && len < size) {
        memcpy(out, at + strlen(name), len);
        out[len] = '\0';
    }
}

static void take_client(struct redis_greeting_client *self, const redisReply *reply)
{
    const char *info = reply_string(reply).base;

    take_word(self->id, sizeof(self->id), info, "id=");
    take_word(self->addr, sizeof(self->addr), info, " addr=");
    if (!self->addr[0])
        self->id[0] = '\0';
}

/* Key names differ, so a cluster is not taken for one Redis, nor the other way round. What does not
 * say, or is not allowed to, is believed to be what the URL says. */
static bool is_right_mode(struct redis_greeting *g, const redisReply *reply)
{
    const char *info = reply_string(reply).base;
    char mode[16];

    take_word(mode, sizeof(mode), info, "redis_mode:");
    if (!mode[0])
        take_word(mode, sizeof(mode), info, "server_mode:"); /* Valkey */
    if (strcmp(mode, "sentinel") == 0)
        g->why = REDIS_WHY_SENTINEL;
    else if (strcmp(mode, "cluster") == 0 && g->me.form != REDIS_CLUSTER)
        g->why = REDIS_WHY_CLUSTER;
    else if (strcmp(mode, "standalone") == 0 && g->me.form == REDIS_CLUSTER)
        g->why = REDIS_WHY_NOT_CLUSTER;
    return g->why == REDIS_WHY_NOT_KNOWN;
}

/* What the Sentinels named must be a master. */
static bool is_master(struct redis_greeting *g, const redisReply *reply)
{
    char role[16];

    take_word(role, sizeof(role), reply_string(reply).base, "role:");
    if (strcmp(role, "master") != 0)
        g->why = REDIS_WHY_REPLICA;
    return g->why == REDIS_WHY_NOT_KNOWN;
}

/* Once a process and right. */
static void warn_of_right(enum step step, const redisReply *reply)
{
    static atomic_flag has_warned[STEPS_COUNT];

    if (!atomic_flag_test_and_set(&has_warned[step]))
        log_warn("redis_right_missing", "right=%s text=\"%.120s\" see=docs/redis.md",
                 rights[step], reply_error(reply));
}

static bool is_refused_for_good(const redisReply *reply)
{
    return strncmp(reply_error(reply), "NOPERM", 6) == 0 ||
           strncmp(reply_error(reply), "ERR ", 4) == 0;
}

bool redis_greeting_is_bearable(const struct redis_greeting *g, const redisReply *reply)
{
    return g->taken_count < g->sent_count && rights[g->sent[g->taken_count]] &&
           is_refused_for_good(reply);
}

static bool is_login_refused(enum step step, int status, const redisReply *reply)
{
    return status == UV_EREMOTEIO &&
           (step == STEP_AUTH || strncmp(reply_error(reply), "NOAUTH", 6) == 0);
}

/* False: what was answered ends the connection. */
static bool take_step(struct redis_greeting *g, enum step step, const redisReply *reply)
{
    switch (step) {
    case STEP_SERVER:
        return is_right_mode(g, reply);
    case STEP_ROLE:
        return is_master(g, reply);
    case STEP_KILL:
        g->was_kill_obeyed = true;
        return true;
    case STEP_CLIENT:
        take_client(&g->self, reply);
        return true;
    default:
        return true;
    }
}

enum redis_greeting_result redis_greeting_take(struct redis_greeting *g, int status,
                                               const redisReply *reply)
{
    bool is_bearable = status == UV_EREMOTEIO && redis_greeting_is_bearable(g, reply);
    enum step step = g->sent[g->taken_count++];

    assert(g->taken_count <= g->sent_count);
    if (is_bearable)
        warn_of_right(step, reply);
    else if (status < 0 || !take_step(g, step, reply)) {
        if (is_login_refused(step, status, reply))
            g->why = REDIS_WHY_LOGIN;
        return REDIS_GREETING_REFUSED;
    }
    return g->taken_count == g->sent_count ? REDIS_GREETING_DONE
                                           : REDIS_GREETING_GOES_ON;
}

void redis_greeting_on_lost(struct redis_greeting *g)
{
    if (g->self.id[0])
        g->old = g->self;
    g->self.id[0] = '\0';
}

bool redis_greeting_take_ended(struct redis_greeting *g)
{
    bool is_ended = g->old.id[0] && g->was_kill_obeyed;

    g->old.id[0] = '\0';
    return is_ended;
}
