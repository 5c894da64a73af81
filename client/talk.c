/* talk.c - see talk.h: the rooms, and what the user does. What comes is in talk_event.c. */
#include "client/talk.h"

#include <stdlib.h>
#include <string.h>

#include "common/strbuf.h"
#include "common/xalloc.h"

enum { MEMBERS_PAGE = 1000, HISTORY_PAGE = 200 };

static struct talk_room *new_room(const char *name)
{
    struct talk_room *room = xcalloc(1, sizeof(*room));

    room->name = xstrdup(name);
    timeline_init(&room->timeline);
    return room;
}

static void free_room(struct talk_room *room)
{
    timeline_deinit(&room->timeline);
    roster_deinit(&room->roster);
    typing_deinit(&room->typing);
    line_edit_deinit(&room->draft);
    free(room->name);
    free(room);
}

void talk_init(struct talk *talk, const char *user)
{
    *talk = (struct talk){.user = xstrdup(user), .home = new_room("")};
}

void talk_deinit(struct talk *talk)
{
    for (size_t i = 0; i < talk->count; i++)
        free_room(talk->rooms[i]);
    free_room(talk->home);
    free(talk->rooms);
    free(talk->user);
    line_past_deinit(&talk->past);
    json_members_deinit(&talk->members);
    json_members_deinit(&talk->inner);
}

struct talk_room *talk_active(struct talk *talk)
{
    return talk->count > 0 ? talk->rooms[talk->active] : talk->home;
}

struct talk_room *talk_find(struct talk *talk, const char *name)
{
    for (size_t i = 0; i < talk->count; i++)
        if (strcmp(talk->rooms[i]->name, name) == 0)
            return talk->rooms[i];
    return NULL;
}

static size_t index_of(const struct talk *talk, const struct talk_room *room)
{
    size_t i = 0;

    while (i < talk->count && talk->rooms[i] != room)
        i++;
    return i;
}

void talk_select(struct talk *talk, size_t index)
{
    if (index >= talk->count)
        return;
    talk->active = index;
    talk->rooms[index]->unread = 0;
    talk_ask_members(talk, talk->rooms[index]);
}

struct talk_room *talk_join(struct talk *talk, const char *name)
{
    struct talk_room *room = talk_find(talk, name);

    if (!room) {
        room = new_room(name);
        talk->rooms =
            xrealloc(talk->rooms, (talk->count + 1) * sizeof(struct talk_room *));
        talk->rooms[talk->count++] = room;
    }
    talk_select(talk, index_of(talk, room));
    return room;
}

void talk_leave(struct talk *talk, struct talk_room *room)
{
    size_t at = index_of(talk, room);

    if (at == talk->count)
        return;
    free_room(room);
    talk->count--;
    memmove(talk->rooms + at, talk->rooms + at + 1,
            (talk->count - at) * sizeof(struct talk_room *));
    if (talk->active > at || talk->active == talk->count)
        talk->active -= talk->active > 0;
    talk_select(talk, talk->active);
}

void talk_note(struct talk *talk, enum timeline_kind kind, uint64_t now_ms,
               const char *text)
{
    timeline_add(&talk_active(talk)->timeline, kind, now_ms, text);
}

static void begin(struct talk *talk, struct strbuf *out, const char *type, char kind,
                  const struct talk_room *room)
{
    strbuf_add_format(out, "{\"type\":\"%s\",\"id\":\"%c%llu\",\"room\":", type, kind,
                      (unsigned long long)++talk->last_id);
    strbuf_add_json(out, room->name, strlen(room->name));
}

static void finish(struct talk *talk, struct strbuf *out)
{
    strbuf_add_char(out, '}');
    if (talk->send)
        talk->send(talk->owner, out->data, out->len);
    strbuf_deinit(out);
}

void talk_ask_members_page(struct talk *talk, struct talk_room *room,
                           struct json_text cursor)
{
    struct strbuf out = {NULL, 0, 0};

    begin(talk, &out, "get_members", 'm', room);
    room->members_id = talk->last_id;
    strbuf_add_format(&out, ",\"limit\":%d", MEMBERS_PAGE);
    if (cursor.len > 0) {
        strbuf_add_text(&out, ",\"cursor\":");
        strbuf_add(&out, cursor.base, cursor.len);
    }
    finish(talk, &out);
}

void talk_ask_members(struct talk *talk, struct talk_room *room)
{
    if (!room->is_in || room->roster.is_known || room->members_id ||
        room != talk_active(talk) ||
        (!talk->shows_members && room->roster.count > MEMBERS_PAGE))
        return;
    roster_begin(&room->roster);
    talk_ask_members_page(talk, room, (struct json_text){"", 0});
}

bool talk_ask_older(struct talk *talk, struct talk_room *room)
{
    struct strbuf out = {NULL, 0, 0};
    uint64_t oldest = timeline_oldest(&room->timeline);

    if (!room->is_in || room->history_id || room->timeline.has_all || oldest <= 1)
        return false;
    begin(talk, &out, "get_history", 'h', room);
    room->history_id = talk->last_id;
    strbuf_add_format(&out, ",\"limit\":%d,\"before\":%llu", HISTORY_PAGE,
                      (unsigned long long)oldest);
    finish(talk, &out);
    return true;
}
