/* test_auth_revoke.c - what an operator revokes is refused and closed on every gateway, also where an order
 * was missed, and after Redis was emptied (SPEC-PUBLIC P3, P14).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

enum { GATEWAYS = 2, HOUR = 3600, UNAUTHORIZED = 4500 };

static struct fleet fleet;
static struct admin admin;
static const char *const settings[] = {"ROOMCAST_AUTH=jwt",
                                       "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
                                       "ROOMCAST_JWT_LEEWAY_SECS=0",
                                       "ROOMCAST_GUESTS=1",
                                       "ROOMCAST_DEFAULT_RIGHTS=rw",
                                       "ROOMCAST_LEASE_SECS=2",
                                       NULL};

static int start(void **state)
{
    *state = &fleet;
    fleet_start(&fleet,
                &(struct fleet_opts){.gateways = GATEWAYS, .settings = settings});
    admin_start(&admin, &fleet, NULL);
    return 0;
}

static int stop(void **state)
{
    admin_stop(&admin);
    return fleet_teardown(state);
}

/* ---- tokens ---- */

static uint64_t now_s(void)
{
    return clock_ms() / 1000;
}

/* Of this user, issued now, with `more` claims. To be freed. */
static char *token_of(const char *user, const char *more)
{
    const struct tokens_key key = {JWK_HS256, NULL};
    struct strbuf claims = {NULL, 0, 0};
    char *token;

    strbuf_add_format(
        &claims, "{\"aud\":\"roomcast\",\"sub\":\"%s\",\"iat\":%llu,\"exp\":%llu%s}",
        user, (unsigned long long)now_s(), (unsigned long long)now_s() + HOUR, q(more));
    token = tokens_sign(&key, q("{'alg':'HS256'}"), claims.data);
    strbuf_deinit(&claims);
    return token;
}

static struct chat *come_by(unsigned gateway, const char *token)
{
    struct chat *chat = chat_open(fleet.gateways[gateway].port);

    chat_send(chat, "{'type':'auth','token':'%s'}", token);
    return chat;
}

static struct chat *come_in_by(unsigned gateway, const char *token)
{
    struct chat *chat = come_by(gateway, token);

    chat_expect(chat, "auth_ack");
    return chat;
}

static void expect_refused(unsigned gateway, const char *token)
{
    struct chat *chat = come_by(gateway, token);

    chat_expect_error(chat, "unauthorized");
    assert_string_equal(chat_get_text(chat, "reason"), "revoked");
    assert_int_equal(chat_wait_close(chat, FLEET_DEADLINE_MS), UNAUTHORIZED);
    chat_abort(chat);
}

static void expect_accepted(unsigned gateway, const char *token)
{
    chat_close(come_in_by(gateway, token));
}

static void expect_closed(struct chat *chat)
{
    assert_int_equal(chat_wait_close(chat, FLEET_DEADLINE_MS), UNAUTHORIZED);
    chat_abort(chat);
}

/* Until tokens of now are newer than what was revoked last. */
static bool is_past(void *data)
{
    (void)data;
    admin_get(&admin, 200, "/api/revocations");
    for (int i = 0; i < admin_count(&admin, "entries"); i++) {
        char path[64];

        snprintf(path, sizeof(path), "entries.%d.issued_before", i);
        if (admin_number(&admin, path) > (double)now_s())
            return false;
    }
    return true;
}

static void wait_for_newer(void)
{
    assert_true(wait_until(is_past, NULL, FLEET_DEADLINE_MS));
}

static void revoke_now(const char *what)
{
    admin_post(&admin, 200, "", "/api/%s/revoke", what);
    assert_true(admin_number(&admin, "nodes") >= fleet.count);
}

/* ---- the tests ---- */

static void a_user_is_out_everywhere_and_comes_back_by_a_newer_token(void **state)
{
    char *old = token_of("ann", ""), *of_bob = token_of("bob", ""), *newer;
    struct chat *ann[GATEWAYS], *bob = come_in_by(0, of_bob);

    (void)state;
    for (unsigned i = 0; i < GATEWAYS; i++)
        ann[i] = come_in_by(i, old);
    revoke_now("users/ann");
    for (unsigned i = 0; i < GATEWAYS; i++) {
        expect_closed(ann[i]);
        expect_refused(i, old);
    }
    chat_expect_usable(bob);
    wait_for_newer();
    newer = token_of("ann", "");
    for (unsigned i = 0; i < GATEWAYS; i++)
        expect_accepted(i, newer);
    expect_refused(0, old);
    chat_close(bob);
    free(newer);
    free(of_bob);
    free(old);
}

static void one_token_is_revoked_by_its_jti(void **state)
{
    char *one = token_of("eve", ",'jti':'one/1'"), *two = token_of("eve", ",'jti':'2'");
    struct chat *by_one = come_in_by(0, one), *by_two = come_in_by(1, two);

    (void)state;
    revoke_now("tokens/one%2F1");
    expect_closed(by_one);
    for (unsigned i = 0; i < GATEWAYS; i++) {
        expect_refused(i, one);
        expect_accepted(i, two);
    }
    chat_expect_usable(by_two);
    chat_close(by_two);
    free(one);
    free(two);
}

static void with_a_grace_another_token_can_be_brought(void **state)
{
    char *old = token_of("tim", ""), *newer;
    struct chat *stays = come_in_by(0, old), *goes = come_in_by(1, old);

    (void)state;
    chat_join(stays, "lobby", "tim");
    admin_post(&admin, 200, q("{'grace_secs':3}"), "/api/users/tim/revoke");
    chat_expect_skipping(stays, "auth_expiring");
    chat_expect_skipping(goes, "auth_expiring");
    expect_refused(0, old);
    wait_for_newer();
    newer = token_of("tim", "");
    chat_send(stays, "{'type':'auth','token':'%s'}", newer);
    chat_expect_skipping(stays, "auth_ack");
    expect_closed(goes);
    chat_expect_usable(stays);
    chat_close(stays);
    free(newer);
    free(old);
}

static void a_later_order_without_a_grace_closes_at_once(void **state)
{
    char *old = token_of("zoe", "");
    struct chat *zoe = come_in_by(0, old);

    (void)state;
    admin_post(&admin, 200, q("{'grace_secs':60}"), "/api/users/zoe/revoke");
    chat_expect(zoe, "auth_expiring");
    revoke_now("users/zoe");
    expect_closed(zoe);
    free(old);
}

static void a_room_token_takes_only_its_room_along(void **state)
{
    char *token = token_of("kim", ",'jti':'k'");
    char *room = token_of("kim", ",'jti':'r','room':'team','can':'rw'");
    struct chat *kim = come_in_by(0, token);

    (void)state;
    chat_join(kim, "lobby", "kim");
    chat_send(kim, "{'type':'join','room':'team','room_token':'%s'}", room);
    chat_expect_skipping(kim, "join_ack");
    revoke_now("tokens/r");
    chat_expect_skipping(kim, "kicked");
    assert_string_equal(chat_get_text(kim, "room"), "team");
    assert_string_equal(chat_get_text(kim, "reason"), "rights");
    chat_send(kim, "{'type':'join','room':'team','room_token':'%s'}", room);
    chat_expect_error(kim, "unauthorized");
    assert_string_equal(chat_get_text(kim, "reason"), "revoked");
    assert_true(chat_say(kim, "lobby", "still here") > 0);
    chat_close(kim);
    free(token);
    free(room);
}

static void a_refresh_by_a_revoked_token_is_refused_and_changes_nothing(void **state)
{
    char *good = token_of("joe", ",'jti':'good'"),
         *bad = token_of("joe", ",'jti':'bad'");
    struct chat *joe = come_in_by(0, good);

    (void)state;
    revoke_now("tokens/bad");
    chat_send(joe, "{'type':'auth','token':'%s'}", bad);
    chat_expect_error(joe, "unauthorized");
    chat_expect_usable(joe);
    chat_close(joe);
    free(good);
    free(bad);
}

static void a_guest_is_revoked_by_its_name(void **state)
{
    struct chat *guest = chat_open(fleet.gateways[0].port);
    char name[64];

    (void)state;
    chat_send(guest, "{'type':'auth','guest':true}");
    chat_expect(guest, "auth_ack");
    snprintf(name, sizeof(name), "users/%s", chat_get_text(guest, "user"));
    revoke_now(name);
    expect_closed(guest);
}

/* Written by somebody whose order nobody heard: the heartbeats tell. */
static void an_order_that_was_missed_is_found_by_its_number(void **state)
{
    char *token = token_of("max", "");
    struct chat *max[GATEWAYS];

    (void)state;
    for (unsigned i = 0; i < GATEWAYS; i++)
        max[i] = come_in_by(i, token);
    redis_cmd(fleet.redis_port, "HSET rc:revoked user:max %s",
              "4000000000 5000000000000");
    redis_cmd(fleet.redis_port, "HINCRBY rc:policy revoked_rev 1");
    for (unsigned i = 0; i < GATEWAYS; i++) {
        expect_closed(max[i]);
        expect_refused(i, token);
    }
    free(token);
}

static bool is_back(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "HEXISTS rc:revoked user:ida") == 1;
}

static bool has_entries(void *data)
{
    const int *ops_port = data;

    return http_get_metric(*ops_port, "roomcast_revoked_entries") > 0;
}

static void what_an_emptied_redis_has_lost_comes_back(void **state)
{
    char *token = token_of("ida", "");

    (void)state;
    revoke_now("users/ida");
    redis_cmd(fleet.redis_port, "FLUSHALL");
    for (unsigned i = 0; i < GATEWAYS; i++)
        expect_refused(i, token);
    assert_true(wait_until(is_back, NULL, FLEET_DEADLINE_MS));
    fleet_launch(&fleet, settings);
    fleet_wait_all_ready(&fleet);
    assert_true(
        wait_until(has_entries, &fleet.gateways[GATEWAYS].ops_port, FLEET_DEADLINE_MS));
    expect_refused(GATEWAYS, token);
    free(token);
}

/* Whose number is still there. */
static void a_hash_that_somebody_deleted_comes_back(void **state)
{
    (void)state;
    redis_cmd(fleet.redis_port, "DEL rc:revoked");
    assert_true(wait_until(is_back, NULL, FLEET_DEADLINE_MS));
}

static void a_key_of_another_type_is_said(void **state)
{
    (void)state;
    redis_cmd(fleet.redis_port, "RENAME rc:revoked saved");
    redis_cmd(fleet.redis_port, "SET rc:revoked x");
    admin_get(&admin, 503, "/api/revocations");
    admin_post(&admin, 503, "", "/api/users/ann/revoke");
    redis_cmd(fleet.redis_port, "DEL rc:revoked");
    redis_cmd(fleet.redis_port, "RENAME saved rc:revoked");
    admin_get(&admin, 200, "/api/revocations");
}

static void wishes_out_of_range_are_refused(void **state)
{
    static const char *const bodies[] = {
        "[]",
        "{'grace_secs':61}",
        "{'grace_secs':-1}",
        "{'grace_secs':'1'}",
        "{'grace_secs':1,'grace_secs':1}",
        "{'issued_before':0}",
        "{'issued_before':9000000000}",
        "{'issued_before':1.5}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        print_message("  %s\n", bodies[i]);
        admin_post(&admin, 400, q(bodies[i]), "/api/users/ann/revoke");
        admin_expect_error(&admin, 400, "bad_request");
    }
    admin_post(&admin, 400, "", "/api/users/%s/revoke", "%7B");
    admin_post(&admin, 400, "", "/api/tokens/%s/revoke", "%FF");
    admin_post(&admin, 400, "", "/api/tokens/%s/revoke", "a%0Ab");
}

/* ---- the list ---- */

enum { FEW = 40, MANY = 1500 }; /* so many are read as a whole, and so many are not */

/* As long as names can be. */
static void put_entries(unsigned count)
{
    redis_cmd(
        fleet.redis_port, "EVAL %s 0 %u %llu",
        "redis.call('DEL', 'rc:revoked') "
        "for i = 0, ARGV[1] - 1 do redis.call('HSET', 'rc:revoked', i % 2 == 0 "
        "and ('user:%064d'):format(i) or ('jti:%064d'):format(i) .. ('{}'):rep(32), "
        "'7 ' .. ARGV[2]) end",
        count, (unsigned long long)clock_ms() + 1000 * HOUR);
}

static void note_entry(bool seen[MANY], int i)
{
    char path[32];
    long number;

    snprintf(path, sizeof(path), "entries.%d.user", i);
    if (!admin_has(&admin, path))
        snprintf(path, sizeof(path), "entries.%d.jti", i);
    number = strtol(admin_text(&admin, path), NULL, 10);
    assert_in_range(number, 0, MANY - 1);
    seen[number] = true;
}

/* How many pages it takes. */
static unsigned list_all(unsigned limit, bool seen[MANY])
{
    char *cursor = strdup("");
    unsigned pages = 0;

    for (bool is_end = false; !is_end; pages++) {
        admin_get(&admin, 200, "/api/revocations?limit=%u%s%s", limit,
                  cursor[0] ? "&cursor=" : "", cursor);
        assert_true(admin_count(&admin, "entries") <= (int)limit);
        for (int i = 0; i < admin_count(&admin, "entries"); i++)
            note_entry(seen, i);
        is_end = admin_is_null(&admin, "next");
        free(cursor);
        cursor = is_end ? NULL : strdup(admin_text(&admin, "next"));
    }
    return pages;
}

static void pages_are_no_longer_than_wanted_and_miss_nothing(void **state)
{
    static const struct {
        unsigned count, limit;
    } lists[] = {{FEW, 7}, {FEW, FEW}, {MANY, 1000}, {MANY, 100}, {MANY, 20}};

    (void)state;
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        bool seen[MANY] = {false};

        put_entries(lists[i].count);
        print_message("  %u by %u: %u pages\n", lists[i].count, lists[i].limit,
                      list_all(lists[i].limit, seen));
        for (unsigned k = 0; k < lists[i].count; k++)
            assert_true(seen[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_is_out_everywhere_and_comes_back_by_a_newer_token),
        cmocka_unit_test(one_token_is_revoked_by_its_jti),
        cmocka_unit_test(with_a_grace_another_token_can_be_brought),
        cmocka_unit_test(a_later_order_without_a_grace_closes_at_once),
        cmocka_unit_test(a_room_token_takes_only_its_room_along),
        cmocka_unit_test(a_refresh_by_a_revoked_token_is_refused_and_changes_nothing),
        cmocka_unit_test(a_guest_is_revoked_by_its_name),
        cmocka_unit_test(an_order_that_was_missed_is_found_by_its_number),
        cmocka_unit_test(what_an_emptied_redis_has_lost_comes_back),
        cmocka_unit_test(a_hash_that_somebody_deleted_comes_back),
        cmocka_unit_test(a_key_of_another_type_is_said),
        cmocka_unit_test(wishes_out_of_range_are_refused),
        cmocka_unit_test(pages_are_no_longer_than_wanted_and_miss_nothing),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
