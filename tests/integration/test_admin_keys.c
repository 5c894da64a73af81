/* test_admin_keys.c - the admin service reads the keys of issuers, and writes them where gateways have them
 * from (SPEC-PUBLIC P3); what is no set of keys changes nothing; tokens are made.
 */
#include <poll.h>
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
#include "tests/support/fleet/provider.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/certificates.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum {
    PATIENCE_MS = 30000,
    PAUSE_MS = 30000, /* between two readings that gateways wish for */
    WISHES_MS = 3000,
    FILE_MS = 10000,
    SIGNATURE_LEN = 43,
};

static struct fleet fleet;
static struct admin admin, patient; /* reads each second; when it is asked */
static struct provider issuer, over_tls, rarely;
static struct certificates files;
static char *file_path;
static struct tokens_key pairs[2];
/* With one key each, whose kid is key.0 or key.1: no key's text has a dot. */
static char *jwks[2];
static int64_t started_ms;

/* ---- what there is ---- */

static char *keys_in_redis(void)
{
    return redis_cmd_text(fleet.redis_port, "HGET rc:policy keys");
}

static long long rev_in_redis(void)
{
    return redis_cmd_number(fleet.redis_port, "HGET rc:policy keys_rev");
}

static bool have_text(void *data)
{
    char *keys = keys_in_redis();
    bool have = keys && strstr(keys, data);

    free(keys);
    return have;
}

static bool lack_text(void *data)
{
    char *keys = keys_in_redis();
    bool lack = keys && !strstr(keys, data);

    free(keys);
    return lack;
}

static void expect_keys(const char *text)
{
    if (!wait_until(have_text, (void *)text, PATIENCE_MS))
        fail_msg("no %s in %s", text, keys_in_redis());
}

static void expect_no_keys(const char *text)
{
    if (!wait_until(lack_text, (void *)text, PATIENCE_MS))
        fail_msg("%s is still in %s", text, keys_in_redis());
}

static double fetches(const struct provider *provider, const char *result)
{
    char name[192];

    snprintf(name, sizeof(name),
             "roomcast_jwks_fetches_total{issuer=\"%s\",result=\"%s\"}", provider->url,
             result);
    return http_get_metric(admin.port, name);
}

struct reading {
    const char *result;
    double before;
};

static bool has_come(void *data)
{
    const struct reading *reading = data;

    return fetches(&issuer, reading->result) > reading->before;
}

/* The next reading that begins from now on: the one after that which may be under way. */
static void await_readings(const char *result, unsigned count)
{
    struct reading reading = {result, fetches(&issuer, result) + count - 1};

    if (!wait_until(has_come, &reading, PATIENCE_MS))
        fail_msg("no more readings with result %s", result);
}

/* Where this issuer is in the last answer of /api/keys. */
static char *field_of(const char *name, const char *field)
{
    for (int i = 0; i < admin_count(&admin, "issuers"); i++) {
        char path[64];

        snprintf(path, sizeof(path), "issuers.%d.issuer", i);
        if (strcmp(admin_text(&admin, path), name) == 0)
            return print_text("issuers.%d.%s", i, field);
    }
    fail_msg("no %s in %s", name, admin.answer.body);
    return NULL;
}

static void expect_error(bool is_expected)
{
    char *field;

    admin_get(&admin, 200, "/api/keys");
    field = field_of(issuer.url, "error");
    assert_int_equal(!admin_is_null(&admin, field), is_expected);
    free(field);
}

static char *jwks_of(const char *keys)
{
    return print_text("{\"keys\":[%s]}", keys);
}

/* ---- the keys ---- */

/* With the private half of one, and what is no key of a token's. */
static void usable_public_keys_come_to_redis(void **state)
{
    char *jwk = tokens_jwk(&pairs[0], "key.0"), *odd, *field;

    (void)state;
    odd =
        print_text("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"kid\":\"o\"},null,"
                   "{\"d\":\"cHJpdmF0ZQ\",%s,{\"kty\":\"RSA\"}]}",
                   jwk + 1);
    provider_answer(&issuer, "body", odd);
    expect_keys("key.0");
    expect_no_keys("cHJpdmF0ZQ");
    expect_no_keys("c2VjcmV0");
    await_readings("ok", 1);
    admin_get(&admin, 200, "/api/keys");
    field = field_of(issuer.url, "kids.0");
    assert_string_equal(admin_text(&admin, field), "key.0");
    free(field);
    field = field_of(issuer.url, "left_out");
    assert_int_equal(admin_number(&admin, field), 3);
    free(field);
    field = field_of(issuer.url, "fetched_at");
    assert_true(admin_number(&admin, field) >= (double)clock_ms() - PATIENCE_MS);
    free(field);
    free(odd);
    free(jwk);
}

static void all_ways_lead_to_keys(void **state)
{
    (void)state;
    expect_keys("of-file");
    expect_keys("of-tls");
    admin_get(&admin, 200, "/api/keys");
    assert_int_equal(admin_count(&admin, "issuers"), 3);
    assert_true(fetches(&over_tls, "ok") >= 1);
}

static void what_does_not_change_raises_no_number(void **state)
{
    long long rev;

    (void)state;
    provider_answer(&issuer, "body", jwks[0]);
    expect_no_keys("\"o\"");
    await_readings("ok", 1);
    rev = rev_in_redis();
    await_readings("ok", 4);
    assert_int_equal(rev_in_redis(), rev);
    expect_error(false);
}

/* Reads until a node's channel carries an order about keys. */
static void expect_order(redisContext *canaries, long long rev, const char *issuer_read)
{
    char *order = print_text("keys %lld%s", rev, issuer_read);
    redisReply *reply;
    bool is_it = false;

    while (!is_it) {
        assert_int_equal(redisGetReply(canaries, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_ARRAY);
        is_it = reply->elements == 4 && reply->element[3]->str &&
                strcmp(reply->element[3]->str, order) == 0;
        freeReplyObject(reply);
    }
    free(order);
}

static void a_rotation_is_told_to_each_node(void **state)
{
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    redisContext *canaries = redisConnect("127.0.0.1", fleet.redis_port);
    long long rev = rev_in_redis();

    (void)state;
    assert_int_equal(redisSetTimeout(canaries, patience), REDIS_OK);
    freeReplyObject(redisCommand(canaries, "PSUBSCRIBE rc:canary:*"));
    provider_answer(&issuer, "body", jwks[1]);
    expect_keys("key.1");
    expect_no_keys("key.0");
    assert_true(rev_in_redis() > rev);
    for (unsigned i = 0; i < fleet.count; i++)
        expect_order(canaries, rev_in_redis(), "");
    redisFree(canaries);
}

static void each_reading_is_told_to_each_node(void **state)
{
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    redisContext *canaries = redisConnect("127.0.0.1", fleet.redis_port);
    char *of_issuer = print_text(" http%%3A%%2F%%2F127.0.0.1%%3A%d", issuer.port);

    (void)state;
    assert_int_equal(redisSetTimeout(canaries, patience), REDIS_OK);
    freeReplyObject(redisCommand(canaries, "PSUBSCRIBE rc:canary:*"));
    for (unsigned i = 0; i < 2 * fleet.count; i++) /* whether or not there is news */
        expect_order(canaries, rev_in_redis(), of_issuer);
    redis_cmd(fleet.redis_port, "PUBLISH rc:events %s",
              q("{'type':'keys_wanted','issuer':'mine'}"));
    for (unsigned i = 0; i < fleet.count; i++)
        expect_order(canaries, rev_in_redis(), " mine");
    redisFree(canaries);
    free(of_issuer);
}

static const struct {
    const char *how, *body, *result;
} bad_answers[] = {
    {"status", "{\"keys\":[]}", "status"},
    {"body", "<html>sign in</html>", "no_jwks"},
    {"body", "", "no_jwks"},
    {"body", "[]", "no_jwks"},
    {"body", "{\"keys\":{}}", "no_jwks"},
    {"body", "{\"keys\":[]}", "no_key"},
    {"body", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}", "no_key"},
    {"huge", " {\"keys\":[]} ", "too_large"},
    {"redirect", "https://127.0.0.1:1/", "unreachable"},
    {"redirect", "http://192.0.2.1/jwks", "unreachable"},
    {"redirect", "file:///etc/passwd", "unreachable"},
    {"silent", "", "unreachable"},
};

static void a_bad_answer_changes_nothing(void **state)
{
    char *keys = keys_in_redis(), *now;
    long long rev = rev_in_redis();

    (void)state;
    for (size_t i = 0; i < COUNT(bad_answers); i++) {
        struct reading reading = {bad_answers[i].result,
                                  fetches(&issuer, bad_answers[i].result)};

        print_message("  %s %s\n", bad_answers[i].how, bad_answers[i].body);
        provider_answer(&issuer, bad_answers[i].how, bad_answers[i].body);
        if (!wait_until(has_come, &reading, PATIENCE_MS))
            fail_msg("no reading with result %s", bad_answers[i].result);
        expect_error(true);
    }
    now = keys_in_redis();
    assert_string_equal(now, keys);
    assert_int_equal(rev_in_redis(), rev);
    free(keys);
    free(now);
}

static void a_configuration_of_another_issuer_changes_nothing(void **state)
{
    char *other = print_text("{\"issuer\":\"%s/\",\"jwks_uri\":\"%s/jwks\"}",
                             issuer.url, issuer.url);
    char *plain = print_text(
        "{\"issuer\":\"%s\",\"jwks_uri\":\"http://keys.example/jwks\"}", issuer.url);
    char *right = print_text("{\"issuer\":\"%s\",\"jwks_uri\":\"%s/jwks\"}", issuer.url,
                             issuer.url);

    (void)state;
    provider_answer(&issuer, "body", jwks[0]);
    provider_configure(&issuer, other);
    await_readings("configuration", 2);
    expect_no_keys("key.0");
    provider_configure(&issuer, plain);
    await_readings("configuration", 2);
    expect_no_keys("key.0");
    provider_configure(&issuer, right);
    expect_keys("key.0");
    free(other);
    free(plain);
    free(right);
}

static void while_an_issuer_is_away_its_last_keys_count(void **state)
{
    char *keys = keys_in_redis(), *now;

    (void)state;
    provider_kill(&issuer);
    await_readings("unreachable", 2);
    now = keys_in_redis();
    assert_string_equal(now, keys);
    expect_error(true);
    provider_answer(&issuer, "body", jwks[1]);
    provider_resume(&issuer);
    expect_keys("key.1");
    expect_error(false);
    free(keys);
    free(now);
}

static void write_file(const char *text)
{
    char *next = print_text("%s.next", file_path);
    FILE *out = fopen(next, "we");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(next, file_path), 0);
    free(next);
}

static void a_file_is_read_again_when_it_has_changed(void **state)
{
    char *jwk = tokens_jwk(&pairs[0], "of-new-file"), *set = jwks_of(jwk);
    int64_t began = wait_now_ms();

    (void)state;
    write_file(set);
    expect_keys("of-new-file");
    assert_true(wait_now_ms() - began < FILE_MS);
    free(set);
    free(jwk);
}

static void keys_that_redis_lost_are_put_back(void **state)
{
    char *keys = keys_in_redis();
    long long rev = rev_in_redis();

    (void)state;
    redis_cmd(fleet.redis_port, "DEL rc:policy");
    expect_keys("key.1");
    assert_true(rev_in_redis() >= rev); /* a gateway's copy may have been first */
    redis_cmd(fleet.redis_port, "HSET rc:policy keys {} keys_rev %lld", rev - 1);
    expect_keys("key.1");
    free(keys);
}

/* With the other one it would come back within a second. */
static void the_service_that_started_last_says_which_issuers_there_are(void **state)
{
    struct admin newest;
    char *setting = print_text("ROOMCAST_JWT_ISSUERS=%s", rarely.url);

    (void)state;
    admin_start(&newest, &fleet, (const char *[]){setting, NULL});
    expect_no_keys("key.1");
    await_readings("ok", 4);
    expect_no_keys("key.1");
    expect_keys("of-rarely");
    admin_stop(&newest);
    admin_kill(&admin);
    admin_resume(&admin);
    admin_wait_ready(&admin);
    expect_keys("key.1");
    free(setting);
}

/* ---- users of an issuer ---- */

/* Of the user ann, by this pair. To be freed. */
static char *token_of_issuer(int pair)
{
    unsigned long long now = clock_ms() / 1000;
    char *header = print_text("{\"alg\":\"%s\",\"kid\":\"key.%d\"}",
                              jwk_alg_word(pairs[pair].alg), pair);
    char *claims = print_text("{\"iss\":\"%s\",\"aud\":\"roomcast\",\"sub\":\"ann\","
                              "\"iat\":%llu,\"exp\":%llu}",
                              issuer.url, now, now + 60);
    char *token = tokens_sign(&pairs[pair], header, claims);

    free(header);
    free(claims);
    return token;
}

/* What an `auth` with a token of this pair is answered. */
static bool is_let_in(int pair, unsigned gateway)
{
    struct chat *chat = chat_open(fleet.gateways[gateway].port);
    char *token = token_of_issuer(pair);
    bool is_in;

    chat_send(chat, "{'type':'auth','id':1,'token':'%s'}", token);
    assert_true(chat_recv(chat, PATIENCE_MS));
    is_in = strcmp(chat_get_text(chat, "type"), "auth_ack") == 0;
    chat_abort(chat);
    free(token);
    return is_in;
}

static bool are_let_in_everywhere(void *data)
{
    const int *pair = data;

    return is_let_in(*pair, 0) && is_let_in(*pair, 1);
}

static bool are_let_in_nowhere(void *data)
{
    const int *pair = data;

    return !is_let_in(*pair, 0) && !is_let_in(*pair, 1);
}

static void users_come_in_by_the_keys_of_the_moment(void **state)
{
    int first = 0, second = 1;

    (void)state;
    provider_answer(&issuer, "body", jwks[0]);
    assert_true(wait_until(are_let_in_everywhere, &first, PATIENCE_MS));
    assert_true(are_let_in_nowhere(&second));
    provider_answer(&issuer, "body", jwks[1]);
    assert_true(wait_until(are_let_in_everywhere, &second, PATIENCE_MS));
    assert_true(wait_until(are_let_in_nowhere, &first, PATIENCE_MS));
}

/* ---- what gateways ask for ---- */

static void wish(const char *name)
{
    char *line = print_text("{\"type\":\"keys_wanted\",\"issuer\":\"%s\"}", name);

    redis_cmd(fleet.redis_port, "PUBLISH rc:events %s", line);
    free(line);
}

static bool is_read_again(void *data)
{
    const unsigned *before = data;

    return provider_requests(&rarely) > *before;
}

/* A thousand a second. */
static void unknown_keys_are_asked_for_once_in_a_while(void **state)
{
    unsigned before = provider_requests(&rarely);
    int64_t end;

    (void)state;
    poll(NULL, 0, wait_left_ms(started_ms + PAUSE_MS)); /* since it has read them */
    wish("https://unknown.example");
    wish(rarely.url);
    assert_true(wait_until(is_read_again, &before, PATIENCE_MS));
    before++;
    end = wait_now_ms() + WISHES_MS;
    while (wait_left_ms(end) > 0) {
        for (int i = 0; i < 20; i++)
            wish(rarely.url);
        poll(NULL, 0, 1);
    }
    assert_int_equal(provider_requests(&rarely), before);
    assert_true(http_get_metric(patient.port,
                                "roomcast_malformed_total{from=\"notice\"}") == 0);
    redis_cmd(fleet.redis_port, "PUBLISH rc:events %s",
              q("{'type':'keys_wanted','issuer':5}"));
    http_get_await(patient.port, "/metrics", 200,
                   "roomcast_malformed_total{from=\"notice\"} 1");
}

static void a_service_stops_while_it_waits_for_an_issuer(void **state)
{
    unsigned before = provider_requests(&rarely);
    char *setting = print_text("ROOMCAST_JWT_ISSUERS=%s", rarely.url);
    struct admin waits;

    (void)state;
    provider_answer(&rarely, "silent", "");
    admin_start(&waits, &fleet, (const char *[]){setting, NULL});
    assert_true(wait_until(is_read_again, &before, PATIENCE_MS));
    admin_stop(&waits);
    assert_false(fleet.failed);
    free(setting);
}

/* ---- tokens ---- */

static void expect_accepted(const char *token)
{
    struct chat *chat = chat_open(fleet.gateways[0].port);

    chat_send(chat, "{'type':'auth','id':1,'token':'%s'}", token);
    chat_expect_skipping(chat, "auth_ack");
    assert_string_equal(chat_get_text(chat, "user"), "ann");
    assert_string_equal(chat_get_text(chat, "name"), "Ann");
    chat_send(chat, "{'type':'join','room':'team/a'}");
    chat_expect_skipping(chat, "join_ack");
    assert_string_equal(chat_get_text(chat, "can"), "r");
    chat_abort(chat);
}

static void a_token_is_made_and_taken(void **state)
{
    char *token;

    (void)state;
    admin_post(&admin, 201,
               q("{'user':'ann','name':'Ann','rooms':{'team/*':'r'},'secs':60}"),
               "/api/tokens");
    token = strdup(admin_text(&admin, "token"));
    expect_accepted(token);
    admin_get(&admin, 200, "/api/audit?limit=1");
    assert_string_equal(admin_text(&admin, "entries.0.what"), "token");
    assert_string_equal(admin_text(&admin, "entries.0.user"), "ann");
    assert_null(strstr(admin.answer.body, strrchr(token, '.') + 1));
    assert_false(admin_has_logged(&admin, strrchr(token, '.') + 1));
    free(token);
}

static const char *const bad_wishes[] = {
    "",
    "{}",
    "{'user':5}",
    "{'user':''}",
    "{'user':'guest-1'}",
    "{'user':'ann','user':'bob'}",
    "{'user':'ann','name':''}",
    "{'user':'ann','secs':0}",
    "{'user':'ann','secs':'60'}",
    "{'user':'ann','secs':86401}",
    "{'user':'ann','rooms':[]}",
    "{'user':'ann','rooms':{'lobby':'x'}}",
    "{'user':'ann','rooms':{'lobby':'r','lobby':'w'}}",
};

static void a_wish_for_no_token_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_wishes); i++) {
        print_message("  %s\n", bad_wishes[i]);
        admin_post(&admin, 400, q(bad_wishes[i]), "/api/tokens");
        admin_expect_error(&admin, 400, "bad_request");
    }
    admin_post(&patient, 409, q("{'user':'ann'}"), "/api/tokens");
    admin_expect_error(&patient, 409, "conflict");
}

static void the_command_prints_a_token(void **state)
{
    const char *program = getenv("ROOMCAST_BIN");
    char *path = print_text("%s/roomcast-admin", program), token[1024];
    char *log_path = print_text("%s/token.log", fleet.dir);
    const char *const args[] = {path,     "token", "--user",  "ann",
                                "--name", "Ann",   "--rooms", "a=rw,team/*=r",
                                "--secs", "60",    NULL};
    const char *const env[] = {"ROOMCAST_JWT_SECRET=" TOKENS_SECRET, NULL};
    struct process command = {0};
    FILE *out;

    (void)state;
    process_start(&command, args, env, log_path);
    assert_int_equal(process_wait(&command, PATIENCE_MS), 0);
    out = fopen(log_path, "re");
    assert_non_null(out);
    assert_non_null(fgets(token, sizeof(token), out));
    fclose(out);
    token[strcspn(token, "\n")] = '\0';
    expect_accepted(token);
    remove(log_path);
    free(log_path);
    free(path);
}

/* ---- beginning and end ---- */

static char *set_with(const char *kid)
{
    char *jwk = tokens_jwk(&pairs[0], kid), *set = jwks_of(jwk);

    free(jwk);
    return set;
}

static void start_providers(void)
{
    char *of_tls, *of_rarely, *of_file;

    certificates_open(&files);
    certificates_add(&files, "provider",
                     &(struct certificate){.names = "IP:127.0.0.1"});
    pairs[0] = tokens_key(JWK_EDDSA, 0);
    pairs[1] = tokens_key(JWK_ES256, 0);
    for (int i = 0; i < 2; i++) {
        char *jwk = tokens_jwk(&pairs[i], i == 0 ? "key.0" : "key.1");

        jwks[i] = jwks_of(jwk);
        free(jwk);
    }
    provider_start(&issuer, fleet.dir, NULL);
    provider_start(&over_tls, fleet.dir, &files);
    provider_start(&rarely, fleet.dir, NULL);
    of_tls = set_with("of-tls");
    of_rarely = set_with("of-rarely");
    of_file = set_with("of-file");
    provider_answer(&over_tls, "body", of_tls);
    provider_answer(&rarely, "body", of_rarely);
    file_path = print_text("%s/keys.json", fleet.dir);
    write_file(of_file);
    free(of_tls);
    free(of_rarely);
    free(of_file);
}

static void start_admins(void)
{
    char *issuers = print_text("ROOMCAST_JWT_ISSUERS=%s, %s=%s/jwks,mine=%s",
                               issuer.url, over_tls.url, over_tls.url, file_path);
    char *ca = print_text("SSL_CERT_FILE=%s", certificates_path(&files, "ca.pem"));
    const char *const at_once[] = {issuers, ca, "ROOMCAST_JWKS_REFRESH_SECS=1",
                                   "ROOMCAST_JWT_SECRET=" TOKENS_SECRET, NULL};
    char *one = print_text("ROOMCAST_JWT_ISSUERS=%s", rarely.url);

    admin_start(&patient, &fleet,
                (const char *[]){one, "ROOMCAST_JWKS_REFRESH_SECS=86400", NULL});
    admin_start(&admin, &fleet, at_once);
    started_ms = wait_now_ms();
    free(issuers);
    free(ca);
    free(one);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_AUTH=jwt",
                                           "ROOMCAST_JWT_SECRET=" TOKENS_SECRET, NULL};

    *state = &admin;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 2, .settings = settings});
    start_providers();
    start_admins();
    return 0;
}

static int stop(void **state)
{
    admin_stop(&patient);
    provider_stop(&issuer);
    provider_stop(&over_tls);
    provider_stop(&rarely);
    remove(file_path);
    free(file_path);
    certificates_close(&files);
    for (int i = 0; i < 2; i++) {
        tokens_key_deinit(&pairs[i]);
        free(jwks[i]);
    }
    return admin_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usable_public_keys_come_to_redis),
        cmocka_unit_test(all_ways_lead_to_keys),
        cmocka_unit_test(what_does_not_change_raises_no_number),
        cmocka_unit_test(a_rotation_is_told_to_each_node),
        cmocka_unit_test(each_reading_is_told_to_each_node),
        cmocka_unit_test(a_bad_answer_changes_nothing),
        cmocka_unit_test(a_configuration_of_another_issuer_changes_nothing),
        cmocka_unit_test(while_an_issuer_is_away_its_last_keys_count),
        cmocka_unit_test(a_file_is_read_again_when_it_has_changed),
        cmocka_unit_test(keys_that_redis_lost_are_put_back),
        cmocka_unit_test(the_service_that_started_last_says_which_issuers_there_are),
        cmocka_unit_test(users_come_in_by_the_keys_of_the_moment),
        cmocka_unit_test(unknown_keys_are_asked_for_once_in_a_while),
        cmocka_unit_test(a_service_stops_while_it_waits_for_an_issuer),
        cmocka_unit_test(a_token_is_made_and_taken),
        cmocka_unit_test(a_wish_for_no_token_is_refused),
        cmocka_unit_test(the_command_prints_a_token),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
