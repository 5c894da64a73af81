/* listeners.h - those who listen to what happens, each by a stream without an end, and the rooms
 * that they listen to.
 *
 * A listener that does not read is cut (http.h).
 */
#ifndef ADMIN_LISTENERS_H
#define ADMIN_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "admin/auth.h"
#include "common/http.h"
#include "common/list.h"
#include "common/map.h"
#include "common/metrics.h"
#include "common/notice.h"
#include "common/proto.h"
#include "common/strbuf.h"

struct listener;

/* A room that somebody listens to. */
struct listeners_room {
    struct list listeners;
    struct strbuf head;          /* what its messages begin with, as for lines.h */
    char epoch[PROTO_EPOCH_LEN]; /* of its latest notice */
    uint64_t term;               /* the highest under it */
    bool is_heard;               /* nothing that happens in it is missed */
    size_t len;
    char name[];
};

/* `is_first`: somebody listens to the room from now on; else nobody does any more. */
typedef void (*listeners_room_fn)(void *owner, const struct listeners_room *room,
                                  bool is_first);

struct listeners {
    struct list all;
    size_t count;
    struct map rooms; /* name -> struct listeners_room */
    struct metrics *metrics;
    listeners_room_fn on_room;
    void *owner;
};

/* `metrics` and `owner` are borrowed. */
void listeners_init(struct listeners *listeners, struct metrics *metrics,
                    listeners_room_fn on_room, void *owner);

/* Once all streams have ended. */
void listeners_deinit(struct listeners *listeners);

/* Answers `req`, which `who` has sent, by a stream of events, of a room too if `room` is one. NULL: the client has gone.
 * It goes by itself, with its stream. Nothing is sent to it but by listener_send, until
 * listeners_welcome has called `welcome` for it. */
struct listener *listeners_add(struct listeners *listeners, struct http_request *req,
                               const struct auth_who *who, struct json_text room);

/* Ends the streams of those for whom `may_stay` is false. */
void listeners_keep(struct listeners *listeners,
                    bool (*may_stay)(void *data, const struct auth_who *who),
                    void *data);

/* Calls `welcome`, once each, for those whose room is heard, or who listen to none. */
void listeners_welcome(struct listeners *listeners,
                       void (*welcome)(void *owner, struct listener *listener));

/* To one, to all, to those who listen to a room. */
void listener_send(struct listener *listener, const char *bytes, size_t len);
void listeners_send(struct listeners *listeners, const char *bytes, size_t len);
void listeners_send_room(const struct listeners_room *room, const char *bytes,
                         size_t len);

/* NULL: nobody listens to it. */
struct listeners_room *listeners_find_room(const struct listeners *listeners,
                                           const char *name, size_t len);

/* Whether the notice is of the server that has the room: a former one may go on for a while, and what it
 * tells then is of no log (SPEC-SCALE S4). */
bool listeners_room_takes(struct listeners_room *room, const struct notice *notice);

/* One room after the other, `*at` being 0 at first; NULL at the end. */
struct listeners_room *listeners_next_room(const struct listeners *listeners,
                                           uint32_t *at);

#endif
