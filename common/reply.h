/* reply.h - looking into Redis's replies without trusting their shape.
 *
 * Nobody else looks into a redisReply: whatever Redis, or what stands in for it, answers, these
 * give nothing (0, an empty text, NULL) where there is nothing of the kind.
 */
#ifndef COMMON_REPLY_H
#define COMMON_REPLY_H

#include "common/proto.h"
#include "common/reply_arena.h"
#include "common/token.h"

/* An array of `least` elements or more; NULL is none. */
bool reply_is_array(const redisReply *reply, size_t least);

/* How many elements; 0 where it is no array. Element `i`, or NULL. */
size_t reply_count(const redisReply *reply);
const redisReply *reply_at(const redisReply *reply, size_t i);

/* The reply itself: a number that is not negative, else 0; whether it is just this number; a
 * string (borrowed, a NUL behind it), else empty; the words of an error, else empty. */
uint64_t reply_value(const redisReply *reply);
bool reply_is_value(const redisReply *reply, long long value);
struct json_text reply_string(const redisReply *reply);
bool reply_is_string(const redisReply *reply, const char *text);

/* The word of an answer like +OK or, to TYPE, +hash; else empty. */
struct json_text reply_status(const redisReply *reply);
bool reply_is_error(const redisReply *reply);
const char *reply_error(const redisReply *reply);

/* The same of element `i`. */
uint64_t reply_number(const redisReply *reply, size_t i);
struct json_text reply_text(const redisReply *reply, size_t i);
bool reply_is_text(const redisReply *reply, size_t i, const char *text);

/* Whether element `i` is a string, also an empty one. */
bool reply_has_text(const redisReply *reply, size_t i);

/* Element `i` as a number of either sign. False: it is none. */
bool reply_take_number(const redisReply *reply, size_t i, long long *out);

/* A string that is a whole number, as Redis keeps numbers; 0 if it is none. */
uint64_t reply_decimal(struct json_text text);

/* Copies an epoch (PROTO_EPOCH_LEN + 1 bytes with the NUL). False: element i is none. */
bool reply_take_epoch(char *out, const redisReply *reply, size_t i);

/* Element `i` as a token; none if it is no such. */
struct token reply_token(const redisReply *reply, size_t i);

/* Copies a cursor of Redis's scans. False: element i is none. */
enum { REPLY_CURSOR_BYTES = 24 };
bool reply_take_cursor(char out[REPLY_CURSOR_BYTES], const redisReply *reply, size_t i);

#endif
