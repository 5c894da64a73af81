/* reply.c - see reply.h. */
#include "common/reply.h"

#include <string.h>

bool reply_is_array(const redisReply *reply, size_t least)
{
    return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

uint64_t reply_number(const redisReply *reply, size_t i)
{
    const redisReply *e = reply->element[i];

    return e->type == REDIS_REPLY_INTEGER && e->integer > 0 ? (uint64_t)e->integer : 0;
}

struct json_text reply_text(const redisReply *reply, size_t i)
{
    const redisReply *e = reply->element[i];

    if (e->type != REDIS_REPLY_STRING)
        return (struct json_text){"", 0};
    return (struct json_text){e->str, (size_t)e->len};
}

bool reply_is_text(const redisReply *reply, size_t i, const char *text)
{
    struct json_text t = reply_text(reply, i);

    return t.len == strlen(text) && memcmp(t.base, text, t.len) == 0;
}

bool reply_take_epoch(char *out, const redisReply *reply, size_t i)
{
    struct json_text t = reply_text(reply, i);

    if (t.len != PROTO_EPOCH_LEN)
        return false;
    memcpy(out, t.base, t.len);
    out[t.len] = '\0';
    return true;
}
