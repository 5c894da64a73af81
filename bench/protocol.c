/* protocol.c - see protocol.h. For another system: a row in `protocols`, what it says
 * first in `…_replies`, how it is spoken to in two functions.
 */
#include "bench/protocol.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* `answer` belongs to PROTOCOL_ASKED. The first prefix that fits counts. */
struct protocol_reply {
    const char *prefix;
    enum protocol_event event;
    const char *answer;
};

static const struct protocol_reply json_replies[] = {
    {"{\"type\":\"message\"", PROTOCOL_MESSAGE, NULL},
    {"{\"type\":\"message_ack\"", PROTOCOL_ACK, NULL},
    {"{\"type\":\"join_ack\"", PROTOCOL_JOINED, NULL},
    {"{\"type\":\"error\"", PROTOCOL_BAD, NULL},
    {"{\"type\":\"gap\"", PROTOCOL_BAD, NULL},
    {"{\"type\":\"reset\"", PROTOCOL_BAD, NULL},
    {"{\"type\":\"kicked\"", PROTOCOL_BAD, NULL},
    {"{\"type\":\"room_closed\"", PROTOCOL_BAD, NULL},
    {NULL, PROTOCOL_OTHER, NULL},
};

/* Engine.IO's packets (0 open, 1 close, 2 ping), and in its messages (4) Socket.IO's
 * (0 connected, 1 disconnected, 2 event, 3 acknowledgement, 4 refused). */
static const struct protocol_reply socketio_replies[] = {
    {"42[\"message\"", PROTOCOL_MESSAGE, NULL},
    {"430[", PROTOCOL_JOINED, NULL},
    {"43", PROTOCOL_ACK, NULL},
    {"2", PROTOCOL_ASKED, "3"},
    {"0", PROTOCOL_ASKED, "40"},
    {"40", PROTOCOL_WELCOME, NULL},
    {"1", PROTOCOL_BAD, NULL},
    {"41", PROTOCOL_BAD, NULL},
    {"44", PROTOCOL_BAD, NULL},
    {NULL, PROTOCOL_OTHER, NULL},
};

static void add_text(struct strbuf *out, const struct protocol_words *w)
{
    strbuf_add_format(out, "%016" PRIx64, w->sent_ns);
    strbuf_add(out, w->filler, w->filler_len);
}

static void add_json_join(struct strbuf *out, const struct protocol_words *w)
{
    strbuf_add_format(out,
                      "{\"type\":\"join\",\"id\":0,\"room\":\"%s\","
                      "\"user\":\"user-%05u\"}",
                      w->room, w->user_number);
}

static void add_json_message(struct strbuf *out, const struct protocol_words *w)
{
    strbuf_add_format(out, "{\"type\":\"message\",\"id\":%" PRIu64 ",\"room\":\"%s\",",
                      w->id, w->room);
    if (w->key)
        strbuf_add_format(out, "\"key\":\"%" PRIx64 "\",", w->key);
    strbuf_add_text(out, "\"text\":\"");
    add_text(out, w);
    strbuf_add_text(out, "\"}");
}

static void add_bare_join(struct strbuf *out, const struct protocol_words *w)
{
    strbuf_add_format(out, "join %u", w->room_number);
}

static void add_socketio_path(struct strbuf *out, const struct protocol_words *w)
{
    (void)w;
    strbuf_add_text(out, "/socket.io/?EIO=4&transport=websocket");
}

static void add_socketio_join(struct strbuf *out, const struct protocol_words *w)
{
    strbuf_add_format(out, "420[\"join\",\"%s\",\"user-%05u\"]", w->room,
                      w->user_number);
}

static void add_socketio_message(struct strbuf *out, const struct protocol_words *w)
{
    strbuf_add_format(out, "42%" PRIu64 "[\"message\",\"", w->id);
    add_text(out, w);
    strbuf_add_text(out, "\"]");
}

static void add_nchan_path(struct strbuf *out, const struct protocol_words *w)
{
    strbuf_add_format(out, "/room/%s", w->room);
}

/* Nchan passes on what it is given, so this is the whole event. */
static void add_nchan_message(struct strbuf *out, const struct protocol_words *w)
{
    strbuf_add_format(out,
                      "{\"type\":\"message\",\"room\":\"%s\",\"seq\":%" PRIu64
                      ",\"user\":\"user-%05u\",\"text\":\"",
                      w->room, w->seq, w->user_number);
    add_text(out, w);
    strbuf_add_format(out, "\",\"ts\":%lld000}", (long long)time(NULL));
}

static const struct protocol protocols[] = {
    {
        .name = "roomcast",
        .help = "the gateway",
        .add_join = add_json_join,
        .add_message = add_json_message,
        .replies = json_replies,
    },
    {
        .name = "floor",
        .help = "roomcast-bench-floor, the least that it can cost",
        .add_join = add_bare_join,
        .add_message = add_text,
        .replies = json_replies,
    },
    {
        .name = "naive",
        .help = "roomcast-bench-naive, an encoding, an allocation and a write a member",
        .add_join = add_bare_join,
        .add_message = add_text,
        .replies = json_replies,
    },
    {
        .name = "bun",
        .help = "bench/peers/bun.js",
        .add_join = add_json_join,
        .add_message = add_json_message,
        .replies = json_replies,
    },
    {
        .name = "socketio",
        .help = "bench/peers/socketio.js",
        .add_path = add_socketio_path,
        .has_welcome = true,
        .add_join = add_socketio_join,
        .add_message = add_socketio_message,
        .replies = socketio_replies,
    },
    {
        .name = "nchan",
        .help = "nginx with bench/peers/nchan.conf; at most one publisher a room",
        .add_path = add_nchan_path,
        .add_message = add_nchan_message,
        .echo_is_ack = true,
        .replies = json_replies,
    },
};

enum { N_PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]) };

const struct protocol *protocol_find(const char *name)
{
    for (size_t i = 0; i < N_PROTOCOLS; i++)
        if (strcmp(protocols[i].name, name) == 0)
            return &protocols[i];
    return NULL;
}

enum protocol_event protocol_read(const struct protocol *protocol, const char *text,
                                  size_t len, const char **answer)
{
    for (const struct protocol_reply *r = protocol->replies; r->prefix; r++) {
        size_t prefix_len = strlen(r->prefix);

        if (len >= prefix_len && memcmp(text, r->prefix, prefix_len) == 0) {
            *answer = r->answer;
            return r->event;
        }
    }
    return PROTOCOL_OTHER;
}

void protocol_print_help(void)
{
    for (size_t i = 0; i < N_PROTOCOLS; i++)
        printf("    %-10s %s\n", protocols[i].name, protocols[i].help);
}
