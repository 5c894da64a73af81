/* move.c - see move.h.
 *
 *     move_run -> move_links_open -> look -> survey -> [a dry run ends here]
 *              -> move_marks_begin -> bans and mutes -> all, until a walk finds nothing
 *              -> move_fleet_copy, move_fleet_tidy -> move_marks_end
 */
#include "admin/move.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/move_copy.h"
#include "admin/move_fleet.h"
#include "admin/move_live.h"
#include "admin/move_marks.h"
#include "admin/move_plan.h"
#include "common/log.h"
#include "common/xalloc.h"

enum {
    SAY_MS = 1000,
    WALKS_MAX = 5, /* until nothing is found: somebody else writes there */
};

struct move {
    struct move_links links;
    struct move_marks marks;
    struct move_plan plan;
    struct move_live live;
    struct move_copy copy;
    bool is_dry_run, is_refused;
    bool first_only; /* bans and mutes */
    uint64_t said_ms;
    uint64_t found; /* keys to be moved, by this walk */
};

/* ---- what it says ---- */

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("move-rooms: ", stderr);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static bool refuse(struct move *move, const char *why)
{
    move->is_refused = true;
    say("refused: %s", why);
    return false;
}

static void print_count(const char *what, const struct move_count *count)
{
    printf("%s: %llu rooms, %llu keys\n", what, (unsigned long long)count->rooms,
           (unsigned long long)count->keys);
}

static void print_ways(const struct move_plan *plan)
{
    for (unsigned from = 0; from < SHARD_OF_MAX; from++)
        for (unsigned to = 0; to < SHARD_OF_MAX; to++) {
            char way[64];

            if (plan->ways[from][to].keys == 0)
                continue;
            snprintf(way, sizeof(way), "  shard %u to shard %u", from, to);
            print_count(way, &plan->ways[from][to]);
        }
}

static void print_plan(const struct move *move)
{
    print_count(move->is_dry_run ? "would be moved" : "to be moved", &move->plan.goes);
    print_ways(&move->plan);
    print_count("stay where they are", &move->plan.stays);
    if (move->plan.strays.keys > 0) {
        print_count("of neither list, and left alone", &move->plan.strays);
        printf("  one of them: %s\n",
               log_name(move->plan.stray, strlen(move->plan.stray)));
    }
    printf("audit trail and statistics: %s\n",
           move_fleet_goes(&move->links) ? "go to the new first shard" : "stay");
    fflush(stdout);
}

static void print_done(const struct move *move)
{
    printf("moved: %llu rooms, %llu keys, %llu bytes of memory\n",
           (unsigned long long)move->copy.rooms, (unsigned long long)move->copy.keys,
           (unsigned long long)move->copy.bytes);
    printf("left behind: %llu keys of members, whose gateways are gone\n",
           (unsigned long long)move->copy.removed);
    puts("done: start the gateways with ROOMCAST_REDIS_URL as ROOMCAST_MOVE_TO was");
}

/* ---- while it goes on ---- */

static bool nobody_lives(struct move *move)
{
    char why[PROTO_NODE_MAX + 400];

    if (!move_live_look(&move->live, &move->links))
        return false;
    if (move->live.found == 0)
        return true;
    if (move->is_dry_run) {
        say("%u workers of gateways are alive: they must be stopped for the move "
            "itself",
            move->live.found);
        return true;
    }
    snprintf(
        why, sizeof(why),
        "%u workers of gateways are alive, such as %s (%s) in %s: stop all gateways "
        "first; one that was killed counts for ROOMCAST_LEASE_SECS",
        move->live.found, move->live.address, move->live.node,
        move->links.sides[move->live.which].name);
    return refuse(move, why);
}

/* Each second: how far it is, and whether a gateway was started. */
static bool look_around(struct move *move)
{
    uint64_t now_ms = uv_now(&move->links.loop);

    if (now_ms - move->said_ms < SAY_MS)
        return true;
    move->said_ms = now_ms;
    say("%llu of %llu rooms, %llu of about %llu keys",
        (unsigned long long)move->copy.rooms, (unsigned long long)move->plan.goes.rooms,
        (unsigned long long)(move->copy.keys + move->copy.removed),
        (unsigned long long)move->plan.goes.keys);
    return nobody_lives(move);
}

/* ---- rooms ---- */

static bool is(const struct move_name *name, enum room_key which)
{
    return keys_is_of_room(name->key.base, name->key.len, which);
}

/* They outlive their room, and without them somebody who was put out would come in. */
static bool is_first(const struct move_name *name)
{
    return is(name, KEY_BANS) || is(name, KEY_MUTES);
}

/* Of members, who are those of gateways that are gone. */
static bool is_left(const struct move_name *name)
{
    return is(name, KEY_MEMBERS) || is(name, KEY_ROOM_NODES) ||
           keys_is_on_node(name->key.base, name->key.len);
}

/* A room that stays, but under another number. */
static void renumber(struct move *move, const struct move_name *name,
                     const struct move_place *place, const struct move_at *to)
{
    struct redis_command *cmd = &move->links.cmd;
    struct move_at here = {.shard = place->number};

    if (!is(name, KEY_META) || to->shard == place->number)
        return;
    scripts_begin(cmd, SCRIPT_SETTLE, 2);
    command_add(cmd, name->key);
    command_add_room_key(cmd, name->room, KEY_EVENTS);
    redis_command_add_u64(cmd, to->shard);
    redis_command_add_u64(cmd, 0);
    move_links_send_script(&move->links, MOVE_FROM, &here, SCRIPT_SETTLE, NULL, NULL);
}

/* Whether it is to be moved now; then it is in `item`. */
static bool take(struct move *move, const struct move_place *place,
                 const struct move_name *name, struct move_item *item)
{
    struct move_at to;
    enum move_verdict verdict = move_plan_verdict(&move->links, place, name->room, &to);

    if (verdict == MOVE_STAYS && !move->first_only)
        renumber(move, name, place, &to);
    if (verdict != MOVE_GOES || (move->first_only && !is_first(name)))
        return false;
    *item = (struct move_item){
        .key = {name->key, name->key},
        .room = name->room,
        .at = {move_links_of_room(place->side, name->room), to},
        .is_left = is_left(name),
        .is_meta = is(name, KEY_META),
    };
    return true;
}

static bool on_page(void *data, const struct move_place *place,
                    const struct move_name *names, size_t found)
{
    struct move *move = data;
    struct move_item items[MOVE_COPY_MAX];
    size_t count = 0;

    for (size_t i = 0; i < found; i++) {
        count += take(move, place, &names[i], &items[count]);
        if (count < MOVE_COPY_MAX && i + 1 < found)
            continue;
        move->found += count;
        if (count > 0 &&
            (!look_around(move) || !move_copy_items(&move->copy, items, count)))
            return false;
        count = 0;
    }
    return move_links_wait(&move->links);
}

static bool move_rooms(struct move *move)
{
    move->first_only = true;
    say("bans and mutes");
    if (!move_walk(&move->links, MOVE_FROM, on_page, move))
        return false;
    move->first_only = false;
    say("rooms");
    for (unsigned i = 0; i < WALKS_MAX; i++) {
        move->found = 0;
        if (!move_walk(&move->links, MOVE_FROM, on_page, move))
            return false;
        if (move->found == 0)
            return true;
    }
    return move_links_fail(&move->links,
                           "there are more and more keys: somebody writes to "
                           "ROOMCAST_MOVE_FROM");
}

/* ---- from the beginning to the end ---- */

static bool survey(struct move *move, enum move_stage stage)
{
    move->plan.is_first = stage == MOVE_IS_NEW;
    say("looking at all keys");
    if (move_plan_survey(&move->plan))
        return true;
    return move->plan.refusal[0] ? refuse(move, move->plan.refusal) : false;
}

static bool look(struct move *move, enum move_stage *stage)
{
    move->plan.links = &move->links;
    move->copy.links = &move->links;
    if (!move_plan_is_possible(&move->plan))
        return refuse(move, move->plan.refusal);
    if (!nobody_lives(move) || !move_marks_read(&move->marks, &move->links))
        return false;
    *stage = move_marks_decide(&move->marks);
    if (*stage == MOVE_IS_REFUSED)
        return refuse(move, move->marks.refusal);
    if (*stage == MOVE_HAS_BEGUN)
        say("goes on with a move that broke off");
    return survey(move, *stage);
}

static bool finish_again(struct move *move)
{
    if (move->plan.goes.keys > 0)
        return refuse(move, "this move was done before, and yet there are keys to be "
                            "moved: somebody has written to ROOMCAST_MOVE_FROM since");
    puts("done before: there is nothing to move");
    return true;
}

static bool run(struct move *move)
{
    enum move_stage stage = MOVE_IS_NEW;

    if (!look(move, &stage))
        return false;
    if (stage == MOVE_IS_DONE)
        return finish_again(move);
    print_plan(move);
    if (move->is_dry_run)
        return true;
    if (!move_marks_begin(&move->marks) || !move_rooms(move) ||
        !move_fleet_copy(&move->copy) || !nobody_lives(move) ||
        !move_fleet_tidy(&move->links) || !move_marks_end(&move->marks))
        return false;
    print_done(move);
    return true;
}

enum move_exit move_run(const struct config *config)
{
    struct move *move = xcalloc(1, sizeof(*move));
    enum move_exit exit_code = MOVE_EXIT_DONE;

    if (log_max > LOG_ERROR)
        log_max = LOG_ERROR; /* what breaks off is said here */
    move->is_dry_run = config->dry_run;
    say("connecting");
    if (!move_links_open(&move->links, config) || !run(move))
        exit_code = move->is_refused ? MOVE_EXIT_REFUSED : MOVE_EXIT_BROKE_OFF;
    if (exit_code == MOVE_EXIT_BROKE_OFF)
        say("broke off: %s%s", move->links.why,
            move->is_dry_run ? "" : "; run it again, it goes on from there");
    move_marks_deinit(&move->marks);
    move_links_close(&move->links);
    fflush(stdout);
    free(move);
    return exit_code;
}
