/* bus.h - from Redis to rooms: what a worker hears of a shard, by way of the worker of the process
 * that reads it (feed.h), and what it makes of that.
 *
 * It listens to every room with members here, and to a channel of this node's own.
 */
#ifndef GATEWAY_BUS_H
#define GATEWAY_BUS_H

#include "common/keys.h"
#include "gateway/feed.h"
#include "gateway/room.h"

struct bus;

/* Its owner embeds struct bus. */
struct bus_hooks {
    void (*on_ready)(struct bus *bus);
    void (*on_lost)(struct bus *bus);
    /* Of a cluster: the room is subscribed at this master, or is no more. */
    void (*on_home)(struct bus *bus, struct room *room, struct json_text master);
    void (*on_ended)(struct bus *bus, struct room *room, enum metric_home why);
    /* A message to itself came back. */
    void (*on_canary)(struct bus *bus, uint64_t number);
    /* Of a cluster: the bytes of a struct link_proof. */
    void (*on_proof)(struct bus *bus, struct json_text proof);
    /* Something for this node alone (node_commands.h); borrowed. */
    void (*on_command)(struct bus *bus, struct json_text command);
    /* Before each notice is handed on; when another worker has read it, by uv_hrtime, 0: just now. */
    void (*on_notice)(struct bus *bus, uint64_t read_ns);
};

/* All borrowed, for life; the hooks for the call. */
struct bus_opts {
    uv_loop_t *loop;
    struct rooms *rooms;
    unsigned shard, worker;
    struct feed *feed;    /* in this worker; NULL: in another one */
    struct inbox *reader; /* of that one */
    const struct bus_hooks *hooks;
};

struct bus {
    uv_loop_t *loop;
    struct rooms *rooms;
    unsigned shard, worker;
    struct feed *feed;
    struct inbox *reader;
    struct bus_hooks hooks;
    uint64_t asked;    /* how many requests there were */
    uint64_t attached; /* the number of the last that attached */
    bool is_ready;     /* rooms may be asked for */
    bool is_closed;
    struct strbuf names;          /* of rooms, in a request */
    char channel[KEYS_MAX_BYTES]; /* of this node; empty: none yet */
};

void bus_open(struct bus *bus, const struct bus_opts *opts);
void bus_close(struct bus *bus);
void bus_deinit(struct bus *bus);

/* For room_hooks. */
void bus_subscribe(struct bus *bus, struct room *room);
void bus_unsubscribe(struct bus *bus, struct room *room);

/* Listens to this node's channel, instead of the one before. */
void bus_set_node(struct bus *bus, const char *node);

/* What the worker that reads tells. */
void bus_take(struct bus *bus, const struct handover *what);

/* Own notices do not come back: all rooms are asked for again, on another connection if it is not only
 * this worker that is deaf. */
void bus_restart(struct bus *bus);

/* Whether rooms may be asked for. */
bool bus_is_ready(const struct bus *bus);

#endif
