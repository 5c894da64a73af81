/* plain_input.c - see plain_input.h.
 *
 *     plain_input_take -> take_request (JSON), or say, or a row of `verbs`
 */
#include "client/plain_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/plain_rooms.h"
#include "client/term_command.h"
#include "common/json_read.h"
#include "common/utf8.h"

static void put_line(void *owner, const char *line)
{
    (void)owner;
    fprintf(stderr, "%s\n", line);
}

static void on_leave(struct plain *p, const char *rest)
{
    const char *name = rest[0] ? rest : p->current ? p->current : "";
    struct plain_room *room = plain_find_room(p, name);

    if (room)
        plain_leave(p, room);
    else
        plain_complain("not in such a room");
}

static struct plain_room *current_room(struct plain *p)
{
    struct plain_room *room = p->current ? plain_find_room(p, p->current) : NULL;

    if (!room)
        plain_complain("not in a room");
    return room;
}

static void on_members(struct plain *p, const char *rest)
{
    struct plain_room *room = current_room(p);

    (void)rest;
    if (!room)
        return;
    room->wants_members = true;
    plain_ask_wanted(p, room);
}

static void on_history(struct plain *p, const char *rest)
{
    struct plain_room *room = current_room(p);

    (void)rest;
    if (!room)
        return;
    room->wants_history = true;
    plain_ask_wanted(p, room);
}

static void on_rooms(struct plain *p, const char *rest)
{
    (void)rest;
    list_each(link, &p->rooms) {
        plain_complain("in %s", list_entry(link, struct plain_room, link)->name);
    }
}

static void on_stop(struct plain *p, const char *rest)
{
    (void)rest;
    if (p->current)
        chat_client_withdraw(p->client, p->current);
}

static void on_help(struct plain *p, const char *rest)
{
    (void)rest;
    term_command_help(put_line, p);
}

static void on_quit(struct plain *p, const char *rest)
{
    (void)rest;
    p->has_ended = true;
    line_in_pause(&p->in);
    if (p->unacked == 0 && p->asked == 0)
        plain_finish(p, TERM_DONE);
}

static void on_unknown(struct plain *p, const char *line)
{
    plain_complain("no such command, and not said: %s", line);
    plain_fail(p);
}

static const struct {
    enum term_verb verb;
    void (*run)(struct plain *p, const char *rest);
} verbs[] = {
    {TERM_JOIN, plain_join},    {TERM_LEAVE, on_leave}, {TERM_MEMBERS, on_members},
    {TERM_HISTORY, on_history}, {TERM_ROOMS, on_rooms}, {TERM_STOP, on_stop},
    {TERM_HELP, on_help},       {TERM_QUIT, on_quit},   {TERM_UNKNOWN, on_unknown},
};

/* What a program sends: {"type":"message"|"join"|"leave", …}, or any other request. */
static bool take_request(struct plain *p, const char *line, size_t len)
{
    struct json_text type;
    char *room, *text;

    if (json_scan(line, len, &p->members) != 0)
        return false;
    type = json_read_find(&p->members, "type");
    room = json_read_dup(json_read_find(&p->members, "room"));
    text = json_read_dup(json_read_find(&p->members, "text"));
    if (json_read_is(type, "message"))
        plain_say(p, room[0] ? room : p->current, text, strlen(text));
    else if (json_read_is(type, "join"))
        plain_join(p, room);
    else if (json_read_is(type, "leave"))
        on_leave(p, room);
    else
        chat_client_send(p->client, line, len);
    free(room);
    free(text);
    return true;
}

/* Bytes that the server would close for are replaced. */
static void mend(struct strbuf *out, const char *line, size_t len)
{
    const char *end = line + len;

    while (line < end) {
        uint32_t c;

        line = utf8_decode(line, end, &c);
        utf8_add(out, c ? c : UTF8_REPLACEMENT);
    }
}

static void take_line(struct plain *p, const char *line, size_t len)
{
    struct term_command command = {TERM_SAY, line};

    if (p->options->is_json && line[0] == '{') {
        if (!take_request(p, line, len)) {
            plain_complain("no JSON object, and not sent: %.200s", line);
            plain_fail(p);
        }
        return;
    }
    if (!p->options->has_no_commands)
        command = term_command_parse(line);
    if (command.verb == TERM_SAY && command.rest[0])
        plain_say(p, p->current, command.rest, strlen(command.rest));
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (verbs[i].verb == command.verb) {
            verbs[i].run(p, command.rest);
            return;
        }
}

void plain_input_take(void *owner, const char *line, size_t len)
{
    struct plain *p = owner;
    struct strbuf mended = {NULL, 0, 0};

    if (!line) {
        plain_complain("a line of more than %d bytes was not said", LINE_IN_MAX_BYTES);
        plain_fail(p);
        return;
    }
    mend(&mended, line, len);
    if (mended.len > 0)
        take_line(p, mended.data, mended.len);
    strbuf_deinit(&mended);
}
