/* chat_room.h - one room that a client stays in, whatever happens to its connection: joined again
 * with `since`, and what was not acked is said again with its `key`.
 *
 *     out -> joining -> reading -> live        ended: kicked, closed, refused, left
 *      ^        |          |         |
 *      +--------+----------+---------+  connection lost; Redis away: again after a while
 *
 * A room sends through its port and never learns which connection that is. Its position is the
 * number of the last message given to the owner; it is what the next join names as `since`.
 * Where that join is not `recovered`, the whole history comes, and what the owner has of it is
 * left out. What is shown of a room is not here but in model.h.
 */
#ifndef CLIENT_CHAT_ROOM_H
#define CLIENT_CHAT_ROOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/outgoing.h"
#include "common/json.h"
#include "common/list.h"

/* A message, live or of the history, each once and in order; borrowed. */
struct chat_message {
    const char *room;
    const char *epoch;
    uint64_t seq;
    struct json_text event; /* as it came */
};

/* What became of something said. */
struct chat_said {
    const char *room;
    uint64_t id;          /* of chat_client_say */
    const char *error;    /* NULL: it is in the room; else the code of the refusal */
    const char *epoch;    /* where it is in the room */
    uint64_t seq;         /* likewise */
    unsigned times;       /* it was sent */
    struct json_text key; /* it was sent with */
};

/* Why it is out of a room for good, without having left. */
struct chat_out {
    const char *room;
    const char *code; /* kicked, room_closed, or of the error that refused the join */
    struct json_text event; /* that told so; borrowed */
};

/* One event, while it is taken. */
struct chat_event {
    struct json_text type, text;
    const struct json_members *members; /* of the text */
    struct json_members *inner;         /* for reading what is in them */
    uint64_t now_ms;
};

/* What a room wants of its client. All of them are set. */
struct chat_room_port {
    /* False: not connected, it was not sent. */
    bool (*send)(void *owner, const char *json, size_t len);
    uint64_t (*next_id)(void *owner);
    void (*commend)(void *owner);      /* the connection was of use */
    void (*on_retry_set)(void *owner); /* chat_room_retry is to be called sooner */
    /* What the owner of the client is told. */
    void (*on_message)(void *owner, const struct chat_message *message);
    void (*on_event)(void *owner, struct json_text type, struct json_text event);
    void (*on_said)(void *owner, const struct chat_said *said);
    void (*on_live)(void *owner, const char *room);
    void (*on_out)(void *owner, const struct chat_out *out);
};

enum chat_room_state {
    CHAT_ROOM_OUT,     /* not on this connection */
    CHAT_ROOM_JOINING, /* the join_ack is awaited */
    CHAT_ROOM_READING, /* the history comes */
    CHAT_ROOM_LIVE,
    CHAT_ROOM_ENDED /* out of it for good; nothing more comes of it */
};

enum { CHAT_ROOM_EPOCH_MAX = 32 };

struct chat_room_opts {
    const char *name, *user;           /* copied; user NULL: a token says it */
    uint64_t secret;                   /* in keys, see chat_room.c */
    size_t says_in_flight;             /* of chat_client_opts */
    bool looks_for_deleted;            /* likewise */
    const struct chat_room_port *port; /* borrowed */
    void *owner;                       /* given to the port; borrowed */
};

struct chat_room {
    struct list link; /* of the owner */
    struct chat_room_opts opts;
    enum chat_room_state state;
    struct outgoing outgoing; /* texts in JSON */
    uint64_t join_id;
    uint64_t retry_at_ms; /* 0: nothing waits */
    uint64_t seq;         /* the last message given */
    uint64_t skip_to;     /* of a history that starts again: what the owner has */
    uint64_t had_to;      /* what the owner had before this join; 0: nothing */
    uint64_t look_id;     /* of the look for what was deleted meanwhile */
    char epoch[CHAT_ROOM_EPOCH_MAX];
    char *name, *user; /* owned */
    char *token;       /* the name in JSON, owned: events are told apart by it */
    size_t token_len;
};

/* Frees itself with chat_room_free, which tells nobody anything. */
struct chat_room *chat_room_new(const struct chat_room_opts *opts);
void chat_room_free(struct chat_room *room);

/* Asks to be let in, if connected; again after each connection. */
void chat_room_join(struct chat_room *room);

/* Ends it; tells what was said and not acked by on_said, `not_joined`. True: the gateway was
 * told, and a leave_ack will come. */
bool chat_room_leave(struct chat_room *room);

/* Says something; on_said tells what became of it. The id. */
uint64_t chat_room_say(struct chat_room *room, const char *text, size_t len);

/* Takes back what was never sent; on_said tells each, `withdrawn`. How many there were. */
size_t chat_room_withdraw(struct chat_room *room);

/* The connection is gone. */
void chat_room_on_lost(struct chat_room *room);

/* Gives this entry up, and tells so. */
void chat_room_give_up(struct chat_room *room, struct outgoing_entry *entry,
                       const char *error);

/* Does what is due; when it is to be called again, 0: not. */
uint64_t chat_room_retry(struct chat_room *room, uint64_t now_ms);

/* An event of this room. */
void chat_room_take(struct chat_room *room, const struct chat_event *event);

/* Whether this `error` was about a request of this room; then it has been dealt with. */
bool chat_room_take_refusal(struct chat_room *room, const struct chat_event *event);

#endif
