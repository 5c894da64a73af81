/* marks.c - see marks.h. */
#include "gateway/marks.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"

enum { AGAIN_MS = 1000, FOUND = 1 << 16 };

void marks_init(struct marks *marks, unsigned count, const char *new_id,
                const struct marks_hooks *hooks)
{
    *marks = (struct marks){.hooks = *hooks, .count = count};
    memcpy(marks->new_id, new_id, SHARD_MARK_ID_LEN);
}

static void show(struct marks *marks, unsigned shard, unsigned found)
{
    atomic_store_explicit(&marks->found[shard], found, memory_order_relaxed);
}

bool marks_print_wrong(const struct marks *marks, unsigned shard, struct strbuf *out)
{
    unsigned found = atomic_load_explicit((_Atomic unsigned *)&marks->found[shard],
                                          memory_order_relaxed);

    if (found)
        shard_mark_print_wrong(out, shard, marks->count, found >> 8 & 255, found & 255);
    return found != 0;
}

bool marks_may_write(const struct marks *marks, unsigned shard)
{
    return marks->may_write && marks->all[shard].state == MARK_RIGHT;
}

static bool has(const struct marks *marks, enum mark_state state)
{
    for (unsigned i = 0; i < marks->count; i++)
        if (marks->all[i].state == state)
            return true;
    return false;
}

/* The one function that changes may_write. Once it is true, a shard that comes later does not make
 * the others wait. */
static void decide(struct marks *marks)
{
    if (has(marks, MARK_WRONG)) {
        if (marks->may_write) {
            marks->may_write = false;
            marks->hooks.on_stop(marks);
        }
        return;
    }
    if (!marks->may_write && (has(marks, MARK_UNKNOWN) || has(marks, MARK_ASKED)))
        return;
    if (!has(marks, MARK_RIGHT))
        return;
    marks->may_write = true;
    marks->hooks.on_go(marks);
}

/* `makes`: where there is none it is made. */
static void ask(struct marks *marks, unsigned shard, bool makes, uint64_t now_ms)
{
    struct mark *mark = &marks->all[shard];
    const char *id = marks->id[0] ? marks->id : marks->new_id;
    char text[SHARD_MARK_TEXT_MAX];

    snprintf(text, sizeof(text), "%s %u %u", id, shard, marks->count);
    mark->makes = makes;
    mark->asked_ms = now_ms;
    if (mark->state != MARK_WRONG)
        mark->state = MARK_ASKED;
    marks->hooks.ask(marks, shard, makes ? text : NULL);
}

/* All that can be reached, and none is wrong. */
static bool were_looked_at(const struct marks *marks)
{
    for (unsigned i = 0; i < marks->count; i++) {
        const struct mark *mark = &marks->all[i];

        if (mark->state == MARK_UNKNOWN || mark->state == MARK_WRONG ||
            (mark->state == MARK_ASKED && !mark->makes))
            return false;
    }
    return true;
}

/* Shard 0 first: it makes the fleet's id, or takes it from one that was marked before. A new fleet is begun only
 * where each Redis is known to be nobody's. */
static void make_missing(struct marks *marks, uint64_t now_ms)
{
    bool may_begin = marks->id[0] || !has(marks, MARK_AWAY);

    if (!were_looked_at(marks))
        return;
    if (marks->all[0].state == MARK_UNMARKED && may_begin)
        ask(marks, 0, true, now_ms);
    for (unsigned i = 1; i < marks->count && marks->all[0].state == MARK_RIGHT; i++)
        if (marks->all[i].state == MARK_UNMARKED)
            ask(marks, i, true, now_ms);
}

void marks_on_link(struct marks *marks, unsigned shard, uint64_t now_ms)
{
    marks->all[shard].has_link = true;
    ask(marks, shard, false, now_ms);
}

void marks_on_lost(struct marks *marks, unsigned shard, uint64_t now_ms)
{
    marks->all[shard].has_link = false;
    if (marks->all[shard].state == MARK_WRONG)
        return; /* until it is seen to be right */
    marks->all[shard].state = MARK_AWAY;
    make_missing(marks, now_ms);
    decide(marks);
}

static void take_id(struct marks *marks, const char *id, unsigned shard)
{
    if (!marks->id[0])
        strcpy(marks->id, id);
    else if (strcmp(marks->id, id) != 0)
        log_warn("shard_of_another_fleet",
                 "shard=%u text=\"its mark has another fleet's id: is it in two lists, "
                 "or has one Redis lost its data?\"",
                 shard);
}

static void log_wrong(const struct marks *marks, unsigned shard, unsigned number,
                      unsigned count)
{
    struct strbuf line = {NULL, 0, 0};

    shard_mark_print_wrong(&line, shard, marks->count, number, count);
    log_error("shard_marked_otherwise", "shard=%u text=\"%s: nothing is written\"",
              shard, line.data);
    strbuf_deinit(&line);
}

/* What cannot be read is no mark of this fleet. */
static void take_mark(struct marks *marks, unsigned shard, struct json_text text)
{
    struct mark *mark = &marks->all[shard];
    char id[SHARD_MARK_ID_LEN + 1] = "";
    unsigned number = 0, count = 0;
    bool is_right = shard_mark_read(text, id, &number, &count) && number == shard &&
                    count == marks->count;

    if (is_right)
        take_id(marks, id, shard);
    else if (mark->state != MARK_WRONG)
        log_wrong(marks, shard, number, count);
    mark->state = is_right ? MARK_RIGHT : MARK_WRONG;
    show(marks, shard, is_right ? 0 : FOUND | number << 8 | count);
}

/* One Redis alone needs no mark. */
static void take_none(struct marks *marks, unsigned shard)
{
    struct mark *mark = &marks->all[shard];
    bool is_fine = mark->makes || marks->count == 1;

    mark->state = is_fine ? MARK_RIGHT : MARK_UNMARKED;
    show(marks, shard, 0);
    if (mark->makes && !marks->id[0])
        strcpy(marks->id, marks->new_id);
}

void marks_on_reply(struct marks *marks, unsigned shard, int status,
                    struct json_text text, uint64_t now_ms)
{
    struct mark *mark = &marks->all[shard];

    if (status == 0 && text.len > 0)
        take_mark(marks, shard, text);
    else if (status == 0)
        take_none(marks, shard);
    else if (mark->state == MARK_ASKED)
        mark->state = MARK_AWAY;
    make_missing(marks, now_ms);
    decide(marks);
}

void marks_tick(struct marks *marks, uint64_t now_ms)
{
    for (unsigned i = 0; i < marks->count; i++) {
        const struct mark *mark = &marks->all[i];

        if ((mark->state == MARK_WRONG || mark->state == MARK_AWAY) && mark->has_link &&
            now_ms - mark->asked_ms >= AGAIN_MS)
            ask(marks, i, false, now_ms);
    }
}
