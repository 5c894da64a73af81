/* fake_link.c - see fake_link.h. */
#include "tests/fuzz/fake_link.h"

#include <stdlib.h>
#include <string.h>

#include "common/reply.h"
#include "common/xalloc.h"

enum { WAITING_MAX = 65536 };

struct redis_link {
    struct redis_link_opts opts;
    uv_loop_t *loop;
    bool is_ready, is_closed, is_loose;
    struct redis_link *next;
};

static struct {
    struct redis_link *link; /* NULL: answered already */
    redis_reply_fn on_reply;
    void *data;
} waiting[WAITING_MAX];
static unsigned first, behind;
static struct redis_link *all;
static struct reply_arena arena;
static redisReader *reader;

static void fail_of(struct redis_link *link, int status)
{
    unsigned until = behind;

    for (unsigned i = first; i < until; i++) {
        if (waiting[i].link != link)
            continue;
        waiting[i].link = NULL;
        if (waiting[i].on_reply)
            waiting[i].on_reply(waiting[i].data, status, NULL);
    }
}

static const redisReply *next_reply(void)
{
    void *reply = NULL;

    reply_arena_reset(&arena);
    if (!reader || redisReaderGetReply(reader, &reply) != REDIS_OK ||
        reply_arena_is_overrun(reader))
        return NULL;
    return reply;
}

void fake_link_feed(const void *bytes, size_t len)
{
    redisReaderFree(reader);
    reply_arena_reset(&arena);
    reader = redisReaderCreateWithFunctions(&reply_arena_functions);
    reader->privdata = &arena;
    redisReaderFeed(reader, bytes, len);
}

void fake_link_connect(struct redis_link *link, bool is_loose)
{
    if (link->is_ready || link->is_closed)
        return;
    link->is_ready = true;
    link->is_loose = is_loose;
    link->opts.on_ready(link->opts.owner);
}

bool fake_link_answer(void)
{
    const redisReply *reply;
    unsigned i;

    while (first < behind && !waiting[first].link)
        first++;
    if (first == behind) {
        first = behind = 0;
        return false;
    }
    reply = next_reply();
    if (!reply)
        return false;
    i = first++;
    if (waiting[i].on_reply)
        waiting[i].on_reply(waiting[i].data, reply_is_error(reply) ? UV_EREMOTEIO : 0,
                            reply);
    return true;
}

bool fake_link_push(struct redis_link *link)
{
    const redisReply *reply = link->is_ready ? next_reply() : NULL;

    if (reply)
        link->opts.on_push(link->opts.owner, reply);
    return reply;
}

void fake_link_fail(void)
{
    redisReaderFree(reader);
    reader = NULL;
    for (struct redis_link *link = all; link; link = link->next)
        redis_link_restart(link, "the input is over");
}

void fake_link_deinit(void)
{
    while (all) {
        struct redis_link *link = all;

        all = link->next;
        free(link);
    }
    redisReaderFree(reader);
    reader = NULL;
    reply_arena_deinit(&arena);
    first = behind = 0;
}

/* ---- common/redis_link.h ---- */

struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_opts *opts)
{
    struct redis_link *link = xcalloc(1, sizeof(*link));

    link->opts = *opts;
    link->loop = loop;
    link->next = all;
    all = link;
    return link;
}

void redis_link_close(struct redis_link *link)
{
    if (!link || link->is_closed)
        return;
    link->is_closed = true;
    fail_of(link, UV_ECANCELED);
}

bool redis_link_is_ready(const struct redis_link *link)
{
    return link && link->is_ready && !link->is_closed;
}

int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
{
    (void)cmd;
    if (!redis_link_is_ready(link))
        return UV_ENOTCONN;
    if (link->opts.for_notices)
        return 0;
    if (behind == WAITING_MAX)
        return UV_ENOBUFS;
    waiting[behind].link = link;
    waiting[behind].on_reply = on_reply;
    waiting[behind++].data = data;
    return 0;
}

int redis_link_ask(struct redis_link *link, const struct redis_command *cmd,
                   redis_reply_fn on_reply, void *data)
{
    return redis_link_send(link, cmd, on_reply, data);
}

int redis_link_send_again(struct redis_link *link, const struct redis_command *cmd,
                          redis_reply_fn on_reply, void *data, uint64_t since_ms)
{
    (void)since_ms;
    return redis_link_send(link, cmd, on_reply, data);
}

uint64_t redis_link_now(const struct redis_link *link)
{
    return uv_now(link->loop);
}

void redis_link_restart(struct redis_link *link, const char *why)
{
    if (!redis_link_is_ready(link))
        return;
    link->is_ready = false;
    fail_of(link, UV_ECONNRESET);
    if (!link->is_closed)
        link->opts.on_lost(link->opts.owner, why);
}

enum redis_why redis_link_why(const struct redis_link *link)
{
    (void)link;
    return REDIS_WHY_NOT_KNOWN;
}

bool redis_link_take_loose(struct redis_link *link)
{
    bool is_loose = link && link->is_loose;

    if (link)
        link->is_loose = false;
    return is_loose;
}

void redis_link_hurry(struct redis_link *link)
{
    (void)link;
}

void redis_link_replace(struct redis_link *link, const char *why)
{
    redis_link_restart(link, why);
}
