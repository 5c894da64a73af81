/* fleet_classes.c - see fleet_classes.h.
 *
 *     on_tick -> on_rev -> classes_copy_on_rev
 *     fleet_classes_change -> start_change -> on_base -> draw_up -> write_draft
 *                                  ^                       -> on_written -> orders_tell -> on_told -> end
 *                                  +---- somebody else was first ----+
 */
#include "admin/fleet_classes.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "admin/registry.h"
#include "common/classes_copy.h"
#include "common/xalloc.h"

enum { TICK_MS = 1000, TRIES_MAX = 100 };

struct fleet_classes {
    struct api *api;
    struct classes_copy copy;
    uv_timer_t tick;
    bool is_asking;
};

/* ---- the copy ---- */

static void on_changed(void *owner)
{
    (void)owner; /* nothing here rests on them */
}

static void on_rev(void *data, int status, const redisReply *reply)
{
    struct fleet_classes *classes = data;

    classes->is_asking = false;
    if (status == 0)
        classes_copy_on_rev(&classes->copy, reply_decimal(reply_string(reply)));
}

static void on_tick(uv_timer_t *timer)
{
    struct fleet_classes *classes = timer->data;

    if (classes->is_asking || !fleet_shard_is_up(&classes->api->fleet, 0))
        return;
    classes->is_asking = true;
    registry_ask_rev(classes->api, "classes_rev", on_rev, classes);
}

const struct classes *fleet_classes_now(const struct fleet_classes *classes,
                                        uint64_t *rev)
{
    *rev = classes->copy.is.rev;
    return &classes->copy.table;
}

const struct class_rules *fleet_classes_rules(const struct fleet_classes *classes,
                                              struct json_text room)
{
    return classes_rules(&classes->copy.table, room);
}

/* ---- reading ---- */

struct reading {
    struct fleet_classes *classes;
    fleet_classes_read_fn on_read;
    void *data;
};

static void on_read(void *data, int status, const redisReply *reply)
{
    struct reading *reading = data;

    if (status == 0)
        classes_copy_take(&reading->classes->copy, reply);
    reading->on_read(reading->data, status == 0);
    free(reading);
}

void fleet_classes_read(struct fleet_classes *classes, fleet_classes_read_fn done,
                        void *data)
{
    struct reading *reading = xcalloc(1, sizeof(*reading));

    *reading = (struct reading){classes, done, data};
    classes_copy_begin_read(&classes->copy);
    db_send_script(&classes->api->db, SCRIPT_CLASSES, on_read, reading);
}

/* ---- a change ---- */

struct change {
    struct fleet_classes *classes;
    struct fleet_classes_wish wish; /* its texts are its own */
    struct classes draft;
    unsigned tries;
    fleet_classes_fn on_done;
    void *data;
};

static struct json_text copy_of(struct json_text text)
{
    return (struct json_text){text.base ? xmemdup(text.base, text.len) : NULL,
                              text.len};
}

static void end(struct change *change, const struct fleet_classes_answer *answer)
{
    change->on_done(change->data, answer);
    classes_deinit(&change->draft);
    free((char *)change->wish.prefix.base);
    free((char *)change->wish.json.base);
    free(change);
}

static void fail(struct change *change, enum fleet_classes_result result)
{
    end(change, &(struct fleet_classes_answer){.result = result});
}

static void on_told(void *data, const struct orders_told *told)
{
    struct change *change = data;

    end(change, &(struct fleet_classes_answer){
                    .rev = change->wish.match,
                    .told = told,
                });
}

static void start_change(struct change *change);

static void on_written(void *data, int status, const redisReply *reply)
{
    struct change *change = data;
    struct classes_copy *copy = &change->classes->copy;
    uint64_t rev = reply_number(reply, 1);
    char order[32];

    if (status < 0) {
        fail(change, FLEET_CLASSES_FAILED);
    } else if (reply_number(reply, 0) != 1) {
        start_change(change);
    } else {
        change->wish.match = rev;
        if (replaced_copy_wants(&copy->is, rev))
            classes_copy_replace(copy, &change->draft, rev);
        snprintf(order, sizeof(order), "classes %llu", (unsigned long long)rev);
        orders_tell(change->classes->api, order, on_told, change);
    }
}

static void write_draft(struct change *change, uint64_t seen)
{
    struct db *db = &change->classes->api->db;

    db_begin_script(db, 0, SCRIPT_POLICY, 3);
    command_add_fleet_key(&db->cmd, 0, KEY_POLICY);
    command_add_fleet_key(&db->cmd, 0, KEY_FLEET_EVENTS);
    command_add_fleet_key(&db->cmd, 0, KEY_CLASSES);
    redis_command_add_text(&db->cmd, "classes_rev");
    redis_command_add_u64(&db->cmd, seen);
    redis_command_add_u64(&db->cmd, change->classes->copy.is.rev);
    classes_copy_add_all(&db->cmd, &change->draft);
    db_send_script(db, SCRIPT_POLICY, on_written, change);
}

/* All of the copy but the one of this prefix. */
static void add_the_others(struct classes *draft, const struct classes *from,
                           struct json_text prefix, struct strbuf *why)
{
    for (size_t i = 0; i < from->count; i++)
        if (!json_text_equals(class_prefix(from->all[i]), prefix))
            (void)classes_add(draft, class_prefix(from->all[i]),
                              class_text(from->all[i]), why);
}

static bool draw_up(struct change *change, struct strbuf *why)
{
    const struct fleet_classes_wish *wish = &change->wish;
    const struct classes *now = &change->classes->copy.table;

    classes_deinit(&change->draft);
    classes_init(&change->draft, &now->fallback);
    if (!wish->prefix.base)
        return classes_parse(&change->draft, wish->json, why);
    add_the_others(&change->draft, now, wish->prefix, why);
    return (!wish->json.base ||
            classes_add(&change->draft, wish->prefix, wish->json, why)) &&
           classes_end(&change->draft, why);
}

static void on_base(void *data, int status, const redisReply *reply)
{
    struct change *change = data;
    const struct fleet_classes_wish *wish = &change->wish;
    struct classes_copy *copy = &change->classes->copy;
    struct strbuf why = {NULL, 0, 0};
    uint64_t seen;

    if (status < 0 || ++change->tries > TRIES_MAX) {
        fail(change, FLEET_CLASSES_FAILED);
        return;
    }
    seen = classes_copy_take(copy, reply);
    if (wish->has_match && wish->match != copy->is.rev)
        fail(change, FLEET_CLASSES_OTHER);
    else if (!wish->json.base && !classes_get(&copy->table, wish->prefix))
        fail(change, FLEET_CLASSES_NONE);
    else if (draw_up(change, &why))
        write_draft(change, seen);
    else
        end(change, &(struct fleet_classes_answer){
                        .result = FLEET_CLASSES_BAD,
                        .why = why.data,
                    });
    strbuf_deinit(&why);
}

static void start_change(struct change *change)
{
    classes_copy_begin_read(&change->classes->copy);
    db_send_script(&change->classes->api->db, SCRIPT_CLASSES, on_base, change);
}

void fleet_classes_change(struct fleet_classes *classes,
                          const struct fleet_classes_wish *wish,
                          fleet_classes_fn on_done, void *data)
{
    struct change *change = xcalloc(1, sizeof(*change));

    change->classes = classes;
    change->wish = *wish;
    change->wish.prefix = copy_of(wish->prefix);
    change->wish.json = copy_of(wish->json);
    change->on_done = on_done;
    change->data = data;
    start_change(change);
}

/* ---- beginning and end ---- */

struct fleet_classes *fleet_classes_open(struct api *api)
{
    struct fleet_classes *classes = xcalloc(1, sizeof(*classes));
    struct class_rules fallback;

    classes->api = api;
    class_rules_of_settings(&fallback, api->config);
    classes_copy_init(&classes->copy, &registry_calls, on_changed, api, &fallback,
                      api->metrics);
    uv_timer_init(api->loop, &classes->tick);
    classes->tick.data = classes;
    uv_timer_start(&classes->tick, on_tick, 0, TICK_MS);
    return classes;
}

void fleet_classes_close(struct fleet_classes *classes)
{
    uv_close((uv_handle_t *)&classes->tick, NULL);
}

void fleet_classes_free(struct fleet_classes *classes)
{
    if (!classes)
        return;
    classes_copy_deinit(&classes->copy);
    free(classes);
}
