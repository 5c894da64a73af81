/* reader.h - bytes from a client into WebSocket messages (RFC 6455); the only module that
 * includes wslay.
 *
 * A wslay context is 9 KB, which an idle connection must not own. A reader that is at
 * rest, between two messages, holds nothing of its connection and can be lent to the
 * next one; a connection keeps one only while a message of it is half read.
 */
#ifndef GATEWAY_READER_H
#define GATEWAY_READER_H

#include <stdbool.h>
#include <stddef.h>

struct reader;

/* `owner` is what was given to reader_feed: a reader is lent, so it stands in nobody's struct. What is
 * passed is borrowed. */
struct reader_events {
    /* Whether the frame whose first byte this is may be read now. */
    bool (*may_begin)(void *owner, unsigned char byte);
    /* How long the message that begins, or goes on, may be; at most max_message_bytes. */
    size_t (*message_bytes_max)(void *owner);
    void (*on_message)(void *owner, bool is_text, const char *bytes, size_t len);
    /* Encoded frames to send as they are: pongs. */
    void (*on_answer)(void *owner, const void *bytes, size_t len);
    /* To send in a close frame: the code that the peer sent or broke the rules with; 0: a
     * close frame without one. `is_peers`: the peer sent a close frame. The reader is done. */
    void (*on_close)(void *owner, int code, bool is_peers);
};

/* `events` is borrowed for life. A longer message closes with 1009, a binary one with 1003
 * unless allowed. */
struct reader *reader_new(const struct reader_events *events, size_t max_message_bytes,
                          bool allow_binary);
void reader_free(struct reader *reader);

/* Takes the bytes up to the first frame that may not begin, and says how many these were; the
 * events come from inside. */
size_t reader_feed(struct reader *reader, void *owner, const char *bytes, size_t len);

/* Between two messages: may be fed with another connection's bytes. */
bool reader_is_at_rest(const struct reader *reader);

/* on_close was called: to be freed, not lent. */
bool reader_is_done(const struct reader *reader);

#endif
