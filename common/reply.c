/* reply.c - see reply.h. */
#include "common/reply.h"

#include <string.h>

#include "common/digits.h"

bool reply_is_array(const redisReply *reply, size_t least)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

size_t reply_count(const redisReply *reply)
{
    return reply_is_array(reply, 0) ? reply->elements : 0;
}

const redisReply *reply_at(const redisReply *reply, size_t i)
{
    return i < reply_count(reply) ? reply->element[i] : NULL;
}

uint64_t reply_value(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0
               ? (uint64_t)reply->integer
               : 0;
}

bool reply_is_value(const redisReply *reply, long long value)
{
    return reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == value;
}

static bool is_string(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_STRING && reply->str;
}

struct json_text reply_string(const redisReply *reply)
{
    if (!is_string(reply))
        return (struct json_text){"", 0};
    return (struct json_text){reply->str, reply->len};
}

struct json_text reply_status(const redisReply *reply)
{
    if (!reply || reply->type != REDIS_REPLY_STATUS || !reply->str)
        return (struct json_text){"", 0};
    return (struct json_text){reply->str, reply->len};
}

bool reply_is_string(const redisReply *reply, const char *text)
{
    return is_string(reply) && json_text_is(reply_string(reply), text);
}

bool reply_is_error(const redisReply *reply)
{
    return reply && reply->type == REDIS_REPLY_ERROR;
}

const char *reply_error(const redisReply *reply)
{
    return reply_is_error(reply) && reply->str ? reply->str : "";
}

uint64_t reply_number(const redisReply *reply, size_t i)
{
    return reply_value(reply_at(reply, i));
}

struct json_text reply_text(const redisReply *reply, size_t i)
{
    return reply_string(reply_at(reply, i));
}

bool reply_is_text(const redisReply *reply, size_t i, const char *text)
{
    return reply_is_string(reply_at(reply, i), text);
}

bool reply_has_text(const redisReply *reply, size_t i)
{
    return is_string(reply_at(reply, i));
}

bool reply_take_number(const redisReply *reply, size_t i, long long *out)
{
    const redisReply *element = reply_at(reply, i);

    if (!element || element->type != REDIS_REPLY_INTEGER)
        return false;
    *out = element->integer;
    return true;
}

uint64_t reply_decimal(struct json_text text)
{
    uint64_t number;

    return digits_parse(text.base, text.len, UINT64_MAX, &number) ? number : 0;
}

bool reply_take_epoch(char *out, const redisReply *reply, size_t i)
{
    struct json_text t = reply_text(reply, i);

    if (!proto_is_epoch(t.base, t.len))
        return false;
    memcpy(out, t.base, t.len);
    out[t.len] = '\0';
    return true;
}

struct token reply_token(const redisReply *reply, size_t i)
{
    struct token token;

    (void)token_parse(reply_text(reply, i), &token);
    return token;
}

bool reply_take_cursor(char out[REPLY_CURSOR_BYTES], const redisReply *reply, size_t i)
{
    struct json_text t = reply_text(reply, i);
    uint64_t number;

    if (t.len >= REPLY_CURSOR_BYTES ||
        !digits_parse(t.base, t.len, UINT64_MAX, &number))
        return false;
    memcpy(out, t.base, t.len);
    out[t.len] = '\0';
    return true;
}
