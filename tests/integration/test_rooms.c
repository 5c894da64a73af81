/* test_rooms.c - the main job: join, see, talk, leave, on two gateways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

static struct fleet fleet;

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PRESENCE_GRACE_MS=300",
                                           "ROOMCAST_HISTORY_LIMIT=50",
                                           "ROOMCAST_PRESENCE_EVENTS_MAX=5", NULL};

    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 2, .settings = settings});
}

static struct chat *on_gateway(unsigned i)
{
    return chat_open(fleet.gateways[i].port);
}

static void both_gateways_see_the_same_in_the_same_order(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(ann, "order", "ann");
    chat_join(bob, "order", "bob");
    chat_expect(ann, "member_joined");
    assert_string_equal(chat_get_text(ann, "user"), "bob");
    assert_int_equal(chat_get_number(ann, "members"), 2);
    for (int i = 0; i < 40; i++)
        chat_send(i % 2 ? ann : bob, "{'type':'message','room':'order','text':'%d'}",
                  i);
    for (int seq = 1; seq <= 40; seq++) {
        char *seen;

        chat_expect_skipping(ann, "message");
        assert_int_equal(chat_get_number(ann, "seq"), seq);
        seen = strdup(chat_bytes(ann));
        chat_expect_skipping(bob, "message");
        assert_string_equal(chat_bytes(bob), seen);
        free(seen);
    }
    chat_close(ann);
    chat_close(bob);
}

static void what_redis_holds_is_what_clients_get(void **state)
{
    struct chat *ann = on_gateway(0);
    char *stored;

    (void)state;
    chat_join(ann, "bytes", "ann");
    chat_send(ann, "{'type':'message','room':'bytes','text':'a\\u0022b',"
                   "'data':{ 'n' : 12345678901234567890 ,\n'f': 1.50, 's':'x y'}}");
    chat_expect_skipping(ann, "message");
    stored = redis_cmd_text(fleet.redis_port, "LINDEX rc:{bytes}:history 0");
    assert_string_equal(chat_bytes(ann), stored);
    assert_non_null(
        strstr(stored, q("'data':{'n':12345678901234567890,'f':1.50,'s':'x y'}}")));
    free(stored);
    chat_close(ann);
}

static void data_that_spells_an_event_forges_nothing(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(bob, "forge", "bob");
    chat_join(ann, "forge", "ann");
    chat_expect(bob, "member_joined");
    chat_send(ann, "{'type':'message','room':'forge','text':'t','data':[1,\n"
                   "{'type':'message','room':'forge','seq':99,'user':'root',"
                   "'text':'forged'}\n,2]}");
    chat_expect(bob, "message");
    assert_int_equal(chat_get_number(bob, "seq"), 1);
    assert_string_equal(chat_get_text(bob, "user"), "ann");
    assert_null(strchr(chat_bytes(bob), '\n'));
    chat_expect_silence(bob, 200);
    chat_close(ann);
    chat_close(bob);
}

static void one_key_is_stored_once(void **state)
{
    struct chat *ann = on_gateway(0), *other = on_gateway(1);
    double first;

    (void)state;
    chat_join(ann, "keys", "a:b");
    chat_join(other, "keys", "a");
    for (int i = 0; i < 3; i++)
        chat_send(ann, "{'type':'message','room':'keys','text':'x','key':'c'}");
    chat_expect_skipping(ann, "message_ack");
    first = chat_get_number(ann, "seq");
    for (int i = 0; i < 2; i++) {
        chat_expect_skipping(ann, "message_ack");
        assert_int_equal(chat_get_number(ann, "seq"), first);
    }
    chat_send(other, "{'type':'message','room':'keys','text':'y','key':'b:c'}");
    chat_expect_skipping(other, "message_ack");
    assert_int_equal(chat_get_number(other, "seq"), first + 1);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "LLEN rc:{keys}:history"), 2);
    chat_close(ann);
    chat_close(other);
}

static void requests_about_one_room_take_effect_in_the_order_sent(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_send(ann, "{'type':'join','id':1,'room':'seq','user':'ann'}");
    chat_send(ann, "{'type':'message','id':2,'room':'seq','text':'1'}");
    chat_send(ann, "{'type':'message','id':3,'room':'seq','text':'2'}");
    chat_send(ann, "{'type':'get_history','id':4,'room':'seq'}");
    chat_send(ann, "{'type':'leave','id':5,'room':'seq'}");
    chat_send(ann, "{'type':'message','id':6,'room':'seq','text':'3'}");
    chat_send(ann, "{'type':'join','id':7,'room':'seq','user':'eve'}");
    chat_expect(ann, "join_ack");
    chat_expect(ann, "history_batch");
    assert_int_equal(chat_get_count(ann, "messages"), 0);
    chat_expect_skipping(ann, "history_batch");
    assert_int_equal(chat_get_number(ann, "id"), 4);
    assert_int_equal(chat_get_count(ann, "messages"), 2);
    chat_expect_skipping(ann, "leave_ack");
    chat_expect_error(ann, "not_joined");
    assert_int_equal(chat_get_number(ann, "id"), 6);
    chat_expect_skipping(ann, "join_ack");
    assert_int_equal(chat_get_number(ann, "id"), 7);
    assert_int_equal(chat_get_number(ann, "members"), 1);
    assert_int_equal(chat_get_number(ann, "seq"), 2);
    chat_close(ann);
}

static void a_join_gets_the_capped_history_oldest_first(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(ann, "cap", "ann");
    for (int i = 1; i <= 60; i++)
        chat_say(ann, "cap", "x");
    chat_send(bob, "{'type':'join','room':'cap','user':'bob'}");
    chat_expect(bob, "join_ack");
    assert_int_equal(chat_get_number(bob, "seq"), 60);
    assert_false(chat_is_true(bob, "recovered"));
    chat_expect(bob, "history_batch");
    assert_false(chat_has(bob, "id"));
    assert_int_equal(chat_get_count(bob, "messages"), 50);
    assert_int_equal(chat_get_number(bob, "messages.0.seq"), 11);
    assert_int_equal(chat_get_number(bob, "messages.49.seq"), 60);
    chat_close(ann);
    chat_close(bob);
}

static void a_large_history_comes_in_batches(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);
    char *text = malloc(50001);
    int next = 1, batches = 0;

    (void)state;
    memset(text, 'x', 50000);
    text[50000] = '\0';
    chat_join(ann, "large", "ann");
    for (int i = 0; i < 12; i++)
        chat_say(ann, "large", text);
    chat_send(bob, "{'type':'join','room':'large','user':'bob'}");
    chat_expect(bob, "join_ack");
    do {
        chat_expect(bob, "history_batch");
        assert_true(strlen(chat_bytes(bob)) <= 256 * 1024);
        for (int i = 0; i < chat_get_count(bob, "messages"); i++) {
            char path[32];

            snprintf(path, sizeof(path), "messages.%d.seq", i);
            assert_int_equal(chat_get_number(bob, path), next++);
        }
        batches++;
    } while (chat_is_true(bob, "more"));
    assert_int_equal(next, 13);
    assert_int_equal(batches, 3);
    chat_say(ann, "large", "live");
    chat_expect(bob, "message");
    assert_int_equal(chat_get_number(bob, "seq"), 13);
    free(text);
    chat_close(ann);
    chat_close(bob);
}

static void a_resume_gets_exactly_what_it_missed(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);
    char epoch[32];

    (void)state;
    chat_join(ann, "resume", "ann");
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    for (int i = 0; i < 10; i++)
        chat_say(ann, "resume", "x");
    chat_send(bob,
              "{'type':'join','room':'resume','user':'bob',"
              "'since':{'epoch':'%s','seq':7}}",
              epoch);
    chat_expect(bob, "join_ack");
    assert_true(chat_is_true(bob, "recovered"));
    chat_expect(bob, "history_batch");
    assert_int_equal(chat_get_count(bob, "messages"), 3);
    assert_int_equal(chat_get_number(bob, "messages.0.seq"), 8);
    chat_close(bob);

    bob = on_gateway(1);
    chat_send(bob,
              "{'type':'join','room':'resume','user':'bob',"
              "'since':{'epoch':'%s','seq':10}}",
              epoch);
    chat_expect(bob, "join_ack");
    assert_true(chat_is_true(bob, "recovered"));
    chat_expect(bob, "history_batch");
    assert_int_equal(chat_get_count(bob, "messages"), 0);
    chat_close(bob);
    chat_close(ann);
}

static const struct {
    const char *name, *since;
} vain[] = {
    {"another epoch", "{\"epoch\":\"0123456789abcdef\",\"seq\":58}"},
    {"an epoch of another length", "{\"epoch\":\"x\",\"seq\":58}"},
    {"a number that is not yet", "{\"epoch\":\"%s\",\"seq\":61}"},
    {"a number that is no more", "{\"epoch\":\"%s\",\"seq\":9}"},
};

static void a_resume_in_vain_gets_the_whole_history(void **state)
{
    struct chat *ann = on_gateway(0);
    char epoch[32], since[128];

    (void)state;
    chat_join(ann, "vain", "ann");
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    for (int i = 0; i < 60; i++)
        chat_say(ann, "vain", "x");
    for (size_t i = 0; i < sizeof(vain) / sizeof(vain[0]); i++) {
        struct chat *bob = on_gateway(1);
        const char *at = strstr(vain[i].since, "%s");

        print_message("  %s\n", vain[i].name);
        if (at)
            snprintf(since, sizeof(since), "%.*s%s%s", (int)(at - vain[i].since),
                     vain[i].since, epoch, at + 2);
        else
            snprintf(since, sizeof(since), "%s", vain[i].since);
        chat_send(bob, "{'type':'join','room':'vain','user':'bob','since':%s}", since);
        chat_expect(bob, "join_ack");
        assert_false(chat_is_true(bob, "recovered"));
        chat_expect(bob, "history_batch");
        assert_int_equal(chat_get_count(bob, "messages"), 50);
        chat_close(bob);
    }
    chat_close(ann);
}

static void older_history_is_paged_backwards(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    chat_join(ann, "older", "ann");
    for (int i = 0; i < 25; i++)
        chat_say(ann, "older", "x");
    for (int before = 26, count = 10; before > 1; before -= count) {
        chat_send(ann,
                  "{'type':'get_history','id':'h','room':'older',"
                  "'before':%d,'limit':10}",
                  before);
        chat_expect_skipping(ann, "history_batch");
        count = chat_get_count(ann, "messages");
        assert_int_equal(count, before > 10 ? 10 : 5);
        assert_int_equal(chat_get_number(ann, "messages.0.seq"), before - count);
        assert_int_equal(chat_is_true(ann, "more"), before - count > 1);
    }
    chat_send(ann, "{'type':'get_history','room':'older','before':0}");
    chat_expect_skipping(ann, "history_batch");
    assert_int_equal(chat_get_count(ann, "messages"), 0);
    assert_false(chat_is_true(ann, "more"));
    chat_close(ann);
}

static void members_are_paged_sorted_by_name(void **state)
{
    struct chat *ann = on_gateway(0);
    char next[64] = "";
    int seen = 0;

    (void)state;
    chat_join(ann, "many", "m000");
    for (int i = 1; i < 250; i++)
        redis_cmd(fleet.redis_port, "HSET rc:{many}:members m%03d 1", i);
    do {
        if (next[0])
            chat_send(ann, "{'type':'get_members','room':'many','cursor':'%s'}", next);
        else
            chat_send(ann, "{'type':'get_members','room':'many'}");
        chat_expect(ann, "member_list");
        assert_int_equal(chat_get_number(ann, "count"), 250);
        for (int i = 0; i < chat_get_count(ann, "members"); i++, seen++) {
            char path[32], name[24];

            snprintf(path, sizeof(path), "members.%d", i);
            snprintf(name, sizeof(name), "m%03d", seen);
            assert_string_equal(chat_get_text(ann, path), name);
        }
        next[0] = '\0';
        if (!cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(chat_json(ann), "next")))
            snprintf(next, sizeof(next), "%s", chat_get_text(ann, "next"));
    } while (next[0]);
    assert_int_equal(seen, 250);
    chat_close(ann);
}

static void nobody_who_stays_is_missed_in_a_large_room(void **state)
{
    enum { MEMBERS = 3000 };
    struct chat *ann = on_gateway(0);
    bool *seen = calloc(MEMBERS, sizeof(*seen));
    char next[64] = "";
    int pages = 0, missed = 0;

    (void)state;
    chat_join(ann, "huge", "0");
    for (int i = 1; i < MEMBERS; i++)
        redis_cmd(fleet.redis_port, "HSET rc:{huge}:members %d 1", i);
    do {
        if (next[0])
            chat_send(ann,
                      "{'type':'get_members','room':'huge','limit':200,"
                      "'cursor':'%s'}",
                      next);
        else
            chat_send(ann, "{'type':'get_members','room':'huge','limit':200}");
        chat_expect(ann, "member_list");
        assert_in_range(chat_get_count(ann, "members"), 0, 400);
        for (int i = 0; i < chat_get_count(ann, "members"); i++) {
            char path[32];

            snprintf(path, sizeof(path), "members.%d", i);
            seen[atoi(chat_get_text(ann, path))] = true;
        }
        next[0] = '\0';
        if (!cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(chat_json(ann), "next")))
            snprintf(next, sizeof(next), "%s", chat_get_text(ann, "next"));
        pages++;
    } while (next[0]);
    for (int i = 0; i < MEMBERS; i++)
        missed += !seen[i];
    assert_int_equal(missed, 0);
    assert_in_range(pages, 5, 30);
    free(seen);
    chat_close(ann);
}

static void a_signal_goes_to_the_others_only(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(ann, "signals", "ann");
    chat_join(bob, "signals", "bob");
    chat_expect(ann, "member_joined");
    chat_send(bob, "{'type':'signal','room':'signals','kind':'typing',"
                   "'data':{'on':true}}");
    chat_expect(ann, "signal");
    assert_string_equal(chat_get_text(ann, "user"), "bob");
    assert_true(chat_is_true(ann, "data.on"));
    chat_send(bob, "{'type':'ping','id':1}");
    chat_expect(bob, "pong");
    chat_expect_silence(bob, 200);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{signals}:history"),
                     0);
    chat_close(ann);
    chat_close(bob);
}

static void a_user_on_two_gateways_is_one_member(void **state)
{
    struct chat *one = on_gateway(0), *two = on_gateway(1), *bob = on_gateway(1);

    (void)state;
    chat_join(bob, "twice", "bob");
    chat_join(one, "twice", "ann");
    chat_expect(bob, "member_joined");
    chat_join(two, "twice", "ann");
    assert_int_equal(chat_get_number(two, "members"), 2);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HGET rc:{twice}:members ann"),
                     2);
    chat_send(one, "{'type':'leave','room':'twice'}");
    chat_expect(one, "leave_ack");
    chat_expect_silence(bob, 300);
    chat_send(two, "{'type':'leave','room':'twice'}");
    chat_expect(two, "leave_ack");
    chat_expect(bob, "member_left");
    assert_string_equal(chat_get_text(bob, "reason"), "left");
    assert_int_equal(chat_get_number(bob, "members"), 1);
    chat_close(one);
    chat_close(two);
    chat_close(bob);
}

static void who_comes_back_in_time_was_never_gone(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(ann, "grace", "ann");
    chat_join(bob, "grace", "bob");
    chat_expect(ann, "member_joined");
    chat_abort(bob);
    bob = on_gateway(1);
    chat_join(bob, "grace", "bob");
    chat_expect_silence(ann, 600);
    chat_abort(bob);
    chat_expect(ann, "member_left");
    assert_string_equal(chat_get_text(ann, "reason"), "closed");
    chat_close(ann);
}

static void a_second_join_is_idempotent(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);

    (void)state;
    chat_join(bob, "again", "bob");
    chat_join(ann, "again", "ann");
    chat_expect(bob, "member_joined");
    chat_say(ann, "again", "x");
    chat_expect(bob, "message");
    chat_send(ann, "{'type':'join','id':1,'room':'again','user':'ann'}");
    chat_expect_skipping(ann, "join_ack");
    assert_int_equal(chat_get_number(ann, "members"), 2);
    chat_expect(ann, "history_batch");
    assert_int_equal(chat_get_count(ann, "messages"), 1);
    chat_send(ann, "{'type':'join','id':2,'room':'again','user':'eve'}");
    chat_expect_error(ann, "bad_request");
    chat_say(bob, "again", "y");
    chat_expect(ann, "message");
    assert_int_equal(chat_get_number(ann, "seq"), 2);
    chat_expect_silence(ann, 200);
    chat_close(ann);
    chat_close(bob);
}

static void bans_and_mutes_hold_until_their_time(void **state)
{
    struct chat *ann = on_gateway(0);

    (void)state;
    redis_cmd(fleet.redis_port, "HSET rc:{law}:bans eve 0 old 1");
    redis_cmd(fleet.redis_port, "HSET rc:{law}:mutes ann 0");
    chat_send(ann, "{'type':'join','id':1,'room':'law','user':'eve'}");
    chat_expect_error(ann, "banned");
    chat_send(ann, "{'type':'message','id':2,'room':'law','text':'x'}");
    chat_expect_error(ann, "not_joined");
    chat_join(ann, "law", "ann");
    chat_send(ann, "{'type':'message','id':3,'room':'law','text':'x'}");
    chat_expect_error(ann, "muted");
    assert_false(chat_has(ann, "retry_after_ms"));
    redis_cmd(fleet.redis_port, "HSET rc:{law}:mutes ann 99999999999999");
    chat_send(ann, "{'type':'message','id':4,'room':'law','text':'x'}");
    chat_expect_error(ann, "muted");
    assert_true(chat_has(ann, "retry_after_ms"));
    redis_cmd(fleet.redis_port, "HDEL rc:{law}:mutes ann");
    assert_int_equal(chat_say(ann, "law", "x"), 1);
    chat_close(ann);
}

static void no_presence_is_told_in_a_room_over_its_limit(void **state)
{
    struct chat *clients[7];

    (void)state;
    for (int i = 0; i < 7; i++) {
        char name[16];

        clients[i] = on_gateway((unsigned)i % 2);
        snprintf(name, sizeof(name), "u%d", i);
        chat_join(clients[i], "crowd", name);
    }
    for (int i = 1; i < 5; i++) /* up to five members */
        chat_expect(clients[0], "member_joined");
    chat_expect_silence(clients[0], 200);
    for (int i = 0; i < 7; i++)
        chat_close(clients[i]);
}

static bool has_no_channel(void *data)
{
    return redis_cmd_number(fleet.redis_port, "PUBLISH rc:{%s}:events x", data) == 0;
}

static void the_channel_is_dropped_with_the_last_member(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(0);

    (void)state;
    chat_join(ann, "channel", "ann");
    chat_join(bob, "channel", "bob");
    assert_int_equal(
        redis_cmd_number(fleet.redis_port, "PUBLISH rc:{channel}:events x"), 1);
    chat_leave(ann, "channel");
    assert_false(has_no_channel("channel"));
    chat_leave(bob, "channel");
    assert_true(wait_until(has_no_channel, "channel", 5000));
    chat_join(ann, "channel", "ann");
    assert_int_equal(
        redis_cmd_number(fleet.redis_port, "PUBLISH rc:{channel}:events x"), 1);
    chat_close(ann);
    chat_close(bob);
}

/* What the admin service will publish. */
static void publish(const char *room, const char *epoch, const char *rev_kind,
                    const char *user, const char *lines)
{
    redis_cmd(fleet.redis_port, "PUBLISH rc:{%s}:events %b", room, "", (size_t)0);
    {
        char notice[1024];
        int len = snprintf(notice, sizeof(notice), "1 %s %s 0 0 %s\n%s", epoch,
                           rev_kind, user, lines);

        redis_cmd(fleet.redis_port, "PUBLISH rc:{%s}:events %b", room, notice,
                  (size_t)len);
    }
}

static void a_kick_puts_out_of_one_room_only(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);
    char epoch[32];

    (void)state;
    chat_join(ann, "kick", "ann");
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    chat_join(bob, "kick", "b b");
    chat_join(bob, "other", "b b");
    chat_expect(ann, "member_joined");
    publish("kick", epoch, "2 kicked", "b%20b",
            q("{'type':'kicked','room':'kick','reason':'old'}"));
    publish("kick", epoch, "3 kicked", "b%20b",
            q("{'type':'kicked','room':'kick','reason':'spam'}\n"
              "{'type':'member_left','room':'kick','user':'b b','reason':"
              "'kicked','members':1}"));
    chat_expect(bob, "kicked");
    assert_string_equal(chat_get_text(bob, "reason"), "spam");
    chat_expect(ann, "member_left");
    assert_string_equal(chat_get_text(ann, "reason"), "kicked");
    chat_send(bob, "{'type':'message','room':'kick','text':'x'}");
    chat_expect_error(bob, "not_joined");
    assert_int_equal(chat_say(bob, "other", "still here"), 1);
    chat_close(ann);
    chat_close(bob);
}

static void a_closed_room_puts_everybody_out(void **state)
{
    struct chat *ann = on_gateway(0), *bob = on_gateway(1);
    char epoch[32];

    (void)state;
    chat_join(ann, "close", "ann");
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    chat_join(bob, "close", "bob");
    chat_expect(ann, "member_joined");
    /* In this order: a renewal between them would make a room again that is gone. */
    publish("close", epoch, "3 closed", "-",
            q("{'type':'room_closed','room':'close','reason':'over'}"));
    redis_cmd(fleet.redis_port,
              "DEL rc:{close}:meta rc:{close}:members rc:{close}:history");
    chat_expect(ann, "room_closed");
    chat_expect(bob, "room_closed");
    chat_send(bob, "{'type':'message','room':'close','text':'x'}");
    chat_expect_error(bob, "not_joined");
    chat_join(bob, "close", "bob");
    assert_int_equal(chat_get_number(bob, "members"), 1);
    assert_string_not_equal(chat_get_text(bob, "epoch"), epoch);
    chat_close(ann);
    chat_close(bob);
}

/* A turn of the worker after the join. */
static bool is_in_the_index(void *data)
{
    char *score = redis_cmd_text(fleet.redis_port, "ZSCORE rc:rooms:members index");
    bool is_in = score != NULL;

    (void)data;
    free(score);
    return is_in;
}

static void rooms_stand_in_the_index(void **state)
{
    struct chat *ann = on_gateway(0);
    char *shard;

    (void)state;
    chat_join(ann, "index", "ann");
    assert_true(wait_until(is_in_the_index, NULL, FLEET_DEADLINE_MS));
    assert_true(redis_cmd_number(fleet.redis_port, "ZSCORE rc:rooms index") > 0);
    assert_int_equal(
        redis_cmd_number(fleet.redis_port, "ZSCORE rc:rooms:members index"), 1);
    shard = redis_cmd_text(fleet.redis_port, "HGET rc:{index}:meta shard_id");
    assert_string_equal(shard, "0");
    free(shard);
    chat_close(ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_gateways_see_the_same_in_the_same_order),
        cmocka_unit_test(what_redis_holds_is_what_clients_get),
        cmocka_unit_test(data_that_spells_an_event_forges_nothing),
        cmocka_unit_test(one_key_is_stored_once),
        cmocka_unit_test(requests_about_one_room_take_effect_in_the_order_sent),
        cmocka_unit_test(a_join_gets_the_capped_history_oldest_first),
        cmocka_unit_test(a_large_history_comes_in_batches),
        cmocka_unit_test(a_resume_gets_exactly_what_it_missed),
        cmocka_unit_test(a_resume_in_vain_gets_the_whole_history),
        cmocka_unit_test(older_history_is_paged_backwards),
        cmocka_unit_test(members_are_paged_sorted_by_name),
        cmocka_unit_test(nobody_who_stays_is_missed_in_a_large_room),
        cmocka_unit_test(a_signal_goes_to_the_others_only),
        cmocka_unit_test(a_user_on_two_gateways_is_one_member),
        cmocka_unit_test(who_comes_back_in_time_was_never_gone),
        cmocka_unit_test(a_second_join_is_idempotent),
        cmocka_unit_test(bans_and_mutes_hold_until_their_time),
        cmocka_unit_test(no_presence_is_told_in_a_room_over_its_limit),
        cmocka_unit_test(the_channel_is_dropped_with_the_last_member),
        cmocka_unit_test(a_kick_puts_out_of_one_room_only),
        cmocka_unit_test(a_closed_room_puts_everybody_out),
        cmocka_unit_test(rooms_stand_in_the_index),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
