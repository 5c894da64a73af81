/* move_plan.c - see move_plan.h. */
#include "admin/move_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"

static bool refuse(struct move_plan *plan, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool refuse(struct move_plan *plan, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(plan->refusal, sizeof(plan->refusal), format, args);
    va_end(args);
    return false;
}

/* ---- one room ---- */

static bool is_one(const struct move_place *a, const struct move_place *b)
{
    return strcmp(a->id, b->id) == 0;
}

const struct move_place *move_plan_same(const struct move_links *links,
                                        const struct move_place *place)
{
    const struct move_side *other = &links->sides[place->side == &links->sides[0]];

    for (unsigned i = 0; i < other->count; i++)
        if (is_one(&other->places[i], place))
            return &other->places[i];
    return NULL;
}

enum move_verdict move_plan_verdict(const struct move_links *links,
                                    const struct move_place *place,
                                    struct json_text room, struct move_at *to)
{
    const struct move_side *from = &links->sides[MOVE_FROM];
    const struct move_side *target = &links->sides[MOVE_TO];

    *to = move_links_of_room(target, room);
    if (from->is_cluster)
        return MOVE_GOES;
    if (!target->is_cluster && is_one(&target->places[to->shard], place))
        return MOVE_STAYS;
    return move_links_of_room(from, room).shard == place->number ? MOVE_GOES
                                                                 : MOVE_IS_STRAY;
}

/* ---- both sides ---- */

static bool has_doubles(struct move_plan *plan, const struct move_side *side)
{
    for (unsigned i = 0; i < side->count; i++)
        for (unsigned k = 0; k < i; k++)
            if (is_one(&side->places[i], &side->places[k]))
                return !refuse(plan, "%s: shards %u and %u are one Redis", side->name,
                               k, i);
    return false;
}

static bool are_equal(const struct move_side *a, const struct move_side *b)
{
    if (a->is_cluster != b->is_cluster || a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (!is_one(&a->places[i], &b->places[i]))
            return false;
    return true;
}

bool move_plan_is_possible(struct move_plan *plan)
{
    const struct move_side *from = &plan->links->sides[MOVE_FROM];
    const struct move_side *to = &plan->links->sides[MOVE_TO];

    if (has_doubles(plan, from) || has_doubles(plan, to))
        return false;
    if (from->is_cluster && to->is_cluster)
        for (unsigned i = 0; i < from->count; i++)
            if (move_plan_same(plan->links, &from->places[i]))
                return refuse(plan, "both sides are one Redis Cluster: it moves its "
                                    "slots by itself (redis-cli --cluster reshard)");
    if (are_equal(from, to))
        return refuse(plan, "%s and %s are the same: there is nothing to move",
                      from->name, to->name);
    return true;
}

/* ---- counting ---- */

static void count(struct move_count *what, const struct move_name *name)
{
    what->keys++;
    what->rooms += keys_is_of_room(name->key.base, name->key.len, KEY_META);
}

static void count_stray(struct move_plan *plan, const struct move_name *name)
{
    count(&plan->strays, name);
    if (!plan->stray[0])
        snprintf(plan->stray, sizeof(plan->stray), "%.*s", (int)name->room.len,
                 name->room.base);
}

static bool survey_one(struct move_plan *plan, const struct move_place *place,
                       const struct move_name *name)
{
    struct move_at from = move_links_of_room(place->side, name->room), to;

    switch (move_plan_verdict(plan->links, place, name->room, &to)) {
    case MOVE_GOES:
        count(&plan->goes, name);
        count(&plan->ways[from.shard][to.shard], name);
        return true;
    case MOVE_STAYS:
        count(&plan->stays, name);
        if (plan->is_first && from.shard != place->number)
            return refuse(plan,
                          "%s, shard %u holds keys of the room %s, which belongs to "
                          "shard %u there: delete them, they would become that room's",
                          place->side->name, place->number,
                          log_name(name->room.base, name->room.len), from.shard);
        return true;
    case MOVE_IS_STRAY:
        count_stray(plan, name);
    }
    return true;
}

static bool on_source(void *data, const struct move_place *place,
                      const struct move_name *names, size_t found)
{
    for (size_t i = 0; i < found; i++)
        if (!survey_one(data, place, &names[i]))
            return false;
    return true;
}

static bool on_target(void *data, const struct move_place *place,
                      const struct move_name *names, size_t found)
{
    struct move_plan *plan = data;

    if (found == 0 || move_plan_same(plan->links, place))
        return true;
    return refuse(plan,
                  "%s, shard %u has rooms already (%s): it must have none before the "
                  "first move to it",
                  place->side->name, place->number,
                  log_name(names[0].room.base, names[0].room.len));
}

bool move_plan_survey(struct move_plan *plan)
{
    return move_walk(plan->links, MOVE_FROM, on_source, plan) &&
           (!plan->is_first || move_walk(plan->links, MOVE_TO, on_target, plan));
}
