/* redis_replies.h - replies out of the bytes of one connection, one after the other. */
#ifndef COMMON_REDIS_REPLIES_H
#define COMMON_REDIS_REPLIES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/reply_arena.h"

/* Zeroed is ready for redis_replies_begin. */
struct redis_replies {
    redisReader *reader;
    struct reply_arena arena; /* of the reply that is being read, or was given last */
    bool was_given;
};

/* A new connection: forgets what came on the one before. */
void redis_replies_begin(struct redis_replies *replies);
void redis_replies_deinit(struct redis_replies *replies);

/* Bytes that came; copied. */
void redis_replies_feed(struct redis_replies *replies, const char *bytes, size_t len);

/* The next whole reply, borrowed until this is called again; NULL: there is none. */
redisReply *redis_replies_next(struct redis_replies *replies);

/* Once there is none: why what came is no reply, or NULL if it may become one. */
const char *redis_replies_garbled(const struct redis_replies *replies);

#endif
