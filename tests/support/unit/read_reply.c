/* read_reply.c - see read_reply.h. */
#include "tests/support/unit/read_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct reply_arena arena;
static redisReader *reader;

const redisReply *read_reply(const char *bytes)
{
    void *reply = NULL;

    reply_arena_reset(&arena);
    redisReaderFeed(reader, bytes, strlen(bytes));
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    return reply;
}

void read_reply_open(void)
{
    reader = redisReaderCreateWithFunctions(&reply_arena_functions);
    reader->privdata = &arena;
}

void read_reply_close(void)
{
    redisReaderFree(reader);
    reply_arena_deinit(&arena);
}
