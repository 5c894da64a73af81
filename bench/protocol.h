/* protocol.h - how to speak to each system that is measured: one row a target. They do
 * the same work; only the words differ. What a message looks like to its members is
 * alike as well: somewhere in it stand `"seq":` with its number in the room and
 * `"text":"` with its text.
 */
#ifndef BENCH_PROTOCOL_H
#define BENCH_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/strbuf.h"

/* What a frame is to a client. */
enum protocol_event {
    PROTOCOL_OTHER,   /* nothing that matters */
    PROTOCOL_ASKED,   /* to be answered by `answer` */
    PROTOCOL_WELCOME, /* now it may join */
    PROTOCOL_JOINED,
    PROTOCOL_MESSAGE,
    PROTOCOL_ACK,
    PROTOCOL_BAD,
};

/* Who says what. All borrowed. */
struct protocol_words {
    const char *room;
    unsigned room_number, user_number;
    uint64_t id;  /* of this request, at least 1 */
    uint64_t seq; /* of this message in its room, as far as the clients know */
    uint64_t key; /* 0: none */
    uint64_t sent_ns;
    const char *filler; /* follows the 16 digits of sent_ns in the text */
    size_t filler_len;
};

struct protocol {
    const char *name;
    const char *help;
    /* What the request for the upgrade asks for; NULL: /ws. */
    void (*add_path)(struct strbuf *out, const struct protocol_words *w);
    bool has_welcome; /* joins at PROTOCOL_WELCOME and not at the upgrade */
    /* NULL: the path has joined already, the upgrade is the answer. */
    void (*add_join)(struct strbuf *out, const struct protocol_words *w);
    void (*add_message)(struct strbuf *out, const struct protocol_words *w);
    /* There is no PROTOCOL_ACK: a talker's own message that comes back is one. Then
     * clients number the messages, and a room has one talker. */
    bool echo_is_ack;
    const struct protocol_reply *replies; /* ends with a prefix that is NULL */
};

/* NULL: there is none of that name. */
const struct protocol *protocol_find(const char *name);

/* What begins with `text` is; `answer` is set with PROTOCOL_ASKED. */
enum protocol_event protocol_read(const struct protocol *protocol, const char *text,
                                  size_t len, const char **answer);

/* One line a protocol, for --help. */
void protocol_print_help(void);

#endif
