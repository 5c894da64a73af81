/* event_stream.c - see event_stream.h. */
#include "tests/support/fleet/event_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/fleet/json_path.h"
#include "tests/support/unit/wait.h"

/* Reads what curl has written since. */
static void read_more(struct event_stream *s)
{
    FILE *file = fopen(s->path, "re");
    char bytes[4096];
    size_t len;

    if (!file)
        return;
    fseek(file, (long)s->read.len, SEEK_SET);
    while ((len = fread(bytes, 1, sizeof(bytes), file)) > 0)
        strbuf_add(&s->read, bytes, len);
    fclose(file);
}

static bool is_welcome(void *data)
{
    struct event_stream *s = data;

    read_more(s);
    return (s->read.len > 0 && strstr(s->read.data, "\r\n\r\n: welcome\n\n")) ||
           !process_is_running(&s->process);
}

void event_stream_open(struct event_stream *s, struct admin *admin, const char *query)
{
    static unsigned opened;
    char url[512];
    const char *end;

    *s = (struct event_stream){0};
    snprintf(s->path, sizeof(s->path), "%s/events-%u", admin->fleet->dir, opened++);
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/api/events%s", admin->port, query);
    process_start(&s->process,
                  (const char *[]){"curl", "-sS", "-N", "-i", "-H",
                                   "Authorization: Bearer " ADMIN_TOKEN, url, NULL},
                  NULL, s->path);
    assert_true(wait_until(is_welcome, s, EVENT_STREAM_DEADLINE_MS));
    end = s->read.len > 0 ? strstr(s->read.data, "\r\n\r\n") : NULL;
    if (!end || strncmp(s->read.data, "HTTP/1.1 200", 12) != 0 ||
        !strcasestr(s->read.data, "\r\ncontent-type: text/event-stream"))
        fail_msg("no stream of events: %s", s->read.len ? s->read.data : "nothing");
    s->taken = (size_t)(end + 4 - s->read.data);
}

void event_stream_close(struct event_stream *s)
{
    process_kill(&s->process);
    unlink(s->path);
    strbuf_deinit(&s->read);
    strbuf_deinit(&s->text);
    cJSON_Delete(s->data);
    *s = (struct event_stream){0};
}

/* One line of an event, without its end. */
static void take_line(struct event_stream *s, const char *line, size_t len)
{
    if (len > 0 && line[0] == ':')
        s->comments++;
    else if (len > 7 && memcmp(line, "event: ", 7) == 0)
        snprintf(s->name, sizeof(s->name), "%.*s", (int)(len - 7), line + 7);
    else if (len > 6 && memcmp(line, "data: ", 6) == 0)
        strbuf_add(&s->text, line + 6, len - 6);
    else if (len > 4 && memcmp(line, "id: ", 4) != 0 && memcmp(line, "retry", 5) != 0)
        fail_msg("not a line of an event: %.*s", (int)len, line);
}

/* Takes the lines up to the next empty one. False: there is none yet. */
static bool take_event(struct event_stream *s)
{
    const char *block = s->read.data + s->taken;
    const char *end = strstr(block, "\n\n");

    if (!end)
        return false;
    s->name[0] = '\0';
    strbuf_reset(&s->text, SIZE_MAX);
    for (const char *line = block; line <= end;) {
        const char *line_end = strchr(line, '\n');

        take_line(s, line, (size_t)(line_end - line));
        line = line_end + 1;
    }
    s->taken = (size_t)(end + 2 - s->read.data);
    return true;
}

/* Whether there is a whole event that is more than a comment. */
static bool has_event(void *data)
{
    struct event_stream *s = data;

    read_more(s);
    while (take_event(s))
        if (s->name[0] || s->text.len > 0)
            return true;
    s->name[0] = '\0'; /* not the one before */
    return false;
}

static bool has_event_or_end(void *data)
{
    struct event_stream *s = data;

    return has_event(s) || (!process_is_running(&s->process) && !has_event(s));
}

bool event_stream_next(struct event_stream *s, long deadline_ms)
{
    if (!wait_until(has_event_or_end, s, deadline_ms) || !s->name[0])
        return false;
    cJSON_Delete(s->data);
    s->data = cJSON_ParseWithOpts(s->text.data, NULL, 1);
    if (!cJSON_IsObject(s->data))
        fail_msg("the data of %s is not an object: %s", s->name, s->text.data);
    return true;
}

void event_stream_expect(struct event_stream *s, const char *name)
{
    int64_t end_ms = wait_now_ms() + EVENT_STREAM_DEADLINE_MS;

    do
        if (!event_stream_next(s, wait_left_ms(end_ms)))
            fail_msg("no event %s came; the stream was: %s", name, s->read.data);
    while (strcmp(s->name, name) != 0);
}

void event_stream_expect_text(struct event_stream *s, const char *name,
                              const char *path, const char *text)
{
    int64_t end_ms = wait_now_ms() + EVENT_STREAM_DEADLINE_MS;
    const cJSON *item;

    do {
        if (wait_left_ms(end_ms) == 0)
            fail_msg("no %s with %s %s; the stream was: %s", name, path, text,
                     s->read.data);
        event_stream_expect(s, name);
        item = json_path_find(s->data, path);
    } while (!cJSON_IsString(item) || strcmp(item->valuestring, text) != 0);
}

const char *event_stream_get_text(const struct event_stream *s, const char *path)
{
    const cJSON *item = json_path_find(s->data, path);

    if (!cJSON_IsString(item))
        fail_msg("no text %s in %s", path, s->text.data);
    return item->valuestring;
}

double event_stream_get_number(const struct event_stream *s, const char *path)
{
    const cJSON *item = json_path_find(s->data, path);

    if (!cJSON_IsNumber(item))
        fail_msg("no number %s in %s", path, s->text.data);
    return item->valuedouble;
}
