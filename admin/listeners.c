/* listeners.c - see listeners.h.
 *
 *     listeners_add -> http_stream_open -> enter_room -> on_room, if it is the first one there
 *     listeners_welcome -> welcome, once its room is heard
 *     on_gone -> leave_room -> on_room, if it was the last one there
 */
#include "admin/listeners.h"

#include <stdlib.h>
#include <string.h>

#include "common/lines.h"
#include "common/xalloc.h"

struct listener {
    struct list link, in_room;
    struct listeners *listeners;
    struct http_stream *stream;
    struct listeners_room *room; /* NULL: none */
    struct auth_who who;
    bool is_welcome;
};

static void leave_room(struct listener *l)
{
    struct listeners *all = l->listeners;
    struct listeners_room *room = l->room;

    list_remove(&l->in_room);
    if (!list_is_empty(&room->listeners))
        return;
    all->on_room(all->owner, room, false);
    map_remove(&all->rooms, room->name, room->len);
    strbuf_deinit(&room->head);
    free(room);
}

static void on_gone(void *data)
{
    struct listener *l = data;

    if (l->room)
        leave_room(l);
    list_remove(&l->link);
    l->listeners->count--;
    metric_sub(&l->listeners->metrics->admin_listeners, 1);
    free(l);
}

static void enter_room(struct listener *l, struct json_text name)
{
    struct listeners *all = l->listeners;
    struct listeners_room *room = map_find(&all->rooms, name.base, name.len);

    if (!room) {
        room = xcalloc(1, sizeof(*room) + name.len + 1);
        memcpy(room->name, name.base, name.len);
        room->len = name.len;
        list_init(&room->listeners);
        lines_add_head(&room->head, (struct json_text){room->name, room->len});
        map_add(&all->rooms, room->name, room->len, room);
        all->on_room(all->owner, room, true);
    }
    l->room = room;
    list_add(&room->listeners, &l->in_room);
}

struct listener *listeners_add(struct listeners *listeners, struct http_request *req,
                               const struct auth_who *who, struct json_text room)
{
    struct listener *l = xcalloc(1, sizeof(*l));
    /* The request's text may go with the answer's head. */
    char *name = room.base ? xmemdup(room.base, room.len) : NULL;

    l->listeners = listeners;
    l->who = *who;
    list_init(&l->link);
    list_init(&l->in_room);
    l->stream = http_stream_open(req, "text/event-stream", on_gone, l);
    if (l->stream) {
        list_add(&listeners->all, &l->link);
        listeners->count++;
        metric_add(&listeners->metrics->admin_listeners, 1);
        if (name)
            enter_room(l, (struct json_text){name, room.len});
    } else {
        free(l);
        l = NULL;
    }
    free(name);
    return l;
}

void listeners_welcome(struct listeners *listeners,
                       void (*welcome)(void *owner, struct listener *listener))
{
    list_each(link, &listeners->all) {
        struct listener *l = list_entry(link, struct listener, link);

        if (l->is_welcome || (l->room && !l->room->is_heard))
            continue;
        l->is_welcome = true;
        welcome(listeners->owner, l);
    }
}

void listeners_keep(struct listeners *listeners,
                    bool (*may_stay)(void *data, const struct auth_who *who),
                    void *data)
{
    list_each(link, &listeners->all) {
        struct listener *l = list_entry(link, struct listener, link);

        if (!may_stay(data, &l->who))
            http_stream_close(l->stream);
    }
}

void listener_send(struct listener *l, const char *bytes, size_t len)
{
    http_stream_send(l->stream, bytes, len);
}

void listeners_send(struct listeners *listeners, const char *bytes, size_t len)
{
    list_each(link, &listeners->all) {
        struct listener *l = list_entry(link, struct listener, link);

        if (l->is_welcome)
            listener_send(l, bytes, len);
    }
}

void listeners_send_room(const struct listeners_room *room, const char *bytes,
                         size_t len)
{
    list_each(link, &room->listeners) {
        struct listener *l = list_entry(link, struct listener, in_room);

        if (l->is_welcome)
            listener_send(l, bytes, len);
    }
}

struct listeners_room *listeners_find_room(const struct listeners *listeners,
                                           const char *name, size_t len)
{
    return map_find(&listeners->rooms, name, len);
}

/* A signal has no token: it is of no log at all. */
bool listeners_room_takes(struct listeners_room *room, const struct notice *notice)
{
    if (!token_is_known(notice->token) || notice->epoch.len != PROTO_EPOCH_LEN)
        return true;
    if (memcmp(room->epoch, notice->epoch.base, PROTO_EPOCH_LEN) != 0) {
        memcpy(room->epoch, notice->epoch.base, PROTO_EPOCH_LEN);
        room->term = 0;
    }
    if (notice->token.term < room->term)
        return false;
    room->term = notice->token.term;
    return true;
}

struct listeners_room *listeners_next_room(const struct listeners *listeners,
                                           uint32_t *at)
{
    return map_next(&listeners->rooms, at);
}

void listeners_init(struct listeners *listeners, struct metrics *metrics,
                    listeners_room_fn on_room, void *owner)
{
    *listeners = (struct listeners){
        .metrics = metrics,
        .on_room = on_room,
        .owner = owner,
    };
    list_init(&listeners->all);
}

void listeners_deinit(struct listeners *listeners)
{
    map_deinit(&listeners->rooms);
}
