/* talk.h - all that a person in front of a terminal is told: the rooms with their
 * conversations, members, drafts and unread marks. No socket and no screen: events go in, requests
 * come out through `send`, and whoever draws looks at the structs.
 *
 * Requests of its own have ids that are strings ("m…", "h…"), so that they are not taken for
 * those of chat_client, which are numbers.
 */
#ifndef CLIENT_TALK_H
#define CLIENT_TALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/chat_client.h"
#include "client/line_edit.h"
#include "client/roster.h"
#include "client/timeline.h"
#include "client/typing.h"
#include "client/view.h"

struct talk_room {
    char *name; /* owned; empty: the place for what is of no room */
    bool is_in; /* false: joining, or out for good */
    bool is_out;
    bool asked_to_leave; /* and was warned */
    bool was_in;         /* its first history has been read: what comes is new */
    struct timeline timeline;
    struct roster roster;
    struct typing typing;
    struct line_edit draft;
    struct view view;
    uint64_t unread;
    uint64_t join_seq;   /* of the last join_ack */
    uint64_t members_id; /* of the page that is awaited; 0: none */
    uint64_t history_id;
};

struct talk {
    char *user; /* owned */
    struct talk_room *home;
    struct talk_room **rooms; /* owned, in the order of the tabs */
    size_t count, active;
    bool shows_members;
    bool is_redis_down;
    struct line_past past;
    uint64_t last_id;
    struct json_members members, inner; /* for reading */
    void (*send)(void *owner, const char *json, size_t len);
    void *owner; /* borrowed */
};

void talk_init(struct talk *talk, const char *user);
void talk_deinit(struct talk *talk);

/* The room that is looked at; `home` where there is none. */
struct talk_room *talk_active(struct talk *talk);
struct talk_room *talk_find(struct talk *talk, const char *name);

/* Adds a room unless it is there, and looks at it. */
struct talk_room *talk_join(struct talk *talk, const char *name);

/* Frees the room and all that was held of it. */
void talk_leave(struct talk *talk, struct talk_room *room);

void talk_select(struct talk *talk, size_t index);

/* A line about the client itself, where the user looks. */
void talk_note(struct talk *talk, enum timeline_kind kind, uint64_t now_ms,
               const char *text);

/* What chat_client tells; `now_ms` since 1970. */
void talk_on_message(struct talk *talk, const struct chat_message *message,
                     uint64_t now_ms);
void talk_on_event(struct talk *talk, struct json_text event, uint64_t now_ms);
void talk_on_said(struct talk *talk, const struct chat_said *said, uint64_t now_ms);
void talk_on_live(struct talk *talk, const char *room, uint64_t now_ms);
void talk_on_out(struct talk *talk, const struct chat_out *out, uint64_t now_ms);
void talk_on_lost(struct talk *talk);

/* Asks for the members of the room that is looked at, if they are not known: for the panel,
 * and in a room of a page also for completion. */
void talk_ask_members(struct talk *talk, struct talk_room *room);

/* Asks for one page; `cursor` in JSON, as it came; of length 0: the first. */
void talk_ask_members_page(struct talk *talk, struct talk_room *room,
                           struct json_text cursor);

/* Asks for older messages. False: there are none, or they are asked for already. */
bool talk_ask_older(struct talk *talk, struct talk_room *room);

#endif
