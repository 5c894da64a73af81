/* test_auth_keys.c - keys of issuers, as they stand in Redis: gateways that read them, learn of new
 * ones, give up old ones, and put back what Redis lost (SPEC-PUBLIC P1, P3, P12, P14).
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
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ISSUER "https://idp.example"

enum { GATEWAYS = 2 };

static struct fleet fleet;
static struct tokens_key rs, es, ed, next;
static uint64_t rev = 1;

static int start(void **state)
{
    static const char *const settings[] = {
        "ROOMCAST_LEASE_SECS=2",     "ROOMCAST_JWT_LEEWAY_SECS=0",
        "ROOMCAST_AUTH_WARN_SECS=2", "ROOMCAST_DEFAULT_RIGHTS=rw",
        "ROOMCAST_AUTH=jwt",         NULL};

    *state = &fleet;
    rs = tokens_key(JWK_RS256, 0);
    es = tokens_key(JWK_ES256, 0);
    ed = tokens_key(JWK_EDDSA, 0);
    next = tokens_key(JWK_ES256, 0);
    fleet_start(&fleet, &(struct fleet_opts){0});
    for (unsigned i = 0; i < GATEWAYS; i++)
        fleet_launch(&fleet, settings);
    return 0;
}

static int stop(void **state)
{
    tokens_key_deinit(&rs);
    tokens_key_deinit(&es);
    tokens_key_deinit(&ed);
    tokens_key_deinit(&next);
    return fleet_teardown(state);
}

/* ---- keys in Redis ---- */

struct named_key {
    const struct tokens_key *key;
    const char *kid;
};

static void set_keys(const struct named_key *keys, size_t count)
{
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_text(&text, "{\"" ISSUER "\":{\"keys\":[");
    for (size_t i = 0; i < count; i++) {
        char *jwk = tokens_jwk(keys[i].key, keys[i].kid);

        strbuf_add_format(&text, "%s%s", i > 0 ? "," : "", jwk);
        free(jwk);
    }
    strbuf_add_text(&text, "]}}");
    redis_cmd(fleet.redis_port, "HSET rc:policy keys %b keys_rev %llu", text.data,
              text.len, (unsigned long long)++rev);
    strbuf_deinit(&text);
}

static void set_usual_keys(void)
{
    const struct named_key keys[] = {{&rs, "rs"}, {&es, "es"}, {&ed, "ed"}};

    set_keys(keys, COUNT(keys));
}

static bool has_rev(void *data)
{
    const unsigned *gateway = data;

    return http_get_metric(fleet.gateways[*gateway].ops_port,
                           q("roomcast_policy_rev{kind='keys'}")) == (double)rev;
}

static void wait_for_keys(void)
{
    for (unsigned i = 0; i < GATEWAYS; i++)
        assert_true(wait_until(has_rev, &i, FLEET_DEADLINE_MS));
}

/* ---- tokens ---- */

static char *sign_with(const struct tokens_key *key, const char *kid, const char *more)
{
    struct strbuf header = {NULL, 0, 0}, claims = {NULL, 0, 0};
    uint64_t now_s = clock_ms() / 1000;
    char *token;

    strbuf_add_format(&header, "{\"alg\":\"%s\",\"kid\":\"%s\"}",
                      jwk_alg_word(key->alg), kid);
    strbuf_add_format(
        &claims,
        "{\"iss\":\"" ISSUER
        "\",\"aud\":\"roomcast\",\"sub\":\"ann\",\"iat\":%llu,\"exp\":%llu%s}",
        (unsigned long long)now_s, (unsigned long long)now_s + 3600, q(more));
    token = tokens_sign(key, header.data, claims.data);
    strbuf_deinit(&header);
    strbuf_deinit(&claims);
    return token;
}

static char *sign(const struct tokens_key *key, const char *kid)
{
    return sign_with(key, kid, "");
}

/* A connection that has sent such a token. */
static struct chat *come_by(unsigned gateway, const struct tokens_key *key,
                            const char *kid)
{
    struct chat *chat = chat_open(fleet.gateways[gateway].port);
    char *token = sign(key, kid);

    chat_send(chat, "{'type':'auth','token':'%s'}", token);
    free(token);
    return chat;
}

static struct chat *come_in_by(unsigned gateway, const struct tokens_key *key,
                               const char *kid)
{
    struct chat *chat = come_by(gateway, key, kid);

    chat_expect(chat, "auth_ack");
    assert_string_equal(chat_get_text(chat, "user"), "ann");
    return chat;
}

/* ---- the tests ---- */

static void a_gateway_is_ready_once_it_has_keys(void **state)
{
    (void)state;
    for (unsigned i = 0; i < GATEWAYS; i++)
        http_get_await(fleet.gateways[i].ops_port, "/readyz", 503, "no_keys\n");
    set_usual_keys();
    fleet_wait_all_ready(&fleet);
}

static void each_algorithm_lets_in(void **state)
{
    const struct named_key keys[] = {{&rs, "rs"}, {&es, "es"}, {&ed, "ed"}};

    (void)state;
    wait_for_keys();
    for (size_t i = 0; i < COUNT(keys); i++) {
        struct chat *chat = come_in_by(i % GATEWAYS, keys[i].key, keys[i].kid);

        print_message("  %s\n", jwk_alg_word(keys[i].key->alg));
        chat_join(chat, "lobby", "ann");
        assert_true(chat_say(chat, "lobby", "hello") > 0);
        chat_close(chat);
    }
}

/* What the admin service does: writes, and tells each node. */
static void tell_nodes(const char *order)
{
    redisReply *nodes = redis_cmd_reply(fleet.redis_port, "ZRANGE rc:nodes 0 -1");

    for (size_t i = 0; i < nodes->elements; i++)
        redis_cmd(fleet.redis_port, "PUBLISH rc:canary:%s %s", nodes->element[i]->str,
                  order);
    freeReplyObject(nodes);
}

static void who_came_by_a_key_that_is_gone_may_bring_another_token(void **state)
{
    const struct named_key keys[] = {{&next, "next"}};
    struct chat *stays, *goes;
    char *token;

    (void)state;
    stays = come_in_by(0, &es, "es");
    goes = come_in_by(1, &rs, "rs");
    chat_join(stays, "lobby", "ann");
    set_keys(keys, COUNT(keys));
    tell_nodes("keys 99999999999999");
    chat_expect_skipping(stays, "auth_expiring");
    token = sign(&next, "next");
    chat_send(stays, "{'type':'auth','token':'%s'}", token);
    free(token);
    chat_expect_skipping(stays, "auth_ack");
    chat_expect_skipping(goes, "auth_expiring");
    assert_int_equal(chat_wait_close(goes, CHAT_DEADLINE_MS), 4500);
    chat_abort(goes);
    assert_true(chat_say(stays, "lobby", "still here") > 0);
    chat_close(stays);
    set_usual_keys();
    wait_for_keys();
}

static void a_key_that_comes_back_in_time_takes_nobody_out(void **state)
{
    const struct named_key keys[] = {{&next, "next"}};
    struct chat *chat = come_in_by(0, &es, "es");

    (void)state;
    chat_join(chat, "lobby", "ann");
    set_keys(keys, COUNT(keys));
    wait_for_keys();
    set_usual_keys();
    wait_for_keys();
    while (chat_recv(chat, 3500)) /* a warning at most, and no end */
        ;
    assert_true(chat_say(chat, "lobby", "still here") > 0);
    chat_close(chat);
}

static void a_room_token_goes_with_its_key(void **state)
{
    const struct named_key keys[] = {{&es, "es"}, {&ed, "ed"}};
    struct chat *chat = come_in_by(0, &es, "es");
    char *token = sign_with(&rs, "rs", ",'room':'den','can':'rw'");

    (void)state;
    chat_send(chat, "{'type':'join','room':'den','room_token':'%s'}", token);
    chat_expect_skipping(chat, "join_ack");
    set_keys(keys, COUNT(keys));
    chat_expect_skipping(chat, "kicked");
    assert_string_equal(chat_get_text(chat, "room"), "den");
    assert_string_equal(chat_get_text(chat, "reason"), "expired");
    chat_expect_usable(chat);
    chat_close(chat);
    free(token);
    set_usual_keys();
    wait_for_keys();
}

static void expect_keys_wanted(redisContext *listener)
{
    redisReply *reply = NULL;

    do {
        freeReplyObject(reply);
        assert_int_equal(redisGetReply(listener, (void **)&reply), REDIS_OK);
    } while (!strstr(reply->element[2]->str, "keys_wanted"));
    assert_string_equal(reply->element[2]->str,
                        q("{'type':'keys_wanted','issuer':'" ISSUER "'}"));
    freeReplyObject(reply);
}

static bool is_refused_for_good(void *data)
{
    struct chat *chat = come_by(0, &next, "unknown");
    bool is_refused;

    (void)data;
    chat_expect(chat, "error");
    is_refused = strcmp(chat_get_text(chat, "code"), "unauthorized") == 0;
    if (is_refused) {
        assert_string_equal(chat_get_text(chat, "reason"), "key");
        assert_int_equal(chat_wait_close(chat, CHAT_DEADLINE_MS), 4500);
    }
    chat_abort(chat);
    return is_refused;
}

static void an_unknown_key_is_asked_for_and_then_refused(void **state)
{
    redisContext *listener = redisConnect("127.0.0.1", fleet.redis_port);
    struct chat *chat;
    char order[96];

    (void)state;
    snprintf(order, sizeof(order), "keys %llu https%%3A%%2F%%2Fidp.example",
             (unsigned long long)rev);
    freeReplyObject(redisCommand(listener, "SUBSCRIBE rc:events"));
    chat = come_by(0, &next, "unknown");
    chat_expect_error(chat, "unavailable");
    assert_int_equal(chat_get_number(chat, "retry_after_ms"), 2000);
    expect_keys_wanted(listener);
    chat_expect_usable(chat); /* and may try again */
    tell_nodes(order);
    assert_true(wait_until(is_refused_for_good, NULL, FLEET_DEADLINE_MS));
    chat_close(chat);
    redisFree(listener);
}

static bool are_keys_back(void *data)
{
    (void)data;
    return redis_cmd_number(fleet.redis_port, "HGET rc:policy keys_rev") ==
           (long long)rev;
}

static void keys_that_redis_lost_are_put_back(void **state)
{
    struct chat *chat;

    (void)state;
    redis_cmd(fleet.redis_port, "FLUSHALL");
    assert_true(wait_until(are_keys_back, NULL, FLEET_DEADLINE_MS));
    chat = come_in_by(1, &ed, "ed");
    chat_close(chat);
}

static void keys_that_are_none_change_nothing(void **state)
{
    static const char *const none[] = {"", "[]", "{'" ISSUER "'", "{'a':1,'a':2}"};

    (void)state;
    for (size_t i = 0; i < COUNT(none); i++) {
        const char *text = q(none[i]);
        double before = http_get_metric(fleet.gateways[0].ops_port,
                                        q("roomcast_malformed_total{from='reply'}"));
        struct chat *chat;

        print_message("  %s\n", none[i]);
        redis_cmd(fleet.redis_port, "HSET rc:policy keys %b keys_rev %llu", text,
                  strlen(text), (unsigned long long)rev + 1);
        while (i > 0 &&
               http_get_metric(fleet.gateways[0].ops_port,
                               q("roomcast_malformed_total{from='reply'}")) == before)
            chat_close(come_in_by(0, &es, "es"));
        chat = come_in_by(0, &es, "es");
        chat_close(chat);
    }
    set_usual_keys();
    wait_for_keys();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gateway_is_ready_once_it_has_keys),
        cmocka_unit_test(each_algorithm_lets_in),
        cmocka_unit_test(who_came_by_a_key_that_is_gone_may_bring_another_token),
        cmocka_unit_test(a_key_that_comes_back_in_time_takes_nobody_out),
        cmocka_unit_test(a_room_token_goes_with_its_key),
        cmocka_unit_test(an_unknown_key_is_asked_for_and_then_refused),
        cmocka_unit_test(keys_that_redis_lost_are_put_back),
        cmocka_unit_test(keys_that_are_none_change_nothing),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
