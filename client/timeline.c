/* timeline.c - see timeline.h. */
#include "client/timeline.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

enum { DROP_AT_ONCE = 500 };

void timeline_init(struct timeline *t)
{
    *t = (struct timeline){.lines = NULL};
}

static void free_line(struct timeline_line *line)
{
    free(line->user);
    free(line->text);
    free(line);
}

void timeline_deinit(struct timeline *t)
{
    for (size_t i = 0; i < t->count; i++)
        free_line(t->lines[i]);
    free(t->lines);
    timeline_init(t);
}

static struct timeline_line *new_line(enum timeline_kind kind, uint64_t ts_ms,
                                      const char *user, const char *text)
{
    struct timeline_line *line = xcalloc(1, sizeof(*line));

    line->kind = kind;
    line->ts_ms = ts_ms;
    line->user = user ? xstrdup(user) : NULL;
    line->text = xstrdup(text);
    line->text_len = strlen(text);
    return line;
}

static void reserve(struct timeline *t)
{
    if (t->count < t->cap)
        return;
    t->cap = t->cap ? 2 * t->cap : 64;
    t->lines = xrealloc(t->lines, t->cap * sizeof(*t->lines));
}

static void drop_oldest(struct timeline *t, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free_line(t->lines[i]);
    t->count -= count;
    memmove(t->lines, t->lines + count, t->count * sizeof(*t->lines));
    t->has_all = false;
}

static void append(struct timeline *t, struct timeline_line *line)
{
    size_t most = t->is_read ? TIMELINE_MAX : TIMELINE_KEEP;

    if (t->count >= most + DROP_AT_ONCE) /* or each new line would move all */
        drop_oldest(t, t->count - most);
    reserve(t);
    line->id = ++t->last_id;
    t->lines[t->count++] = line;
}

void timeline_add(struct timeline *t, enum timeline_kind kind, uint64_t now_ms,
                  const char *text)
{
    append(t, new_line(kind, now_ms, NULL, text));
}

static struct timeline_line *new_message(const struct timeline_message *m)
{
    struct timeline_line *line = new_line(TIMELINE_MESSAGE, m->ts_ms, m->user, m->text);

    line->seq = m->seq;
    line->is_deleted = m->is_deleted;
    return line;
}

static void add_gap(struct timeline *t, uint64_t from, uint64_t to, uint64_t ts_ms)
{
    char text[96];

    snprintf(text, sizeof(text),
             from == to ? "gap: message %" PRIu64 " did not come"
                        : "gap: messages %" PRIu64 " to %" PRIu64 " did not come",
             from, to);
    timeline_add(t, TIMELINE_WARNING, ts_ms, text);
}

void timeline_gap(struct timeline *t, uint64_t from, uint64_t to, uint64_t now_ms)
{
    if (to <= t->last_seq)
        return;
    add_gap(t, from > t->last_seq ? from : t->last_seq + 1, to, now_ms);
    t->last_seq = to;
}

static void begin_epoch(struct timeline *t, const char *epoch, uint64_t seq)
{
    snprintf(t->epoch, sizeof(t->epoch), "%s", epoch);
    t->last_seq = seq;
    for (size_t i = 0; i < t->count; i++)
        t->lines[i]->seq = 0; /* of another epoch */
}

void timeline_reset(struct timeline *t, const char *epoch, uint64_t seq,
                    uint64_t now_ms)
{
    begin_epoch(t, epoch, seq);
    t->has_messages = true; /* so that what is missing from now on shows */
    timeline_add(t, TIMELINE_WARNING, now_ms,
                 "reset: the server lost this room or its end, and recreated it; some "
                 "of the above may be gone");
}

bool timeline_take(struct timeline *t, const struct timeline_message *m)
{
    if (strcmp(m->epoch, t->epoch) != 0) {
        if (t->has_messages)
            timeline_reset(t, m->epoch, 0, m->ts_ms);
        else
            begin_epoch(t, m->epoch, 0);
        t->has_messages = false;
    }
    if (m->seq <= t->last_seq) {
        if (m->is_deleted)
            timeline_delete(t, m->seq);
        return false;
    }
    if (t->has_messages && m->seq > t->last_seq + 1)
        add_gap(t, t->last_seq + 1, m->seq - 1, m->ts_ms);
    t->last_seq = m->seq;
    t->has_messages = true;
    append(t, new_message(m));
    return true;
}

bool timeline_take_older(struct timeline *t, const struct timeline_message *m)
{
    if (t->count >= TIMELINE_MAX) {
        t->has_all = true;
        return false;
    }
    if (strcmp(m->epoch, t->epoch) != 0 || m->seq >= timeline_oldest(t))
        return true;
    reserve(t);
    memmove(t->lines + 1, t->lines, t->count * sizeof(*t->lines));
    t->lines[0] = new_message(m);
    t->lines[0]->id = --t->first_id;
    t->count++;
    return true;
}

bool timeline_awaits(const struct timeline *t, const char *epoch, uint64_t seq)
{
    return seq > t->last_seq && strcmp(epoch, t->epoch) == 0;
}

uint64_t timeline_oldest(const struct timeline *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->lines[i]->seq)
            return t->lines[i]->seq;
    return 0;
}

void timeline_finish(struct timeline *t, uint64_t seq, uint64_t now_ms)
{
    if (seq <= t->last_seq)
        return;
    if (t->has_messages)
        add_gap(t, t->last_seq + 1, seq, now_ms);
    t->last_seq = seq;
}

/* The line of this message, or NULL. */
static struct timeline_line *find_message(struct timeline *t, uint64_t seq)
{
    for (size_t i = t->count; i > 0 && seq > 0; i--)
        if (t->lines[i - 1]->seq == seq)
            return t->lines[i - 1];
    return NULL;
}

void timeline_delete(struct timeline *t, uint64_t seq)
{
    struct timeline_line *line = find_message(t, seq);

    if (!line)
        return;
    line->is_deleted = true;
    line->text[0] = '\0';
    line->text_len = 0;
}

void timeline_edit(struct timeline *t, uint64_t seq, const char *text)
{
    struct timeline_line *line = find_message(t, seq);

    if (!line || line->is_deleted)
        return;
    free(line->text);
    line->text = xstrdup(text);
    line->text_len = strlen(text);
}
