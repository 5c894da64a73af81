/* model.h - all that a person in front of a terminal is told: the rooms with their
 * conversations, members, drafts and unread marks. No socket and no screen: events go in, requests
 * come out through `send`, and the view reads the structs. What comes is taken by model_event.h.
 *
 * Requests of its own have ids that are strings ("m…", "h…"), so that they are not taken for
 * those of chat_client, which are numbers.
 */
#ifndef CLIENT_MODEL_H
#define CLIENT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/line_edit.h"
#include "client/members.h"
#include "client/outgoing.h"
#include "client/timeline.h"
#include "client/typing.h"
#include "client/view.h"
#include "common/json.h"

enum model_room_state {
    MODEL_ROOM_ENTERING, /* for the first time, or again after a lost connection */
    MODEL_ROOM_IN,
    MODEL_ROOM_OUT /* for good */
};

struct model_room {
    char *name; /* owned; empty: the place for what is of no room */
    enum model_room_state state;
    bool asked_to_leave; /* and was warned */
    bool was_in;         /* its first history has been read: what comes is new */
    struct timeline timeline;
    struct outgoing outgoing; /* texts as they are shown */
    struct members members;
    struct typing typing;
    struct line_edit draft;
    struct view view;
    uint64_t unread;
    uint64_t join_seq;   /* of the last join_ack */
    uint64_t members_id; /* of the page that is awaited; 0: none */
    uint64_t history_id;
};

struct model {
    char *user; /* owned */
    struct model_room *home;
    struct model_room **rooms; /* owned, in the order of the tabs */
    size_t count, active;
    bool shows_members;
    bool is_redis_down;
    struct line_past past;
    uint64_t last_id;
    struct json_members fields, inner; /* for reading */
    void (*send)(void *owner, const char *json, size_t len);
    void *owner; /* borrowed */
};

void model_init(struct model *model, const char *user);
void model_deinit(struct model *model);

/* The room that is looked at; `home` where there is none. */
struct model_room *model_active(struct model *model);
struct model_room *model_find(struct model *model, const char *name);

/* Adds a room unless it is there, and looks at it. */
struct model_room *model_join(struct model *model, const char *name);

/* Frees the room and all that was held of it. */
void model_leave(struct model *model, struct model_room *room);

void model_select(struct model *model, size_t index);

/* A line about the client itself, where the user looks. */
void model_note(struct model *model, enum timeline_kind kind, uint64_t now_ms,
                const char *text);

/* Asks for the members of the room that is looked at, if they are not known: for the panel,
 * and in a room of a page also for completion. */
void model_ask_members(struct model *model, struct model_room *room);

/* Asks for one page; `cursor` in JSON, as it came; of length 0: the first. */
void model_ask_members_page(struct model *model, struct model_room *room,
                            struct json_text cursor);

/* Asks for older messages. False: there are none, or they are asked for already. */
bool model_ask_older(struct model *model, struct model_room *room);

#endif
