/* plain_print.c - see plain_print.h. */
#include "client/plain_print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "client/text.h"
#include "common/json_read.h"

/* A field's text, made fit for one line. */
static void add_field(struct strbuf *out, const struct json_members *members,
                      const char *name)
{
    struct strbuf text = {NULL, 0, 0};

    json_read_text(&text, json_read_find(members, name));
    text_add_line(out, text.data ? text.data : "", text.len);
    strbuf_deinit(&text);
}

static void add_number(struct strbuf *out, const struct json_members *members,
                       const char *name)
{
    strbuf_add_u64(out, json_read_number(json_read_find(members, name)));
}

static void add_time(struct strbuf *out, uint64_t ts_ms)
{
    time_t secs = (time_t)(ts_ms / 1000);
    char text[16] = "--:--:-- ";
    struct tm local;

    if (localtime_r(&secs, &local))
        strftime(text, sizeof(text), "%H:%M:%S ", &local);
    strbuf_add_text(out, text);
}

/* Words with fields between: `%name` is text, `#name` a number. */
static const struct {
    const char *type, *words;
} forms[] = {
    {"join_ack", "* you are in as %user (#members here)"},
    {"member_joined", "* %user has come (#members here)"},
    {"member_left", "* %user has gone (%reason; #members here)"},
    {"message_deleted", "* message #seq was deleted"},
    {"message_edited", "* message #seq by %user now says: %text"},
    {"gap", "* gap: messages #from to #to will not come"},
    {"reset", "* reset: the server lost this room or its end, and recreated it"},
    {"kicked", "* you were put out: %reason"},
    {"room_closed", "* the room was closed: %reason"},
    {"member_list", "* here (#count): %members"},
};

static void add_names(struct strbuf *out, const struct json_members *members)
{
    struct json_text names = json_read_find(members, "members"), name;
    size_t at = 0;

    for (bool first = true; json_read_next(names, &at, &name); first = false) {
        char *text = json_read_dup(name);
        struct json_text end = {text, 0};

        while (end.base[end.len])
            end.len++;
        strbuf_add_text(out, first ? "" : ", ");
        text_add_line(out, text, end.len);
        free(text);
    }
}

static void add_words(struct strbuf *out, const struct json_members *members,
                      const char *words)
{
    while (*words) {
        char name[32];
        int len = 0;

        if (*words != '%' && *words != '#') {
            strbuf_add_char(out, *words++);
            continue;
        }
        while (words[1 + len] >= 'a' && words[1 + len] <= 'z')
            len++;
        snprintf(name, sizeof(name), "%.*s", len, words + 1);
        if (*words == '#')
            add_number(out, members, name);
        else if (json_read_find(members, name).base[0] == '[')
            add_names(out, members);
        else
            add_field(out, members, name);
        words += 1 + len;
    }
}

static void add_message(struct strbuf *out, const struct json_members *members)
{
    if (json_read_is_true(json_read_find(members, "deleted"))) {
        add_words(out, members, "* message #seq was deleted");
        return;
    }
    strbuf_add_char(out, '<');
    add_field(out, members, "user");
    strbuf_add_text(out, "> ");
    add_field(out, members, "text");
}

void plain_print_event(struct strbuf *out, struct json_members *members,
                       struct json_text event, uint64_t now_ms)
{
    struct json_text type;
    const char *words = NULL;
    uint64_t ts_ms;

    if (json_scan(event.base, event.len, members) != 0)
        return;
    type = json_read_find(members, "type");
    ts_ms = json_read_number(json_read_find(members, "ts"));
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (json_read_is(type, forms[i].type))
            words = forms[i].words;
    if (!words && !json_read_is(type, "message"))
        return;
    add_time(out, ts_ms ? ts_ms : now_ms);
    strbuf_add_char(out, '[');
    add_field(out, members, "room");
    strbuf_add_text(out, "] ");
    if (words)
        add_words(out, members, words);
    else
        add_message(out, members);
    strbuf_add_char(out, '\n');
}

void plain_print_json(struct strbuf *out, struct json_text event)
{
    struct strbuf compact = {NULL, 0, 0};

    json_add_compact(&compact, event);
    text_add_json(out, compact.data, compact.len);
    strbuf_add_char(out, '\n');
    strbuf_deinit(&compact);
}
