/* redis_replies.c - see redis_replies.h. */
#include "common/redis_replies.h"

void redis_replies_begin(struct redis_replies *r)
{
    redisReaderFree(r->reader);
    reply_arena_reset(&r->arena);
    r->was_given = false;
    r->reader = redisReaderCreateWithFunctions(&reply_arena_functions);
    r->reader->privdata = &r->arena;
    r->reader->maxbuf = 0; /* keep its buffer: notices come all the time */
}

void redis_replies_deinit(struct redis_replies *r)
{
    redisReaderFree(r->reader);
    reply_arena_deinit(&r->arena);
    *r = (struct redis_replies){0};
}

void redis_replies_feed(struct redis_replies *r, const char *bytes, size_t len)
{
    redisReaderFeed(r->reader, bytes, len);
}

redisReply *redis_replies_next(struct redis_replies *r)
{
    void *reply = NULL;

    if (r->was_given)
        reply_arena_reset(&r->arena);
    r->was_given = redisReaderGetReply(r->reader, &reply) == REDIS_OK && reply;
    return r->was_given ? reply : NULL;
}

const char *redis_replies_garbled(const struct redis_replies *r)
{
    if (r->reader->err == REDIS_ERR_OOM || reply_arena_is_overrun(r->reader))
        return "a reply larger than any that is asked for";
    return r->reader->err ? r->reader->errstr : NULL;
}
