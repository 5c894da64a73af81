/* eval_calls.c - see eval_calls.h. */
#include "tests/support/redis/eval_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/redis/redis_cmd.h"

/* ---- what there is before a call ---- */

static void prepare_nothing(struct eval_room *room)
{
    (void)room;
}

static void prepare_room(struct eval_room *room)
{
    eval_room_join(room, "node-1", "ann");
    eval_room_join(room, "node-1", "bob");
    eval_room_join(room, "node-2", "bob");
    eval_room_say(room, "node-1", "ann", "hi");
}

static void prepare_new_room(struct eval_room *room)
{
    eval_room_join(room, "node-1", "ann");
}

static void prepare_empty_room(struct eval_room *room)
{
    prepare_room(room);
    eval_room_leave(room, "node-1", "ann");
    eval_room_leave(room, "node-1", "bob");
    eval_room_leave(room, "node-2", "bob");
}

static void prepare_lost_room(struct eval_room *room)
{
    prepare_room(room);
    redis_cmd(eval_port(room->redis), "DEL rc:{lobby}:meta");
    room->epoch = EPOCH_2;
}

static void prepare_kick(struct eval_room *room)
{
    prepare_room(room);
    redis_cmd(eval_port(room->redis), "HSET rc:{lobby}:kicks cem %s", "9 spam");
    redis_cmd(eval_port(room->redis), "EXPIRE rc:{lobby}:kicks 600");
}

static void prepare_ban(struct eval_room *room)
{
    redis_cmd(eval_port(room->redis), "HSET rc:{lobby}:bans ann 0");
    eval_room_join(room, "node-1", "bob");
}

static void prepare_nodes(struct eval_room *room)
{
    redis_cmd(eval_port(room->redis), "ZADD %s 1 dead %lld me",
              eval_name(room->redis, "rc:nodes"), eval_now_ms(room->redis));
    redis_cmd(eval_port(room->redis), "HSET %s pid 1",
              eval_name(room->redis, "rc:node:me"));
    redis_cmd(eval_port(room->redis), "HSET %s pid 2",
              eval_name(room->redis, "rc:node:dead"));
}

static void prepare_claimed(struct eval_room *room)
{
    prepare_nodes(room);
    redis_cmd(eval_port(room->redis), "SET %s %s",
              eval_name(room->redis, "rc:node:dead:claim"), "me 1");
}

static void prepare_registered(struct eval_room *room)
{
    prepare_nodes(room);
    redis_cmd(eval_port(room->redis), "SADD %s lobby",
              eval_name(room->redis, "rc:node:me:rooms"));
}

static void prepare_index(struct eval_room *room)
{
    prepare_room(room);
    redis_cmd(eval_port(room->redis), "ZADD %s 1 gone",
              eval_name(room->redis, "rc:rooms"));
    redis_cmd(eval_port(room->redis), "ZADD %s 0 gone",
              eval_name(room->redis, "rc:rooms:members"));
}

static void prepare_changed(struct eval_room *room)
{
    prepare_room(room);
    redis_cmd(eval_port(room->redis), "ZADD rc:{lobby}:changed 3 1");
    redis_cmd(eval_port(room->redis), "HSET rc:{lobby}:meta changed 3");
}

/* ---- the calls ---- */

static const char *join_ann(struct eval_room *room)
{
    return eval_room_join(room, "node-1", "ann");
}

static const char *join_cem(struct eval_room *room)
{
    return eval_room_join(room, "node-3", "cem");
}

static const char *leave_ann(struct eval_room *room)
{
    return eval_room_leave(room, "node-1", "ann");
}

static const char *renew(struct eval_room *room)
{
    return eval_room_renew(room, "node-1", (const char *[]){"ann", NULL});
}

static const char *reap(struct eval_room *room)
{
    return eval_room_reap(room, "node-1", 500);
}

static const char *sync_two(struct eval_room *room)
{
    return eval_room_sync(room, "node-1", EPOCH_1,
                          (const char *[]){"ann", "1", "cem", "2", NULL});
}

static const char *remake(struct eval_room *room)
{
    return eval_room_remake(room, EPOCH_1, EPOCH_2);
}

static const char *publish(struct eval_room *room)
{
    return eval_room_say(room, "node-1", "ann", "hello");
}

static const char *publish_without_history(struct eval_room *room)
{
    room->history_limit = 0;
    return publish(room);
}

static const char *publish_with_keys(struct eval_room *room)
{
    static const struct eval_message messages[] = {{"ann", "k", ",\"text\":\"1\"}"},
                                                   {"ann", NULL, ",\"text\":\"2\"}"},
                                                   {"bob", "k", ",\"text\":\"3\"}"}};

    return eval_room_publish(room, "node-1", messages, 3);
}

static const char *history(struct eval_room *room)
{
    return eval_room_history(room, "0", "", 100, 1000);
}

static const char *members(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_MEMBERS);
    eval_key(room->redis, "rc:{lobby}:members");
    eval_arg(room->redis, "0");
    eval_arg(room->redis, "100");
    eval_arg(room->redis, "1000");
    eval_arg(room->redis, "0");
    return eval_run(room->redis);
}

static const char *kick(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_KICK);
    eval_key(room->redis, "rc:{lobby}:meta");
    eval_key(room->redis, "rc:{lobby}:members");
    eval_key(room->redis, "rc:{lobby}:history");
    eval_key(room->redis, "rc:{lobby}:kicks");
    eval_key(room->redis, "rc:{lobby}:events");
    eval_key(room->redis, "rc:{lobby}:nodes");
    eval_key(room->redis, "rc:{lobby}:changed");
    eval_key(room->redis, "rc:{lobby}:on:node-1");
    for (int i = 0; i < 5; i++)
        eval_arg(room->redis, "ann"); /* user, token, reason, events */
    eval_arg(room->redis, "500");
    eval_arg(room->redis, "300000");
    return eval_run(room->redis);
}

static const char *close_room(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_CLOSE);
    eval_key(room->redis, "rc:{lobby}:meta");
    eval_key(room->redis, "rc:{lobby}:members");
    eval_key(room->redis, "rc:{lobby}:history");
    eval_key(room->redis, "rc:{lobby}:kicks");
    eval_key(room->redis, "rc:{lobby}:keys");
    eval_key(room->redis, "rc:{lobby}:keys:old");
    eval_key(room->redis, "rc:{lobby}:bans");
    eval_key(room->redis, "rc:{lobby}:mutes");
    eval_key(room->redis, "rc:{lobby}:closed");
    eval_key(room->redis, "rc:{lobby}:events");
    eval_key(room->redis, "rc:{lobby}:nodes");
    eval_key(room->redis, "rc:{lobby}:changed");
    eval_key(room->redis, "rc:{lobby}:on:node-1");
    eval_arg(room->redis, "late");
    eval_arg(room->redis, "{}");
    return eval_run(room->redis);
}

static void begin_change(struct eval_room *room, enum script script)
{
    eval_begin(room->redis, script);
    eval_key(room->redis, "rc:{lobby}:meta");
    eval_key(room->redis, "rc:{lobby}:history");
    eval_key(room->redis, "rc:{lobby}:events");
    eval_key(room->redis, "rc:{lobby}:changed");
}

static void add_change(struct eval_room *room)
{
    eval_arg(room->redis, "1");
    eval_arg(room->redis, "head");
    eval_arg(room->redis, "{");
    eval_arg(room->redis, "100");
}

static void begin_own_change(struct eval_room *room, enum script script)
{
    begin_change(room, script);
    eval_key(room->redis, "rc:{lobby}:on:node-1");
    eval_key(room->redis, "rc:{lobby}:mutes");
    eval_key(room->redis, "rc:{lobby}:bans");
    add_change(room);
    eval_arg(room->redis, "ann");
    eval_arg(room->redis, "9999999999999");
}

static const char *delete_message(struct eval_room *room)
{
    begin_change(room, SCRIPT_DELETE);
    add_change(room);
    return eval_run(room->redis);
}

static const char *delete_own(struct eval_room *room)
{
    begin_own_change(room, SCRIPT_DELETE);
    return eval_run(room->redis);
}

static const char *edit(struct eval_room *room)
{
    begin_own_change(room, SCRIPT_EDIT);
    eval_arg(room->redis, ",\"user\":\"ann\",\"text\":\"hello\"");
    eval_arg(room->redis, ",\"data\":1");
    return eval_run(room->redis);
}

static const char *read_changes(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_CHANGES);
    eval_key(room->redis, "rc:{lobby}:meta");
    eval_key(room->redis, "rc:{lobby}:history");
    eval_key(room->redis, "rc:{lobby}:changed");
    eval_arg(room->redis, "0");
    eval_arg(room->redis, "9");
    for (int i = 0; i < 3; i++)
        eval_arg(room->redis, "head");
    eval_arg(room->redis, "100");
    eval_arg(room->redis, "1000");
    return eval_run(room->redis);
}

static const char *moderate(struct eval_room *room, const char *secs)
{
    eval_begin(room->redis, SCRIPT_MODERATE);
    eval_key(room->redis, "rc:{lobby}:bans");
    eval_key(room->redis, "rc:{lobby}:meta");
    eval_key(room->redis, "rc:{lobby}:events");
    eval_arg(room->redis, "ann");
    eval_arg(room->redis, "%s", secs);
    eval_arg(room->redis, "1000");
    return eval_run(room->redis);
}

static const char *ban(struct eval_room *room)
{
    return moderate(room, "60");
}

static const char *lift_ban(struct eval_room *room)
{
    return moderate(room, "");
}

static const char *read_room(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_ROOM);
    eval_key(room->redis, "rc:{lobby}:meta");
    eval_key(room->redis, "rc:{lobby}:members");
    eval_key(room->redis, "rc:{lobby}:history");
    eval_key(room->redis, "rc:{lobby}:bans");
    eval_key(room->redis, "rc:{lobby}:mutes");
    eval_key(room->redis, "rc:{lobby}:kicks");
    eval_key(room->redis, "rc:{lobby}:keys");
    eval_key(room->redis, "rc:{lobby}:keys:old");
    eval_key(room->redis, "rc:{lobby}:closed");
    eval_key(room->redis, "rc:{lobby}:nodes");
    eval_key(room->redis, "rc:{lobby}:changed");
    eval_arg(room->redis, "lobby");
    return eval_run(room->redis);
}

static const char *read_rooms(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_ROOMS);
    eval_key(room->redis, "rc:rooms");
    eval_arg(room->redis, "5");
    eval_arg(room->redis, "gone");
    eval_arg(room->redis, "10");
    return eval_run(room->redis);
}

static const char *sample(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_SAMPLE);
    eval_key(room->redis, "rc:stats:sampler");
    eval_key(room->redis, "rc:stats:online");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "replica");
    eval_arg(room->redis, "6000");
    eval_arg(room->redis, "10");
    eval_arg(room->redis, "}");
    return eval_run(room->redis);
}

static const char *audit(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_AUDIT);
    eval_key(room->redis, "rc:audit");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "1000");
    eval_arg(room->redis, "}");
    eval_arg(room->redis, "who");
    eval_arg(room->redis, "me");
    return eval_run(room->redis);
}

static const char *revoke_user(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_REVOKE);
    eval_key(room->redis, "rc:policy");
    eval_key(room->redis, "rc:revoked");
    eval_key(room->redis, "rc:policy:restore");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "5");
    eval_arg(room->redis, "100");
    eval_arg(room->redis, "mine");
    eval_arg(room->redis, "user:ann");
    eval_arg(room->redis, "100");
    eval_arg(room->redis, "200");
    return eval_run(room->redis);
}

static const char *sweep(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_SWEEP);
    eval_key(room->redis, "rc:revoked");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "0");
    eval_arg(room->redis, "1000");
    eval_arg(room->redis, "60000");
    return eval_run(room->redis);
}

static const char *restore(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_RESTORE);
    eval_key(room->redis, "rc:policy");
    eval_key(room->redis, "rc:events");
    eval_key(room->redis, "rc:classes");
    eval_arg(room->redis, "classes_rev");
    eval_arg(room->redis, "5");
    eval_arg(room->redis, "team/");
    eval_arg(room->redis, "{}");
    return eval_run(room->redis);
}

static const char *classes(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_CLASSES);
    eval_key(room->redis, "rc:policy");
    eval_key(room->redis, "rc:classes");
    eval_arg(room->redis, "classes_rev");
    return eval_run(room->redis);
}

static const char *policy(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_POLICY);
    eval_key(room->redis, "rc:policy");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "keys_rev");
    eval_arg(room->redis, "0");
    eval_arg(room->redis, "0");
    eval_arg(room->redis, "keys");
    eval_arg(room->redis, "{}");
    return eval_run(room->redis);
}

static const char *beat_as(struct eval_room *room, const char *node, int first)
{
    eval_begin(room->redis, SCRIPT_HEARTBEAT);
    eval_key(room->redis, "rc:nodes");
    eval_key(room->redis, "rc:node:%s", node);
    eval_key(room->redis, "rc:node:%s:claim", node);
    eval_key(room->redis, "rc:events");
    eval_key(room->redis, "rc:stats");
    eval_arg(room->redis, "%s", node);
    eval_arg(room->redis, "10000");
    eval_arg(room->redis, "%d", first);
    eval_arg(room->redis, "5");
    eval_arg(room->redis, "pid");
    eval_arg(room->redis, "1");
    return eval_run(room->redis);
}

static const char *beat(struct eval_room *room)
{
    return beat_as(room, "me", 0);
}

static const char *first_beat(struct eval_room *room)
{
    return beat_as(room, "you", 1);
}

static const char *register_node(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_REGISTER);
    eval_key(room->redis, "rc:nodes");
    eval_key(room->redis, "rc:node:me:rooms");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "me");
    eval_arg(room->redis, "lobby");
    return eval_run(room->redis);
}

static const char *claim(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_CLAIM);
    eval_key(room->redis, "rc:nodes");
    eval_key(room->redis, "rc:node:dead:claim");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "dead");
    eval_arg(room->redis, "10000");
    eval_arg(room->redis, "me");
    eval_arg(room->redis, "10000");
    return eval_run(room->redis);
}

static const char *report(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_REPORT);
    eval_key(room->redis, "rc:nodes");
    eval_key(room->redis, "rc:node:dead:rooms");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "dead");
    eval_arg(room->redis, "lobby");
    eval_arg(room->redis, "10000");
    return eval_run(room->redis);
}

static const char *forget(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_FORGET);
    eval_key(room->redis, "rc:nodes");
    eval_key(room->redis, "rc:node:dead");
    eval_key(room->redis, "rc:node:dead:rooms");
    eval_key(room->redis, "rc:node:dead:claim");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "dead");
    return eval_run(room->redis);
}

static const char *write_index(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_INDEX);
    eval_key(room->redis, "rc:rooms");
    eval_key(room->redis, "rc:rooms:members");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "lobby");
    eval_arg(room->redis, "2");
    return eval_run(room->redis);
}

static const char *take_off_index(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_UNINDEX);
    eval_key(room->redis, "rc:rooms");
    eval_key(room->redis, "rc:rooms:members");
    eval_key(room->redis, "rc:events");
    eval_arg(room->redis, "room_expired");
    eval_arg(room->redis, "gone");
    eval_arg(room->redis, "1");
    return eval_run(room->redis);
}

static const char *settle(struct eval_room *room)
{
    eval_begin(room->redis, SCRIPT_SETTLE);
    eval_key(room->redis, "rc:{lobby}:meta");
    eval_key(room->redis, "rc:{lobby}:events");
    eval_arg(room->redis, "7");
    eval_arg(room->redis, "1");
    return eval_run(room->redis);
}

const struct eval_call eval_calls[] = {
    {"join, which makes the room", prepare_nothing, join_cem, true},
    {"join of a room that was lost", prepare_lost_room, join_cem, true},
    {"join", prepare_room, join_cem, true},
    {"join again", prepare_room, join_ann, false},
    {"join of an empty room", prepare_empty_room, join_cem, true},
    {"leave", prepare_room, leave_ann, false},
    {"the last leave", prepare_new_room, leave_ann, false},
    {"renew", prepare_room, renew, false},
    {"reap", prepare_room, reap, false},
    {"reap of the last", prepare_new_room, reap, false},
    {"sync", prepare_room, sync_two, true},
    {"sync after a kick", prepare_kick, sync_two, false},
    {"sync of a room that was lost", prepare_lost_room, sync_two, true},
    {"sync, which makes the room", prepare_nothing, sync_two, true},
    {"remake", prepare_room, remake, true},
    {"publish", prepare_room, publish, true},
    {"publish for the first time", prepare_new_room, publish, true},
    {"publish without history", prepare_room, publish_without_history, true},
    {"publish with keys", prepare_room, publish_with_keys, true},
    {"history", prepare_room, history, false},
    {"members", prepare_room, members, false},
    {"heartbeat", prepare_nodes, beat, false},
    {"the first heartbeat", prepare_nodes, first_beat, false},
    {"register", prepare_nodes, register_node, true},
    {"register again", prepare_registered, register_node, false},
    {"claim", prepare_nodes, claim, false},
    {"claim again", prepare_claimed, claim, false},
    {"report of a dead node", prepare_nodes, report, true},
    {"forget", prepare_nodes, forget, false},
    {"index", prepare_index, write_index, false},
    {"unindex", prepare_index, take_off_index, false},
    {"settle", prepare_room, settle, false},
    {"kick", prepare_room, kick, false},
    {"kick of the last", prepare_new_room, kick, false},
    {"close", prepare_room, close_room, false},
    {"delete", prepare_room, delete_message, false},
    {"delete of one's own", prepare_room, delete_own, false},
    {"edit", prepare_room, edit, false},
    {"changes", prepare_changed, read_changes, false},
    {"ban", prepare_room, ban, false},
    {"lifting a ban", prepare_ban, lift_ban, false},
    {"room", prepare_room, read_room, false},
    {"rooms", prepare_index, read_rooms, false},
    {"sample", prepare_nothing, sample, false},
    {"audit", prepare_nothing, audit, false},
    {"restore", prepare_nothing, restore, false},
    {"classes", prepare_nothing, classes, false},
    {"revoke", prepare_nothing, revoke_user, false},
    {"sweep", prepare_nothing, sweep, false},
    {"policy", prepare_nothing, policy, false},
};

const size_t eval_calls_count = sizeof(eval_calls) / sizeof(eval_calls[0]);
