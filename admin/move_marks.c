/* move_marks.c - see move_marks.h. */
#include "admin/move_marks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "admin/move_plan.h"
#include "common/xalloc.h"

/* ---- what there is to be marked ---- */

static void add_place(struct move_marks *marks, enum move_which which, unsigned number,
                      unsigned of)
{
    struct move_mark *mark = &marks->all[marks->count++];

    *mark = (struct move_mark){.which = which, .shard = number};
    mark->is_in[which] = true;
    mark->number[which] = number;
    mark->of[which] = of;
}

/* The mark of a Redis that is on the other side as well. */
static struct move_mark *find_mark(struct move_marks *marks,
                                   const struct move_place *place)
{
    const struct move_place *same = move_plan_same(marks->links, place);

    for (unsigned i = 0; same && i < marks->count; i++)
        if (marks->all[i].is_in[MOVE_FROM] &&
            marks->all[i].number[MOVE_FROM] == same->number)
            return &marks->all[i];
    return NULL;
}

static void add_side(struct move_marks *marks, enum move_which which)
{
    const struct move_side *side = &marks->links->sides[which];

    if (side->is_cluster) {
        add_place(marks, which, 0, SHARD_OF_MAX);
        return;
    }
    for (unsigned i = 0; i < side->count; i++) {
        struct move_mark *both =
            which == MOVE_TO ? find_mark(marks, &side->places[i]) : NULL;

        if (!both) {
            add_place(marks, which, i, side->count);
            continue;
        }
        both->is_in[which] = true;
        both->number[which] = i;
        both->of[which] = side->count;
    }
}

/* ---- reading ---- */

static void on_text(void *data, const redisReply *reply)
{
    struct move_mark *mark = data;
    struct json_text text = reply_string(reply);
    size_t len = text.len < sizeof(mark->text) ? text.len : sizeof(mark->text) - 1;

    if (len > 0)
        memcpy(mark->text, text.base, len);
}

static void begin(struct move_marks *marks, const struct move_mark *mark,
                  const char *verb)
{
    move_links_begin(marks->links, verb);
    move_links_add_fleet_key(marks->links, mark->which, mark->shard, KEY_SHARD);
}

static void send_it(struct move_marks *marks, const struct move_mark *mark,
                    move_reply_fn on_reply, void *data)
{
    struct move_at at =
        move_links_of_fleet(&marks->links->sides[mark->which], mark->shard);

    move_links_send(marks->links, mark->which, &at, on_reply, data);
}

bool move_marks_read(struct move_marks *marks, struct move_links *links)
{
    marks->links = links;
    marks->all = xcalloc(2 * SHARD_OF_MAX, sizeof(*marks->all));
    add_side(marks, MOVE_FROM);
    add_side(marks, MOVE_TO);
    for (unsigned i = 0; i < marks->count; i++) {
        begin(marks, &marks->all[i], "GET");
        send_it(marks, &marks->all[i], on_text, &marks->all[i]);
    }
    return move_links_wait(links);
}

void move_marks_deinit(struct move_marks *marks)
{
    free(marks->all);
    marks->all = NULL;
}

/* ---- what they say ---- */

static struct json_text text_of(const struct move_mark *mark)
{
    return (struct json_text){mark->text, strlen(mark->text)};
}

static enum shard_mark_word word_of(const struct move_mark *mark)
{
    char id[SHARD_MARK_ID_LEN + 1];
    unsigned number, count;

    if (shard_mark_read(text_of(mark), id, &number, &count))
        return SHARD_MARK_NONE;
    return (enum shard_mark_word)number;
}

/* Whether it is that of its place on a side; takes the fleet's id from the first such one. */
static bool is_right(struct move_marks *marks, const struct move_mark *mark,
                     enum move_which which)
{
    char id[SHARD_MARK_ID_LEN + 1];
    unsigned number, count;

    if (!mark->is_in[which] || !shard_mark_read(text_of(mark), id, &number, &count) ||
        number != mark->number[which] || count != mark->of[which])
        return false;
    if (!marks->id[0])
        memcpy(marks->id, id, sizeof(id));
    return true;
}

static void print_place(const struct move_mark *mark, enum move_which which,
                        char out[16])
{
    if (mark->is_in[which])
        snprintf(out, 16, "%u/%u", mark->number[which], mark->of[which]);
    else
        snprintf(out, 16, "-");
}

static void print_moving(const struct move_marks *marks, const struct move_mark *mark,
                         char out[SHARD_MARK_TEXT_MAX])
{
    char from[16], to[16];

    print_place(mark, MOVE_FROM, from);
    print_place(mark, MOVE_TO, to);
    snprintf(out, SHARD_MARK_TEXT_MAX, "moving %s %s %s", marks->id, from, to);
}

static enum move_stage refuse(struct move_marks *marks, const struct move_mark *mark,
                              const char *why)
{
    struct strbuf text = {NULL, 0, 0};
    char id[SHARD_MARK_ID_LEN + 1];
    unsigned number, count;

    shard_mark_read(text_of(mark), id, &number, &count);
    shard_mark_print_wrong(&text, mark->shard, mark->of[mark->which], number, count);
    snprintf(marks->refusal, sizeof(marks->refusal), "%s: %s%s%s",
             marks->links->sides[mark->which].name, text.data, why[0] ? ": " : "", why);
    strbuf_deinit(&text);
    return MOVE_IS_REFUSED;
}

/* ---- deciding ---- */

/* Some say `moving`: all must be of this one, or not be marked yet, or have their last mark. */
static enum move_stage decide_begun(struct move_marks *marks)
{
    for (unsigned i = 0; i < marks->count; i++) {
        struct move_mark *mark = &marks->all[i];
        char expected[SHARD_MARK_TEXT_MAX];
        bool is_moved = word_of(mark) == SHARD_MARK_MOVED;

        print_moving(marks, mark, expected);
        if (strcmp(mark->text, expected) != 0 && mark->text[0] &&
            !is_right(marks, mark, MOVE_FROM) && !is_right(marks, mark, MOVE_TO) &&
            !is_moved)
            return refuse(marks, mark,
                          word_of(mark) == SHARD_MARK_MOVING
                              ? "this is another move, from other Redis or to others"
                              : "");
    }
    return MOVE_HAS_BEGUN;
}

static bool is_done(struct move_marks *marks)
{
    for (unsigned i = 0; i < marks->count; i++)
        if (marks->all[i].is_in[MOVE_TO] ? !is_right(marks, &marks->all[i], MOVE_TO)
                                         : word_of(&marks->all[i]) != SHARD_MARK_MOVED)
            return false;
    return true;
}

static bool is_fit_for_new(struct move_marks *marks, const struct move_mark *mark)
{
    if (!mark->text[0])
        return true;
    if (mark->is_in[MOVE_FROM])
        return is_right(marks, mark, MOVE_FROM);
    return word_of(mark) == SHARD_MARK_MOVED || is_right(marks, mark, MOVE_TO);
}

static void make_id(struct move_marks *marks)
{
    uint64_t random = 0;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = uv_hrtime();
    snprintf(marks->id, sizeof(marks->id), "%016" PRIx64, random);
}

static enum move_stage decide_new(struct move_marks *marks)
{
    bool is_list = false, has_right = false;

    marks->id[0] = '\0';
    for (unsigned i = 0; i < marks->count; i++) {
        const struct move_mark *mark = &marks->all[i];

        if (!is_fit_for_new(marks, mark))
            return refuse(marks, mark,
                          mark->is_in[MOVE_FROM]
                              ? ""
                              : "if that list is no more, delete its rc:shard");
        is_list |= mark->is_in[MOVE_FROM] && mark->of[MOVE_FROM] > 1;
        has_right |= mark->is_in[MOVE_FROM] && mark->text[0];
    }
    if (is_list && !has_right && !marks->links->sides[MOVE_FROM].is_cluster) {
        snprintf(marks->refusal, sizeof(marks->refusal),
                 "ROOMCAST_MOVE_FROM: none of its Redis is marked, so no gateway has "
                 "worked with this list");
        return MOVE_IS_REFUSED;
    }
    if (!marks->id[0])
        make_id(marks);
    return MOVE_IS_NEW;
}

enum move_stage move_marks_decide(struct move_marks *marks)
{
    for (unsigned i = 0; i < marks->count; i++)
        if (word_of(&marks->all[i]) == SHARD_MARK_MOVING) {
            snprintf(marks->id, sizeof(marks->id), "%.16s", marks->all[i].text + 7);
            return decide_begun(marks);
        }
    return is_done(marks) ? MOVE_IS_DONE : decide_new(marks);
}

/* ---- writing ---- */

static bool write_all(struct move_marks *marks,
                      void (*print)(const struct move_marks *marks,
                                    const struct move_mark *mark, char *out))
{
    for (unsigned i = 0; i < marks->count; i++) {
        char text[SHARD_MARK_TEXT_MAX];

        print(marks, &marks->all[i], text);
        begin(marks, &marks->all[i], "SET");
        redis_command_add_text(&marks->links->cmd, text);
        send_it(marks, &marks->all[i], NULL, NULL);
        if (!move_links_wait(marks->links)) /* one after the other */
            return false;
    }
    return true;
}

static void print_last(const struct move_marks *marks, const struct move_mark *mark,
                       char out[SHARD_MARK_TEXT_MAX])
{
    if (mark->is_in[MOVE_TO])
        snprintf(out, SHARD_MARK_TEXT_MAX, "%s %u %u", marks->id, mark->number[MOVE_TO],
                 mark->of[MOVE_TO]);
    else
        snprintf(out, SHARD_MARK_TEXT_MAX, "moved %s", marks->id);
}

bool move_marks_begin(struct move_marks *marks)
{
    return write_all(marks, print_moving);
}

bool move_marks_end(struct move_marks *marks)
{
    return write_all(marks, print_last);
}
