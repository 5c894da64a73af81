/* plain_rooms.c - see plain_rooms.h.
 *
 *     plain_join -> (live: plain_ask_wanted) -> plain_leave -> plain_leave_if_done
 *     plain_check -> (nothing is awaited any more) -> plain_finish
 */
#include "client/plain_rooms.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/chat_request.h"
#include "client/text.h"
#include "common/proto.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

enum { ROOM_MAX_BYTES = 128, HISTORY_PAGE = 100 };

void plain_complain(const char *format, ...)
{
    struct strbuf line = {NULL, 0, 0};
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        abort();
    va_end(args);
    text_add_line(&line, text, strlen(text));
    fprintf(stderr, "roomcast: %s\n", line.data ? line.data : "");
    strbuf_deinit(&line);
    free(text);
}

void plain_fail(struct plain *p)
{
    if (p->code < TERM_NOT_SAID)
        p->code = TERM_NOT_SAID;
}

/* ---- rooms ---- */

struct plain_room *plain_find_room(struct plain *p, const char *name)
{
    list_each(link, &p->rooms) {
        struct plain_room *room = list_entry(link, struct plain_room, link);

        if (strcmp(room->name, name) == 0)
            return room;
    }
    return NULL;
}

void plain_drop_room(struct plain *p, struct plain_room *room)
{
    if (p->current && strcmp(p->current, room->name) == 0) {
        free(p->current);
        p->current = NULL;
    }
    list_remove(&room->link);
    free(room->name);
    free(room);
}

void plain_set_current(struct plain *p, const char *name)
{
    free(p->current);
    p->current = xstrdup(name);
}

void plain_join(struct plain *p, const char *rest)
{
    struct plain_room *room;

    if (!proto_is_name(rest, strlen(rest), ROOM_MAX_BYTES)) {
        plain_complain("/join needs a room of 1 to 128 bytes");
        plain_fail(p);
        return;
    }
    room = plain_find_room(p, rest);
    if (room) {
        room->wants_leave = false;
    } else {
        room = xcalloc(1, sizeof(*room));
        room->name = xstrdup(rest);
        list_add(&p->rooms, &room->link);
        chat_client_join(p->client, rest,
                         term_options_has_token(p->options) ? NULL : p->options->user);
    }
    plain_set_current(p, rest);
}

/* Not before what was said in it is acked. */
void plain_leave_if_done(struct plain *p, struct plain_room *room)
{
    if (!room->wants_leave || room->unacked > 0 || room->wants_members ||
        room->wants_history || p->is_finishing)
        return;
    chat_client_leave(p->client, room->name);
    plain_drop_room(p, room);
}

void plain_leave(struct plain *p, struct plain_room *room)
{
    if (p->current && strcmp(p->current, room->name) == 0) {
        free(p->current);
        p->current = NULL;
    }
    room->wants_leave = true;
    plain_leave_if_done(p, room);
}

void plain_ask(struct plain *p, const char *type, const struct plain_room *room,
               struct json_text cursor, uint64_t before)
{
    struct strbuf out = {NULL, 0, 0};

    chat_request_begin(&out, type, 'p', ++p->last_id, room->name);
    if (cursor.len > 0)
        chat_request_add_json(&out, "cursor", cursor);
    if (before > 0) {
        chat_request_add_number(&out, "before", before);
        chat_request_add_number(&out, "limit", HISTORY_PAGE);
    }
    chat_request_end(&out);
    p->asked++;
    chat_client_send(p->client, out.data, out.len);
    strbuf_deinit(&out);
}

void plain_ask_wanted(struct plain *p, struct plain_room *room)
{
    if (!chat_client_is_live(p->client, room->name))
        return;
    if (room->wants_members)
        plain_ask(p, "get_members", room, (struct json_text){"", 0}, 0);
    if (room->wants_history && room->oldest > 1)
        plain_ask(p, "get_history", room, (struct json_text){"", 0}, room->oldest);
    else if (room->wants_history)
        plain_complain("nothing older is to be had");
    room->wants_members = room->wants_history = false;
}

void plain_say(struct plain *p, const char *room, const char *text, size_t len)
{
    if (!room || !chat_client_say(p->client, room, text, len)) {
        plain_complain("not in a room, and not said: %.200s", text);
        plain_fail(p);
        return;
    }
    plain_find_room(p, room)->unacked++;
    if (++p->unacked >= PLAIN_UNACKED_MAX)
        line_in_pause(&p->in);
}

/* ---- the end ---- */

void plain_finish(struct plain *p, int code)
{
    if (p->is_finishing)
        return;
    p->is_finishing = true;
    p->code = p->code > code ? p->code : code;
    line_in_close(&p->in);
    list_each(link, &p->rooms) {
        chat_client_leave(p->client, list_entry(link, struct plain_room, link)->name);
    }
    chat_client_resume(p->client); /* or the close would not be read */
    chat_client_close(p->client);
    uv_close((uv_handle_t *)&p->deadline, NULL);
    uv_close((uv_handle_t *)&p->term, NULL);
    uv_close((uv_handle_t *)&p->interrupt, NULL);
}

void plain_check(struct plain *p)
{
    if (!p->has_ended || p->is_finishing || p->unacked > 0 || p->asked > 0)
        return;
    if (p->options->follows) {
        if (list_is_empty(&p->rooms))
            plain_finish(p, TERM_NOT_SAID); /* put out of all */
        return;
    }
    list_each(link, &p->rooms) {
        const struct plain_room *room = list_entry(link, struct plain_room, link);

        if (!room->was_live || room->wants_members || room->wants_history)
            return;
    }
    plain_finish(p, TERM_DONE);
}
