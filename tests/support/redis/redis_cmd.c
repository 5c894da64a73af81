/* redis_cmd.c - see redis_cmd.h. */
#include "tests/support/redis/redis_cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xalloc.h"

enum { CONNECT_SECS = 5, MOVES_MAX = 5, CUTS_MAX = 3 };

static const char *password;
static bool follows;

void redis_cmd_set_password(const char *text)
{
    password = text;
}

void redis_cmd_follow(void)
{
    follows = true;
}

/* `was_cut`: the connection was there, and ended without an answer. */
static redisReply *ask_once(int port, const char *format, va_list args, bool *was_cut)
{
    struct timeval patience = {.tv_sec = CONNECT_SECS};
    redisContext *redis = redisConnectWithTimeout("127.0.0.1", port, patience);
    redisReply *reply = NULL;

    if (redis && !redis->err && password)
        freeReplyObject(redisCommand(redis, "AUTH %s", password));
    *was_cut = redis && !redis->err;
    if (redis && !redis->err)
        reply = redisvCommand(redis, format, args);
    redisFree(redis);
    return reply;
}

/* A Sentinel cuts all connections of a Redis that it makes a replica. */
static redisReply *ask_one(int port, const char *format, va_list args)
{
    redisReply *reply = NULL;
    bool was_cut = true;
    va_list copy;

    for (int i = 0; i < CUTS_MAX && !reply && was_cut; i++) {
        va_copy(copy, args);
        reply = ask_once(port, format, copy, &was_cut);
        va_end(copy);
    }
    return reply;
}

/* Where a MOVED leads; 0: it is none. */
static int moved_to(const redisReply *reply)
{
    const char *colon = reply && reply->type == REDIS_REPLY_ERROR &&
                                strncmp(reply->str, "MOVED ", 6) == 0
                            ? strrchr(reply->str, ':')
                            : NULL;

    return colon ? atoi(colon + 1) : 0;
}

static redisReply *ask(int port, const char *format, va_list args)
{
    redisReply *reply = NULL;
    va_list copy;

    for (int i = 0; i < MOVES_MAX && port; i++) {
        freeReplyObject(reply);
        va_copy(copy, args);
        reply = ask_one(port, format, copy);
        va_end(copy);
        port = follows ? moved_to(reply) : 0;
    }
    return reply;
}

static redisReply *ask_well(int port, const char *format, va_list args)
{
    redisReply *reply = ask(port, format, args);

    if (!reply)
        fail_msg("no answer from redis to: %s", format);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("redis answers to: %s: %s", format, reply->str);
    return reply;
}

redisReply *redis_cmd_reply(int port, const char *format, ...)
{
    va_list args;
    redisReply *reply;

    va_start(args, format);
    reply = ask(port, format, args);
    va_end(args);
    return reply;
}

void redis_cmd(int port, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    freeReplyObject(ask_well(port, format, args));
    va_end(args);
}

long long redis_cmd_number(int port, const char *format, ...)
{
    va_list args;
    redisReply *reply;
    long long number;

    va_start(args, format);
    reply = ask_well(port, format, args);
    va_end(args);
    if (reply->type == REDIS_REPLY_INTEGER)
        number = reply->integer;
    else
        number = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return number;
}

char *redis_cmd_text(int port, const char *format, ...)
{
    va_list args;
    redisReply *reply;
    char *text = NULL;

    va_start(args, format);
    reply = ask_well(port, format, args);
    va_end(args);
    if (reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS)
        text = xmemdup(reply->str, (size_t)reply->len);
    freeReplyObject(reply);
    return text;
}

int redis_cmd_port_of(int port, const char *key)
{
    redisContext *redis = redisConnect("127.0.0.1", port);
    redisReply *reply =
        redis && !redis->err ? redisCommand(redis, "TYPE %s", key) : NULL;
    int moved = moved_to(reply);

    freeReplyObject(reply);
    redisFree(redis);
    return moved ? moved : port;
}

bool redis_cmd_is_up(int port)
{
    redisReply *reply = redis_cmd_reply(port, "PING");
    bool up = reply && reply->type == REDIS_REPLY_STATUS;

    freeReplyObject(reply);
    return up;
}
