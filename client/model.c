/* model.c - see model.h. */
#include "client/model.h"

#include <stdlib.h>
#include <string.h>

#include "client/chat_request.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum { MEMBERS_PAGE = 1000, HISTORY_PAGE = 200 };

static struct model_room *new_room(const char *name)
{
    struct model_room *room = xcalloc(1, sizeof(*room));

    room->name = xstrdup(name);
    timeline_init(&room->timeline);
    outgoing_init(&room->outgoing);
    return room;
}

static void free_room(struct model_room *room)
{
    timeline_deinit(&room->timeline);
    outgoing_deinit(&room->outgoing);
    members_deinit(&room->members);
    typing_deinit(&room->typing);
    line_edit_deinit(&room->draft);
    free(room->name);
    free(room);
}

void model_init(struct model *model, const char *user)
{
    *model = (struct model){.user = xstrdup(user), .home = new_room("")};
}

void model_deinit(struct model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free_room(model->rooms[i]);
    free_room(model->home);
    free(model->rooms);
    free(model->user);
    line_past_deinit(&model->past);
    json_members_deinit(&model->fields);
    json_members_deinit(&model->inner);
}

struct model_room *model_active(struct model *model)
{
    return model->count > 0 ? model->rooms[model->active] : model->home;
}

struct model_room *model_find(struct model *model, const char *name)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->rooms[i]->name, name) == 0)
            return model->rooms[i];
    return NULL;
}

static size_t index_of(const struct model *model, const struct model_room *room)
{
    size_t i = 0;

    while (i < model->count && model->rooms[i] != room)
        i++;
    return i;
}

void model_select(struct model *model, size_t index)
{
    if (index >= model->count)
        return;
    model->active = index;
    model->rooms[index]->unread = 0;
    model_ask_members(model, model->rooms[index]);
}

struct model_room *model_join(struct model *model, const char *name)
{
    struct model_room *room = model_find(model, name);

    if (!room) {
        room = new_room(name);
        model->rooms =
            xrealloc(model->rooms, (model->count + 1) * sizeof(struct model_room *));
        model->rooms[model->count++] = room;
    }
    model_select(model, index_of(model, room));
    return room;
}

void model_leave(struct model *model, struct model_room *room)
{
    size_t at = index_of(model, room);

    if (at == model->count)
        return;
    free_room(room);
    model->count--;
    memmove(model->rooms + at, model->rooms + at + 1,
            (model->count - at) * sizeof(struct model_room *));
    if (model->active > at || model->active == model->count)
        model->active -= model->active > 0;
    model_select(model, model->active);
}

void model_note(struct model *model, enum timeline_kind kind, uint64_t now_ms,
                const char *text)
{
    timeline_add(&model_active(model)->timeline, kind, now_ms, text);
}

static void finish(struct model *model, struct strbuf *out)
{
    chat_request_end(out);
    if (model->send)
        model->send(model->owner, out->data, out->len);
    strbuf_deinit(out);
}

void model_ask_members_page(struct model *model, struct model_room *room,
                            struct json_text cursor)
{
    struct strbuf out = {NULL, 0, 0};

    room->members_id = ++model->last_id;
    chat_request_begin(&out, "get_members", 'm', room->members_id, room->name);
    chat_request_add_number(&out, "limit", MEMBERS_PAGE);
    if (cursor.len > 0)
        chat_request_add_json(&out, "cursor", cursor);
    finish(model, &out);
}

void model_ask_members(struct model *model, struct model_room *room)
{
    if (room->state != MODEL_ROOM_IN || room->members.is_known || room->members_id ||
        room != model_active(model) ||
        (!model->shows_members && room->members.count > MEMBERS_PAGE))
        return;
    members_begin(&room->members);
    model_ask_members_page(model, room, (struct json_text){"", 0});
}

bool model_ask_older(struct model *model, struct model_room *room)
{
    struct strbuf out = {NULL, 0, 0};
    uint64_t oldest = timeline_oldest(&room->timeline);

    if (room->state != MODEL_ROOM_IN || room->history_id || room->timeline.has_all ||
        oldest <= 1)
        return false;
    room->history_id = ++model->last_id;
    chat_request_begin(&out, "get_history", 'h', room->history_id, room->name);
    chat_request_add_number(&out, "limit", HISTORY_PAGE);
    chat_request_add_number(&out, "before", oldest);
    finish(model, &out);
    return true;
}
