/* reply.h - looking into Redis's replies without trusting their shape. */
#ifndef COMMON_REPLY_H
#define COMMON_REPLY_H

#include "common/proto.h"
#include "common/redis_link.h"

/* An array of `least` elements or more; NULL is none. */
bool reply_is_array(const redisReply *reply, size_t least);

/* Element `i` of an array that is long enough: a number, 0 if it is none or negative; a
 * string (borrowed), empty if it is none. */
uint64_t reply_number(const redisReply *reply, size_t i);
struct json_text reply_text(const redisReply *reply, size_t i);
bool reply_is_text(const redisReply *reply, size_t i, const char *text);

/* Copies an epoch (PROTO_EPOCH_LEN + 1 bytes with the NUL). False: element i is none. */
bool reply_take_epoch(char *out, const redisReply *reply, size_t i);

#endif
