/* test_admin_words.c - what an operator does about what is said: publish, delete, mute,
 * and the lists of mutes and bans with their expiry in Redis.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

enum { PATIENCE_MS = 20000, SHORT_MS = 300, TTL_MS = 60000, MANY = 250 };

static struct fleet fleet;
static struct admin admin;

static struct chat *join_on(unsigned gateway, const char *room, const char *user)
{
    return chat_enter(fleet.gateways[gateway].port, room, user);
}

static void say_and_expect_muted(struct chat *chat, const char *room)
{
    chat_send(chat, "{'type':'message','room':'%s','text':'x'}", room);
    do
        assert_true(chat_recv(chat, CHAT_DEADLINE_MS));
    while (strcmp(chat_get_text(chat, "type"), "error") != 0);
    assert_string_equal(chat_get_text(chat, "code"), "muted");
}

/* ---- publish ---- */

static void what_the_server_says_is_a_message_like_any_other(void **state)
{
    struct chat *ann = join_on(0, "say", "ann"), *bob = join_on(1, "say", "bob");
    struct chat *all[] = {ann, bob};
    char epoch[32];

    (void)state;
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    admin_post(&admin, 201, q("{'text':'a\\u00fc'}"), "/api/rooms/say/messages");
    assert_int_equal(admin_number(&admin, "seq"), 1);
    assert_string_equal(admin_text(&admin, "epoch"), epoch);
    admin_post(&admin, 201,
               q("{'text':'','user':'news','data':[ 12345678901234567890 ]}"),
               "/api/rooms/say/messages");
    assert_int_equal(admin_number(&admin, "seq"), 2);
    for (int i = 0; i < 2; i++) {
        chat_expect_skipping(all[i], "message");
        assert_string_equal(chat_get_text(all[i], "user"), "server");
        assert_string_equal(chat_get_text(all[i], "text"), "a\u00fc");
        assert_int_equal(chat_get_number(all[i], "seq"), 1);
        assert_true(chat_get_number(all[i], "ts") > 1e12);
        chat_expect(all[i], "message");
        assert_string_equal(chat_get_text(all[i], "user"), "news");
        assert_non_null(strstr(chat_bytes(all[i]), q("'data':[12345678901234567890]")));
    }
    assert_int_equal(redis_cmd_number(fleet.redis_port, "LLEN rc:{say}:history"), 2);
    chat_close(ann);
    chat_close(bob);
}

static void a_message_with_a_key_is_published_once(void **state)
{
    struct chat *ann = join_on(0, "key", "ann");

    (void)state;
    for (int i = 0; i < 2; i++) {
        admin_post(&admin, 201, q("{'text':'x','key':'k'}"), "/api/rooms/key/messages");
        assert_int_equal(admin_number(&admin, "seq"), 1);
    }
    chat_expect(ann, "message");
    chat_expect_silence(ann, SHORT_MS);
    admin_post(&admin, 201, q("{'text':'x','key':'k','user':'other'}"),
               "/api/rooms/key/messages");
    assert_int_equal(admin_number(&admin, "seq"), 2);
    chat_close(ann);
}

static void nothing_can_be_published_where_there_is_no_room(void **state)
{
    (void)state;
    admin_post(&admin, 404, q("{'text':'x'}"), "/api/rooms/none/messages");
    admin_expect_error(&admin, 404, "room_not_found");
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{none}:meta"), 0);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{none}:history"), 0);
}

static void publishing_does_not_prolong_an_empty_room(void **state)
{
    struct chat *ann = join_on(0, "quiet", "ann");
    double before, after;

    (void)state;
    chat_leave(ann, "quiet");
    admin_get(&admin, 200, "/api/rooms/quiet");
    before = admin_number(&admin, "ttl_ms");
    admin_post(&admin, 201, q("{'text':'x'}"), "/api/rooms/quiet/messages");
    admin_get(&admin, 200, "/api/rooms/quiet");
    after = admin_number(&admin, "ttl_ms");
    assert_true(after > 0 && after <= before && before <= TTL_MS);
    assert_true(redis_cmd_number(fleet.redis_port, "PTTL rc:{quiet}:history") > 0);
    chat_close(ann);
}

/* ---- delete ---- */

static void a_deleted_message_leaves_a_tombstone(void **state)
{
    struct chat *ann = join_on(0, "delete", "ann"), *bob = join_on(1, "delete", "bob");
    struct chat *all[] = {ann, bob};
    char *stored, epoch[32];

    (void)state;
    snprintf(epoch, sizeof(epoch), "%s", chat_get_text(ann, "epoch"));
    for (int i = 1; i <= 3; i++)
        chat_say(ann, "delete", "words");
    admin_delete(&admin, 200, "/api/rooms/delete/messages/2");
    assert_true(admin_is_true(&admin, "deleted"));
    assert_int_equal(admin_number(&admin, "seq"), 2);
    for (int i = 0; i < 2; i++) {
        chat_expect_skipping(all[i], "message_deleted");
        assert_string_equal(chat_get_text(all[i], "room"), "delete");
        assert_int_equal(chat_get_number(all[i], "seq"), 2);
    }
    stored = redis_cmd_text(fleet.redis_port, "LINDEX rc:{delete}:history 1");
    assert_null(strstr(stored, "words"));
    assert_non_null(strstr(stored, q("'deleted':true")));
    admin_get(&admin, 200, "/api/rooms/delete/messages");
    assert_int_equal(admin_count(&admin, "messages"), 3);
    assert_non_null(strstr(admin.answer.body, stored));
    free(stored);
    chat_leave(bob, "delete");
    chat_send(bob,
              "{'type':'join','room':'delete','user':'bob',"
              "'since':{'epoch':'%s','seq':1}}",
              epoch);
    chat_expect(bob, "join_ack");
    assert_true(chat_is_true(bob, "recovered"));
    chat_expect(bob, "history_batch");
    assert_int_equal(chat_get_count(bob, "messages"), 2);
    assert_int_equal(chat_get_number(bob, "messages.0.seq"), 2);
    assert_true(chat_is_true(bob, "messages.0.deleted"));
    assert_true(chat_get_number(bob, "messages.0.ts") > 1e12);
    assert_string_equal(chat_get_text(bob, "messages.0.type"), "message");
    assert_false(chat_has(bob, "messages.0.text"));
    assert_false(chat_has(bob, "messages.0.user"));
    chat_close(ann);
    chat_close(bob);
}

static void deleting_twice_tells_members_once(void **state)
{
    struct chat *ann = join_on(0, "twice", "ann");

    (void)state;
    chat_say(ann, "twice", "a");
    admin_delete(&admin, 200, "/api/rooms/twice/messages/1");
    admin_delete(&admin, 200, "/api/rooms/twice/messages/1");
    chat_expect_skipping(ann, "message_deleted");
    chat_expect_silence(ann, SHORT_MS);
    assert_int_equal(chat_say(ann, "twice", "b"), 2);
    chat_close(ann);
}

static void a_message_that_is_not_in_the_history_is_not_found(void **state)
{
    struct chat *ann = join_on(0, "gone", "ann");

    (void)state;
    for (int i = 1; i <= 12; i++)
        chat_say(ann, "gone", "a");
    admin_delete(&admin, 404, "/api/rooms/gone/messages/13");
    admin_expect_error(&admin, 404, "not_found");
    admin_delete(&admin, 404, "/api/rooms/gone/messages/2"); /* ten are kept */
    admin_expect_error(&admin, 404, "not_found");
    admin_delete(&admin, 200, "/api/rooms/gone/messages/3");
    admin_delete(&admin, 200, "/api/rooms/gone/messages/12");
    admin_delete(&admin, 404, "/api/rooms/none/messages/1");
    admin_expect_error(&admin, 404, "room_not_found");
    chat_close(ann);
}

/* ---- mutes ---- */

static void a_muted_user_hears_and_cannot_speak(void **state)
{
    struct chat *ann = join_on(0, "mute", "ann"), *bob = join_on(1, "mute", "bob");

    (void)state;
    admin_post(&admin, 200, q("{'secs':0}"), "/api/rooms/mute/mute/bob");
    assert_true(admin_is_true(&admin, "muted"));
    assert_int_equal(admin_number(&admin, "until"), 0);
    say_and_expect_muted(bob, "mute");
    chat_say(ann, "mute", "hello");
    chat_expect(bob, "message");
    chat_join(bob, "mute2", "bob");
    chat_say(bob, "mute2", "here I may");
    admin_delete(&admin, 200, "/api/rooms/mute/mute/bob");
    assert_true(admin_is_true(&admin, "lifted"));
    chat_say(bob, "mute", "thanks");
    admin_delete(&admin, 404, "/api/rooms/mute/mute/bob");
    admin_expect_error(&admin, 404, "not_found");
    chat_close(ann);
    chat_close(bob);
}

static bool lists_nobody(void *data)
{
    admin_get(&admin, 200, "/api/rooms/%s/mutes", (const char *)data);
    return admin_count(&admin, "entries") == 0;
}

static void a_mute_ends_by_itself(void **state)
{
    struct chat *bob = join_on(1, "short", "bob");
    char room[] = "short";

    (void)state;
    admin_post(&admin, 200, q("{'secs':1}"), "/api/rooms/short/mute/bob");
    say_and_expect_muted(bob, "short");
    assert_true(wait_until(lists_nobody, room, PATIENCE_MS));
    chat_say(bob, "short", "at last");
    chat_close(bob);
}

/* A mute that is over stays in the hash while another lives; it must not be listed. */
static void entries_that_are_over_are_left_out(void **state)
{
    (void)state;
    redis_cmd(fleet.redis_port, "HSET rc:{over}:mutes old 1000 new 9999999999999");
    admin_get(&admin, 200, "/api/rooms/over/mutes");
    assert_int_equal(admin_count(&admin, "entries"), 1);
    assert_string_equal(admin_text(&admin, "entries.0.user"), "new");
    assert_true(admin_number(&admin, "entries.0.until") == 9999999999999.0);
    admin_delete(&admin, 404, "/api/rooms/over/mute/old");
}

static long long ttl_of(const char *kind)
{
    return redis_cmd_number(fleet.redis_port, "PTTL rc:{hash}:%ss", kind);
}

static void the_lists_expire_in_redis_with_their_latest_entry(void **state)
{
    static const char *const kinds[] = {"ban", "mute"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *kind = kinds[i];

        admin_post(&admin, 200, q("{'secs':100}"), "/api/rooms/hash/%s/a", kind);
        assert_true(ttl_of(kind) > 90000 && ttl_of(kind) <= 101000);
        admin_post(&admin, 200, q("{'secs':5}"), "/api/rooms/hash/%s/b", kind);
        assert_true(ttl_of(kind) > 60000);
        admin_post(&admin, 200, q("{'secs':1000}"), "/api/rooms/hash/%s/b", kind);
        assert_true(ttl_of(kind) > 900000 && ttl_of(kind) <= 1001000);
        admin_post(&admin, 200, q("{'secs':0}"), "/api/rooms/hash/%s/c", kind);
        assert_int_equal(ttl_of(kind), -1);
        admin_get(&admin, 200, "/api/rooms/hash/%ss", kind);
        assert_int_equal(admin_count(&admin, "entries"), 3);
        admin_delete(&admin, 200, "/api/rooms/hash/%s/c", kind);
        assert_true(ttl_of(kind) > 900000 && ttl_of(kind) <= 1001000);
        admin_delete(&admin, 200, "/api/rooms/hash/%s/a", kind);
        admin_delete(&admin, 200, "/api/rooms/hash/%s/b", kind);
        assert_int_equal(ttl_of(kind), -2);
    }
}

static void the_lists_come_in_pages(void **state)
{
    unsigned char seen[MANY] = {0};
    char *cursor = NULL;
    int pages = 0;

    (void)state;
    redis_cmd(fleet.redis_port, "EVAL %s 1 rc:{pages}:bans %d",
              "for i = 0, tonumber(ARGV[1]) - 1 do "
              "redis.call('HSET', KEYS[1], 'u' .. i, 0) end",
              MANY);
    do {
        struct strbuf query = {0};

        strbuf_add_text(&query, "limit=20");
        if (cursor) {
            strbuf_add_text(&query, "&cursor=");
            strbuf_add_percent(&query, cursor, strlen(cursor));
        }
        admin_get(&admin, 200, "/api/rooms/pages/bans?%s", query.data);
        strbuf_deinit(&query);
        for (int i = 0; i < admin_count(&admin, "entries"); i++) {
            char field[32];

            snprintf(field, sizeof(field), "entries.%d.user", i);
            seen[atoi(admin_text(&admin, field) + 1)]++;
        }
        free(cursor);
        cursor =
            admin_is_null(&admin, "next") ? NULL : strdup(admin_text(&admin, "next"));
        assert_true(++pages < 2 * MANY);
    } while (cursor);
    for (int i = 0; i < MANY; i++)
        assert_true(seen[i] >= 1);
}

static void a_room_has_so_many_entries_at_most(void **state)
{
    struct chat *bob = join_on(0, "full", "bob");

    (void)state;
    redis_cmd(fleet.redis_port, "EVAL %s 2 rc:{full}:bans rc:{full}:mutes",
              "for i = 1, 10000 do redis.call('HSET', KEYS[1], 'u' .. i, 0) "
              "redis.call('HSET', KEYS[2], 'u' .. i, 0) end");
    admin_post(&admin, 409, q("{'secs':1}"), "/api/rooms/full/ban/bob");
    admin_expect_error(&admin, 409, "conflict");
    admin_post(&admin, 409, q("{'secs':1}"), "/api/rooms/full/mute/bob");
    admin_expect_error(&admin, 409, "conflict");
    admin_post(&admin, 409, q("{'ban_secs':1}"), "/api/rooms/full/kick/bob");
    admin_expect_error(&admin, 409, "conflict");
    chat_say(bob, "full", "here I am"); /* neither muted nor out */
    admin_post(&admin, 200, q("{'secs':1}"), "/api/rooms/full/ban/u1");
    admin_delete(&admin, 200, "/api/rooms/full/mute/u1");
    admin_post(&admin, 200, q("{'secs':1}"), "/api/rooms/full/mute/bob");
    chat_close(bob);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_HISTORY_LIMIT=10",
                                           "ROOMCAST_ROOM_TTL_SECS=60", NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    admin_start(&admin, &fleet, settings);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_server_says_is_a_message_like_any_other),
        cmocka_unit_test(a_message_with_a_key_is_published_once),
        cmocka_unit_test(nothing_can_be_published_where_there_is_no_room),
        cmocka_unit_test(publishing_does_not_prolong_an_empty_room),
        cmocka_unit_test(a_deleted_message_leaves_a_tombstone),
        cmocka_unit_test(deleting_twice_tells_members_once),
        cmocka_unit_test(a_message_that_is_not_in_the_history_is_not_found),
        cmocka_unit_test(a_muted_user_hears_and_cannot_speak),
        cmocka_unit_test(a_mute_ends_by_itself),
        cmocka_unit_test(entries_that_are_over_are_left_out),
        cmocka_unit_test(the_lists_expire_in_redis_with_their_latest_entry),
        cmocka_unit_test(the_lists_come_in_pages),
        cmocka_unit_test(a_room_has_so_many_entries_at_most),
    };
    return cmocka_run_group_tests(tests, start, admin_teardown);
}
