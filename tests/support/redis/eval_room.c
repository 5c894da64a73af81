/* eval_room.c - see eval_room.h. */
#include "tests/support/redis/eval_room.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"

enum { TEST_MS = 60000 }; /* more than a test takes */

const char *const eval_room_odd_times[] = {"",
                                           "abc",
                                           "\x01",
                                           "inf",
                                           "nan",
                                           "1e30",
                                           "-5",
                                           "0x10",
                                           " 1",
                                           "1.5",
                                           "0000",
                                           "1000000000000000",
                                           "9223372036854775807",
                                           NULL};

const char *const eval_room_odd_seqs[] = {"",
                                          "many",
                                          "-1",
                                          "-5",
                                          "1.5",
                                          "0x7",
                                          " 1",
                                          "1e1",
                                          "+1",
                                          "inf",
                                          "nan",
                                          "-inf",
                                          "9007199254740992",
                                          "9223372036854775807",
                                          "-9223372036854775808",
                                          NULL};

int eval_room_begin(struct eval_room *room, struct eval *redis)
{
    *room = (struct eval_room){
        .redis = redis,
        .name = "lobby",
        .epoch = EPOCH_1,
        .events_max = 500,
        .history_limit = 100,
        .history_max_bytes = 1048576,
        .dedupe_ms = 300000,
        .keys_max = 100000,
    };
    return eval_reset(redis);
}

int eval_room_begin_test(void **state)
{
    struct eval_room *room = *state;

    return eval_room_begin(room, room->redis);
}

int eval_room_end_test(void **state)
{
    eval_room_expect_books_balance(*state);
    return 0;
}

int eval_room_teardown(void **state)
{
    return eval_stop(((struct eval_room *)*state)->redis);
}

/* ---- calls ---- */

static void add_key(const struct eval_room *room, const char *suffix)
{
    eval_key(room->redis, "rc:{%s}:%s", room->name, suffix);
}

static void add_on(const struct eval_room *room, const char *node)
{
    eval_key(room->redis, "rc:{%s}:on:%s", room->name, node);
}

static void add_percent(const struct eval_room *room, const char *user)
{
    struct strbuf text = {0};

    strbuf_add_percent(&text, user, strlen(user));
    eval_arg_bytes(room->redis, text.data, text.len);
    strbuf_deinit(&text);
}

static void add_stamp(const struct eval_room *room, const char *node)
{
    eval_arg(room->redis, "%s", node);
    eval_arg(room->redis, "%d", EVAL_ROOM_EVERY_MS);
    eval_arg(room->redis, "%d", EVAL_ROOM_ON_MS);
}

/* The JSON of a presence event up to the user; with `user` up to the count. */
static void add_event(const struct eval_room *room, const char *type,
                      const char *reason, const char *user)
{
    struct strbuf json = {0};

    strbuf_add_format(&json, q("{'type':'%s','room':"), type);
    strbuf_add_json(&json, room->name, strlen(room->name));
    if (reason)
        strbuf_add_format(&json, q(",'reason':'%s'"), reason);
    strbuf_add_text(&json, q(",'user':"));
    if (user) {
        strbuf_add_json(&json, user, strlen(user));
        strbuf_add_text(&json, q(",'members':"));
    }
    eval_arg_bytes(room->redis, json.data, json.len);
    strbuf_deinit(&json);
}

const char *eval_room_join_all(const struct eval_room *room, const char *node,
                               const char *const *users)
{
    eval_begin(room->redis, SCRIPT_JOIN);
    add_key(room, "meta");
    add_key(room, "members");
    add_on(room, node);
    add_key(room, "history");
    add_key(room, "bans");
    add_key(room, "events");
    add_key(room, "kicks");
    add_key(room, "nodes");
    add_key(room, "changed");
    eval_arg(room->redis, "%s", room->epoch);
    eval_arg(room->redis, "%d", EVAL_ROOM_KEEP_MS);
    eval_arg(room->redis, "0");
    eval_arg(room->redis, "%u", room->events_max);
    add_stamp(room, node);
    eval_arg(room->redis, "%s", room->limits ? room->limits : "");
    for (; *users; users++) {
        eval_arg(room->redis, "%s", *users);
        add_percent(room, *users);
        add_event(room, "member_joined", NULL, *users);
    }
    return eval_run(room->redis);
}

const char *eval_room_join(const struct eval_room *room, const char *node,
                           const char *user)
{
    return eval_room_join_all(room, node, (const char *[]){user, NULL});
}

static const char *leave(const struct eval_room *room, const char *node,
                         const char *const *users, const char *reason, int counts)
{
    eval_begin(room->redis, SCRIPT_LEAVE);
    add_key(room, "meta");
    add_key(room, "members");
    add_on(room, node);
    add_key(room, "history");
    add_key(room, "events");
    add_key(room, "nodes");
    add_key(room, "changed");
    eval_arg(room->redis, "%d", EVAL_ROOM_TTL_MS);
    eval_arg(room->redis, "%u", room->events_max);
    eval_arg(room->redis, "%s", node);
    for (; *users; users++) {
        eval_arg(room->redis, "%s", *users);
        add_percent(room, *users);
        add_event(room, "member_left", reason, *users);
        eval_arg(room->redis, "%d", counts);
    }
    return eval_run(room->redis);
}

const char *eval_room_leave_all(const struct eval_room *room, const char *node,
                                const char *const *users)
{
    return leave(room, node, users, "left", 1);
}

const char *eval_room_leave(const struct eval_room *room, const char *node,
                            const char *user)
{
    return eval_room_leave_all(room, node, (const char *[]){user, NULL});
}

const char *eval_room_leave_after_kick(const struct eval_room *room, const char *node,
                                       const char *user)
{
    return leave(room, node, (const char *[]){user, NULL}, "kicked", 0);
}

const char *eval_room_renew(const struct eval_room *room, const char *node,
                            const char *const *users)
{
    eval_begin(room->redis, SCRIPT_RENEW);
    add_key(room, "meta");
    add_key(room, "members");
    add_on(room, node);
    add_key(room, "history");
    add_key(room, "nodes");
    add_key(room, "events");
    add_key(room, "changed");
    eval_arg(room->redis, "%d", EVAL_ROOM_KEEP_MS);
    add_stamp(room, node);
    eval_arg(room->redis, "%d", EVAL_ROOM_PATIENCE_MS);
    for (size_t i = 0; users && users[i]; i++)
        eval_arg(room->redis, "%s", users[i]);
    return eval_run(room->redis);
}

const char *eval_room_reap(const struct eval_room *room, const char *dead,
                           unsigned most)
{
    eval_begin(room->redis, SCRIPT_REAP);
    add_key(room, "meta");
    add_key(room, "members");
    add_on(room, dead);
    add_key(room, "history");
    add_key(room, "events");
    add_key(room, "nodes");
    add_key(room, "changed");
    eval_arg(room->redis, "%u", most);
    eval_arg(room->redis, "%d", EVAL_ROOM_TTL_MS);
    eval_arg(room->redis, "%u", room->events_max);
    add_event(room, "member_left", "expired", NULL);
    eval_arg(room->redis, "%s", dead);
    return eval_run(room->redis);
}

const char *eval_room_sync(const struct eval_room *room, const char *node,
                           const char *known, const char *const *users)
{
    eval_begin(room->redis, SCRIPT_SYNC);
    add_key(room, "meta");
    add_key(room, "members");
    add_on(room, node);
    add_key(room, "history");
    add_key(room, "events");
    add_key(room, "kicks");
    add_key(room, "closed");
    add_key(room, "bans");
    add_key(room, "nodes");
    add_key(room, "changed");
    eval_arg(room->redis, "%s", known);
    eval_arg(room->redis, "%s", room->epoch);
    eval_arg(room->redis, "%d", EVAL_ROOM_KEEP_MS);
    eval_arg(room->redis, "0");
    eval_arg(room->redis, "%u", room->events_max);
    add_event(room, "member_joined", NULL, NULL);
    eval_arg(room->redis, "%d", room->told);
    eval_arg(room->redis, "%llu", room->last);
    eval_arg(room->redis, "%s", room->digest ? room->digest : "");
    add_stamp(room, node);
    eval_arg(room->redis, "%s", room->token ? room->token : "");
    for (; *users; users += 2) {
        eval_arg(room->redis, "%s", users[0]);
        add_percent(room, users[0]);
        eval_arg(room->redis, "%s", users[1]);
    }
    return eval_run(room->redis);
}

const char *eval_room_remake(const struct eval_room *room, const char *known,
                             const char *epoch)
{
    eval_begin(room->redis, SCRIPT_REMAKE);
    add_key(room, "meta");
    add_key(room, "members");
    add_key(room, "events");
    add_key(room, "changed");
    eval_arg(room->redis, "%s", known);
    eval_arg(room->redis, "%s", epoch);
    return eval_run(room->redis);
}

static void add_fields(const struct eval_room *room,
                       const struct eval_message *messages, unsigned count,
                       unsigned keys)
{
    eval_arg(room->redis, "%u", room->dedupe_ms);
    eval_arg(room->redis, "%u", room->keys_max);
    eval_arg(room->redis, "%d", keys > 1);
    eval_arg(room->redis, "%u", keys);
    for (unsigned i = 0; i < count; i++)
        if (messages[i].key)
            eval_arg(room->redis, "%zu:%s:%s", strlen(messages[i].user),
                     messages[i].user, messages[i].key);
}

static unsigned count_keys(const struct eval_message *messages, unsigned count)
{
    unsigned keys = 0;

    for (unsigned i = 0; i < count; i++)
        keys += messages[i].key != NULL;
    return keys;
}

/* How many messages are in the run that begins with the first: of one user, all with a key
 * or all without. */
static unsigned run_of(const struct eval_message *messages, unsigned count)
{
    unsigned size = 1;

    while (size < count && strcmp(messages[size].user, messages[0].user) == 0 &&
           !messages[size].key == !messages[0].key)
        size++;
    return size;
}

static void add_runs(const struct eval_room *room, const struct eval_message *messages,
                     unsigned count)
{
    unsigned runs = 0;

    for (unsigned i = 0; i < count; i += run_of(messages + i, count - i))
        runs++;
    eval_arg(room->redis, "%u", runs);
    for (unsigned i = 0; i < count;) {
        unsigned size = run_of(messages + i, count - i);

        eval_arg(room->redis, "%s", messages[i].user);
        eval_arg(room->redis, "%u", size);
        eval_arg(room->redis, "%d",
                 (messages[i].key != NULL) +
                     2 * (room->slow_ms > 0 && strcmp(messages[i].user, "mod") == 0));
        i += size;
    }
}

static void add_slow_keys(const struct eval_room *room,
                          const struct eval_message *messages, unsigned count)
{
    for (unsigned i = 0; i < count; i += run_of(messages + i, count - i))
        eval_key(room->redis, "rc:{%s}:slow:%s", room->name, messages[i].user);
}

/* The answer to a publish, whose second part is the room's number: left out here. */
static const char *without_seq(const char *reply)
{
    static char rest[64 * 1024];
    const char *at = reply + strcspn(reply, " ");
    char *end;

    if (reply[0] != '(' || *at == '\0')
        return reply;
    (void)strtoull(at, &end, 10);
    assert_in_range(
        snprintf(rest, sizeof(rest), "%.*s%s", (int)(at - reply), reply, end), 1,
        sizeof(rest) - 1);
    return rest;
}

const char *eval_room_publish(const struct eval_room *room, const char *node,
                              const struct eval_message *messages, unsigned count)
{
    struct strbuf head = {0};
    unsigned keys = count_keys(messages, count);

    eval_begin(room->redis, SCRIPT_PUBLISH);
    add_key(room, "meta");
    add_key(room, "history");
    add_key(room, "events");
    add_on(room, node);
    add_key(room, "mutes");
    if (keys > 0 || room->slow_ms > 0) {
        add_key(room, "keys");
        add_key(room, "keys:old");
    }
    if (room->slow_ms > 0)
        add_slow_keys(room, messages, count);
    eval_arg(room->redis, "%u", room->history_limit);
    eval_arg(room->redis, "%u", room->history_max_bytes);
    strbuf_add_text(&head, q("{'type':'message','room':"));
    strbuf_add_json(&head, room->name, strlen(room->name));
    strbuf_add_text(&head, q(",'seq':"));
    eval_arg_bytes(room->redis, head.data, head.len);
    strbuf_deinit(&head);
    add_runs(room, messages, count);
    if (keys > 0 || room->slow_ms > 0)
        add_fields(room, messages, count, keys);
    if (room->slow_ms > 0)
        eval_arg(room->redis, "%u", room->slow_ms);
    for (unsigned i = 0; i < count; i++)
        eval_arg(room->redis, "%s", messages[i].tail);
    return without_seq(eval_run(room->redis));
}

const char *eval_room_say(const struct eval_room *room, const char *node,
                          const char *user, const char *text)
{
    struct strbuf tail = {0};
    struct eval_message message = {user, NULL, NULL};
    const char *reply;

    strbuf_add_text(&tail, q(",'user':"));
    strbuf_add_json(&tail, user, strlen(user));
    strbuf_add_text(&tail, q(",'text':"));
    strbuf_add_json(&tail, text, strlen(text));
    strbuf_add_text(&tail, "}");
    message.tail = tail.data;
    reply = eval_room_publish(room, node, &message, 1);
    strbuf_deinit(&tail);
    return reply;
}

const char *eval_room_history(const struct eval_room *room, const char *after,
                              const char *before, unsigned limit, unsigned max_bytes)
{
    eval_begin(room->redis, SCRIPT_HISTORY);
    add_key(room, "meta");
    add_key(room, "history");
    eval_arg(room->redis, "%s", after);
    eval_arg(room->redis, "%s", before);
    eval_arg(room->redis, "%u", limit);
    eval_arg(room->redis, "%u", max_bytes);
    return eval_run(room->redis);
}

const char *eval_room_notices(const struct eval_room *room)
{
    char *channel = eval_room_key(room, "events");
    const char *notices = eval_notices(room->redis, channel);

    free(channel);
    return notices;
}

void eval_room_expect_event(const struct eval_room *room, const char *event,
                            const char *user)
{
    cJSON *json = cJSON_ParseWithOpts(event, NULL, true);

    assert_non_null(json);
    assert_string_equal(cJSON_GetObjectItem(json, "room")->valuestring, room->name);
    assert_string_equal(cJSON_GetObjectItem(json, "user")->valuestring, user);
    cJSON_Delete(json);
}

/* ---- a look into Redis ---- */

static int port_of(const struct eval_room *room)
{
    return eval_port(room->redis);
}

char *eval_room_key(const struct eval_room *room, const char *suffix)
{
    return print_text("rc:{%s}:%s", room->name, suffix);
}

char *eval_room_field(const struct eval_room *room, const char *suffix,
                      const char *field)
{
    return redis_cmd_text(port_of(room), "HGET rc:{%s}:%s %s", room->name, suffix,
                          field);
}

void eval_room_set_rev(const struct eval_room *room, const char *rev)
{
    redis_cmd(eval_port(room->redis), "HSET rc:{%s}:meta rev %b", room->name, rev,
              strlen(rev));
}

void eval_room_expect_rev(const struct eval_room *room, const char *rev)
{
    char *found = eval_room_field(room, "meta", "rev");

    assert_non_null(found);
    assert_string_equal(found, rev);
    free(found);
}

long long eval_room_number(const struct eval_room *room, const char *suffix,
                           const char *field)
{
    return redis_cmd_number(port_of(room), "HGET rc:{%s}:%s %s", room->name, suffix,
                            field);
}

bool eval_room_has_key(const struct eval_room *room, const char *suffix)
{
    return redis_cmd_number(port_of(room), "EXISTS rc:{%s}:%s", room->name, suffix) ==
           1;
}

void eval_room_expect_ttl(const struct eval_room *room, const char *suffix, long ms)
{
    long long left =
        redis_cmd_number(port_of(room), "PTTL rc:{%s}:%s", room->name, suffix);

    if (left > ms || left < ms - TEST_MS)
        fail_msg("%s expires in %lld ms, not in %ld", suffix, left, ms);
}

/* Whether `key` is one of the room, and how its name goes on. */
static const char *suffix_of(const struct eval_room *room, const char *key)
{
    size_t len = strlen(room->name);

    if (strncmp(key, "rc:{", 4) != 0 || strncmp(key + 4, room->name, len) != 0 ||
        strncmp(key + 4 + len, "}:", 2) != 0)
        return NULL;
    return key + 4 + len + 2;
}

static bool is_on(const struct eval_room *room, const char *key)
{
    const char *suffix = suffix_of(room, key);

    return suffix && strncmp(suffix, "on:", 3) == 0;
}

static void expect_expiry(const struct eval_room *room, const char *key)
{
    const char *suffix = suffix_of(room, key);

    if (!suffix || strcmp(suffix, "bans") == 0 || strcmp(suffix, "mutes") == 0)
        return;
    if (redis_cmd_number(port_of(room), "PTTL %s", key) < 0)
        fail_msg("%s never expires", key);
}

/* On how many nodes the user came in under `epoch`. */
static long long count_nodes(const struct eval_room *room, const redisReply *keys,
                             const char *epoch, const char *user)
{
    long long nodes = 0;

    for (size_t i = 0; i < keys->elements; i++) {
        char *came_in;

        if (!is_on(room, keys->element[i]->str))
            continue;
        came_in =
            redis_cmd_text(port_of(room), "HGET %s %s", keys->element[i]->str, user);
        nodes += came_in && strcmp(came_in, epoch) == 0;
        free(came_in);
    }
    return nodes;
}

/* How many pairs of user and node there are under `epoch`. */
static long long count_pairs(const struct eval_room *room, const redisReply *keys,
                             const char *epoch)
{
    long long pairs = 0;

    for (size_t i = 0; i < keys->elements; i++) {
        redisReply *users;

        if (!is_on(room, keys->element[i]->str))
            continue;
        users = redis_cmd_reply(port_of(room), "HVALS %s", keys->element[i]->str);
        for (size_t k = 0; k < users->elements; k++)
            pairs += strcmp(users->element[k]->str, epoch) == 0;
        freeReplyObject(users);
    }
    return pairs;
}

static void expect_counts(const struct eval_room *room, const redisReply *keys,
                          const char *epoch)
{
    redisReply *members =
        redis_cmd_reply(port_of(room), "HGETALL rc:{%s}:members", room->name);
    long long pairs = 0;

    assert_non_null(members);
    for (size_t i = 0; i < members->elements; i += 2) {
        const char *user = members->element[i]->str;
        long long nodes = atoll(members->element[i + 1]->str);

        assert_true(nodes > 0);
        assert_int_equal(nodes, count_nodes(room, keys, epoch, user));
        pairs += nodes;
    }
    assert_int_equal(pairs, count_pairs(room, keys, epoch));
    freeReplyObject(members);
}

/* Who came in under `epoch` came in through a node that `nodes` names, and each of these has
 * somebody. */
static void expect_nodes(const struct eval_room *room, const redisReply *keys,
                         const char *epoch)
{
    redisReply *nodes =
        redis_cmd_reply(port_of(room), "HKEYS rc:{%s}:nodes", room->name);
    long long pairs = 0;

    for (size_t i = 0; i < nodes->elements; i++) {
        redisReply *users = redis_cmd_reply(port_of(room), "HVALS rc:{%s}:on:%s",
                                            room->name, nodes->element[i]->str);

        if (users->elements == 0)
            fail_msg("%s has nobody", nodes->element[i]->str);
        for (size_t k = 0; k < users->elements; k++)
            pairs += strcmp(users->element[k]->str, epoch) == 0;
        freeReplyObject(users);
    }
    assert_int_equal(pairs, count_pairs(room, keys, epoch));
    freeReplyObject(nodes);
}

void eval_room_expect_books_balance(const struct eval_room *room)
{
    redisReply *keys = redis_cmd_reply(port_of(room), "KEYS *");
    char *epoch = eval_room_field(room, "meta", "epoch");

    assert_non_null(keys);
    for (size_t i = 0; i < keys->elements; i++)
        expect_expiry(room, keys->element[i]->str);
    if (epoch) {
        expect_counts(room, keys, epoch);
        expect_nodes(room, keys, epoch);
    }
    freeReplyObject(keys);
    free(epoch);
}
