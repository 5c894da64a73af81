/* test_issuers.c - when the keys of issuers are read, what is believed of the answers, and what becomes of
 * the keys in Redis. Time is passed in; who asks is a rig that records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/issuers.h"
#include "admin/keys_merge.h"
#include "admin/public_keys.h"
#include "common/log.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define A "https://a.example"
#define CONFIGURATION "{\"issuer\":\"" A "\",\"jwks_uri\":\"https://keys.example/a\"}"

enum { REFRESH_MS = 300000, START_MS = 1000000, DAY_MS = 86400000 };

static struct tokens_key pair;
static char *set;          /* with the key k */
static struct strbuf kept; /* what is kept of it */
static struct issuer_list list;
static struct issuers issuers;
static uint64_t now_ms;
static unsigned asked, read_count, draw; /* draw: percent of what random may give */
static char asked_for[256];
static struct issuer *pending;

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

/* ---- the rig ---- */

static void get(void *owner, struct issuer *issuer, const char *url)
{
    assert_ptr_equal(owner, &issuers);
    assert_null(pending);
    snprintf(asked_for, sizeof(asked_for), "%s", url);
    pending = issuer;
    asked++;
}

static void on_keys(void *owner, struct issuer *issuer)
{
    (void)owner;
    (void)issuer;
    read_count++;
}

static uint32_t draw_some(void *owner, uint32_t below)
{
    (void)owner;
    return (uint32_t)((uint64_t)(below - 1) * draw / 100);
}

static const struct issuers_hooks hooks = {
    .get = get, .on_keys = on_keys, .random = draw_some};

static void open_list(const char *text)
{
    issuers_deinit(&issuers);
    assert_null(issuer_list_parse(&list, text));
    asked = read_count = 0;
    draw = 50;
    pending = NULL;
    now_ms = START_MS;
    issuers_init(&issuers, &list, REFRESH_MS, &hooks, &issuers, now_ms);
}

static void tick(uint64_t later_ms)
{
    now_ms += later_ms;
    issuers_tick(&issuers, now_ms, now_ms + 7);
}

static void answer(enum fetch_result result, const char *body)
{
    struct issuer *to = pending;
    const struct fetch_answer given = {.result = result,
                                       .status = result == FETCH_OK ? 200 : 0,
                                       .body = text_of(body),
                                       .why =
                                           result == FETCH_OK ? "" : "a \"reason\"\n"};

    assert_non_null(to);
    pending = NULL;
    issuers_answer(to, &given, now_ms, now_ms + 7);
}

static void want(void)
{
    issuers_want(&issuers, text_of("a"), now_ms, now_ms + 7);
}

static int start(void **state)
{
    char *jwk;
    struct strbuf text = {NULL, 0, 0};
    size_t left_out;

    (void)state;
    log_max = LOG_SILENT;
    pair = tokens_key(JWK_EDDSA, 0);
    jwk = tokens_jwk(&pair, "k");
    strbuf_add_format(&text, "{\"keys\":[%s]}", jwk);
    set = text.data;
    free(jwk);
    return public_keys_add(&kept, text_of(set), &left_out);
}

static int stop(void **state)
{
    (void)state;
    issuers_deinit(&issuers);
    issuer_list_deinit(&list);
    tokens_key_deinit(&pair);
    free(set);
    strbuf_deinit(&kept);
    return 0;
}

/* ---- when ---- */

static void keys_are_read_at_once_and_then_every_while(void **state)
{
    (void)state;
    open_list("a=https://a.example/jwks");
    tick(0);
    assert_string_equal(asked_for, "https://a.example/jwks");
    tick(1000);
    assert_int_equal(asked, 1); /* it is not answered yet */
    answer(FETCH_OK, set);
    assert_int_equal(read_count, 1);
    assert_int_equal(issuers.all[0].fetched_at, now_ms + 7);
    tick(REFRESH_MS - 2000);
    assert_int_equal(asked, 1);
    tick(1000);
    assert_int_equal(asked, 2);
    answer(FETCH_OK, set);
    assert_int_equal(read_count, 2);
}

static void replicas_do_not_read_at_the_same_moment(void **state)
{
    static const struct {
        unsigned draw, after_ms;
    } draws[] = {{0, REFRESH_MS * 9 / 10}, {100, REFRESH_MS * 11 / 10}};

    (void)state;
    for (size_t i = 0; i < COUNT(draws); i++) {
        open_list("a=https://a.example/jwks");
        draw = draws[i].draw;
        tick(0);
        answer(FETCH_OK, set);
        tick(draws[i].after_ms - 1);
        assert_int_equal(asked, 1);
        tick(1);
        assert_int_equal(asked, 2);
        answer(FETCH_OK, set);
    }
}

static void a_wish_is_granted_at_once_but_not_too_often(void **state)
{
    (void)state;
    open_list("a=https://a.example/jwks");
    tick(0);
    answer(FETCH_OK, set);
    now_ms += ISSUERS_PAUSE_MS;
    want();
    assert_int_equal(asked, 2);
    answer(FETCH_OK, set);
    for (unsigned i = 1; i < ISSUERS_PAUSE_MS; i++) { /* a thousand a second */
        now_ms++;
        want();
        if (i % 1000 == 0)
            tick(0);
    }
    assert_int_equal(asked, 2);
    tick(1);
    assert_int_equal(asked, 3); /* what was wished for meanwhile */
    answer(FETCH_OK, set);
    tick(ISSUERS_PAUSE_MS);
    assert_int_equal(asked, 3);
    issuers_want(&issuers, text_of("unknown"), now_ms, now_ms);
    assert_int_equal(asked, 3);
}

/* It is looked at all the time, so it has been read. */
static void a_file_that_is_wanted_is_as_good_as_read(void **state)
{
    char path[] = "/tmp/test-issuers-XXXXXX", text[64];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0 && write(fd, set, strlen(set)) == (ssize_t)strlen(set));
    close(fd);
    snprintf(text, sizeof(text), "a=%s", path);
    open_list(text);
    tick(0);
    assert_int_equal(read_count, 1);
    issuers.all[0].is_fresh = false; /* the owner has taken it */
    want();
    want();
    assert_int_equal(read_count, 2);
    assert_true(issuers.all[0].is_fresh);
    now_ms += ISSUERS_PAUSE_MS;
    want();
    assert_int_equal(read_count, 3);
    assert_int_equal(asked, 0);
    unlink(path);
}

static void an_issuer_that_is_away_for_a_day_keeps_its_keys(void **state)
{
    struct strbuf metrics = {NULL, 0, 0};

    (void)state;
    open_list("a=https://a.example/jwks");
    tick(0);
    answer(FETCH_OK, set);
    tick(REFRESH_MS);
    for (unsigned i = 1; i <= DAY_MS / ISSUERS_PAUSE_MS; i++) {
        assert_int_equal(asked, 1 + i);
        answer(FETCH_UNREACHABLE, "");
        tick(ISSUERS_PAUSE_MS - 1);
        assert_int_equal(asked, 1 + i);
        tick(1);
    }
    assert_string_equal(issuers.all[0].error, "a 'reason''");
    assert_string_equal(issuers.all[0].keys, kept.data);
    assert_int_equal(read_count, 1);
    issuers_print_metrics(&issuers, now_ms, &metrics);
    assert_non_null(
        strstr(metrics.data, q("roomcast_jwks_age_seconds{issuer='a'} 86700")));
    assert_non_null(
        strstr(metrics.data,
               q("roomcast_jwks_fetches_total{issuer='a',result='unreachable'} 2880")));
    answer(FETCH_OK, set);
    assert_null(issuers.all[0].error);
    strbuf_deinit(&metrics);
}

/* ---- what ---- */

static const struct {
    enum fetch_result fetched;
    const char *body;
    enum issuers_result result;
} bad_answers[] = {
    {FETCH_UNREACHABLE, "", ISSUERS_UNREACHABLE},
    {FETCH_STATUS, "", ISSUERS_STATUS},
    {FETCH_TOO_LARGE, "", ISSUERS_TOO_LARGE},
    {FETCH_OK, "", ISSUERS_NO_SET},
    {FETCH_OK, "<html>", ISSUERS_NO_SET},
    {FETCH_OK, "null", ISSUERS_NO_SET},
    {FETCH_OK, "{}", ISSUERS_NO_SET},
    {FETCH_OK, "{'keys':5}", ISSUERS_NO_SET},
    {FETCH_OK, "{'keys':[]} more", ISSUERS_NO_SET},
    {FETCH_OK, "{'keys':[]}", ISSUERS_NO_KEY},
    {FETCH_OK, "{'keys':[{},null,5,'x',[]]}", ISSUERS_NO_KEY},
};

static void a_bad_answer_changes_nothing(void **state)
{
    (void)state;
    open_list("a=https://a.example/jwks");
    tick(0);
    answer(FETCH_OK, set);
    for (size_t i = 0; i < COUNT(bad_answers); i++) {
        uint64_t before = issuers.all[0].counts[bad_answers[i].result];

        tick(REFRESH_MS);
        answer(bad_answers[i].fetched, q(bad_answers[i].body));
        assert_int_equal(issuers.all[0].counts[bad_answers[i].result], before + 1);
        assert_string_equal(issuers.all[0].keys, kept.data);
        assert_non_null(issuers.all[0].error);
        assert_int_equal(read_count, 1);
    }
}

static void a_configuration_says_where_the_keys_are(void **state)
{
    (void)state;
    open_list(A);
    tick(0);
    assert_string_equal(asked_for, A "/.well-known/openid-configuration");
    answer(FETCH_OK, CONFIGURATION);
    assert_string_equal(asked_for, "https://keys.example/a");
    answer(FETCH_OK, set);
    assert_int_equal(read_count, 1);
    tick(REFRESH_MS);
    assert_string_equal(asked_for, A "/.well-known/openid-configuration");
}

static const char *const bad_configurations[] = {
    "",
    "[]",
    "{}",
    "{'issuer':'https://a.example'}",
    "{'jwks_uri':'https://a.example/jwks'}",
    "{'issuer':'https://a.example/','jwks_uri':'https://a.example/jwks'}",
    "{'issuer':5,'jwks_uri':'https://a.example/jwks'}",
    "{'issuer':'https://a.example','jwks_uri':'http://a.example/jwks'}",
    "{'issuer':'https://a.example','jwks_uri':'file:///etc/passwd'}",
};

static void a_configuration_of_another_is_not_believed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_configurations); i++) {
        print_message("  %s\n", bad_configurations[i]);
        open_list(A);
        tick(0);
        answer(FETCH_OK, q(bad_configurations[i]));
        assert_null(pending);
        assert_int_equal(issuers.all[0].counts[ISSUERS_CONFIGURATION], 1);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "we");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static void a_file_is_read_when_it_has_changed(void **state)
{
    char path[] = "/tmp/roomcast-jwks-XXXXXX", text[64];
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    write_file(path, set);
    snprintf(text, sizeof(text), "a=%s", path);
    open_list(text);
    tick(0);
    tick(REFRESH_MS);
    assert_int_equal(read_count, 1);
    write_file(path, "torn");
    tick(1000);
    assert_non_null(issuers.all[0].error);
    assert_string_equal(issuers.all[0].keys, kept.data);
    write_file(path, set);
    tick(5000);
    assert_int_equal(read_count, 2);
    unlink(path);
    tick(5000);
    assert_int_equal(issuers.all[0].counts[ISSUERS_UNREACHABLE], 1);
    assert_string_equal(issuers.all[0].keys, kept.data);
    assert_int_equal(asked, 0);
}

static void of_a_key_its_public_half_is_taken(void **state)
{
    struct strbuf in = {NULL, 0, 0}, out = {NULL, 0, 0}, kids = {NULL, 0, 0};
    char *jwk = tokens_jwk(&pair, "k"), *nameless = tokens_jwk(&pair, NULL);
    size_t left_out = 0;

    (void)state;
    strbuf_add_format(&in,
                      "{\"x\":1, \"keys\" : [null, {\"d\":\"c2VjcmV0\",\"p\":\"\", %s, "
                      "{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}, %s ]}",
                      jwk + 1, nameless);
    assert_int_equal(public_keys_add(&out, text_of(in.data), &left_out),
                     PUBLIC_KEYS_OK);
    assert_int_equal(left_out, 2);
    assert_null(strstr(out.data, "c2VjcmV0"));
    public_keys_add_kids(&kids, text_of(out.data));
    assert_string_equal(kids.data, "[\"k\",null]");
    strbuf_deinit(&in);
    strbuf_deinit(&kids);
    in = out;
    out = (struct strbuf){NULL, 0, 0};
    assert_int_equal(public_keys_add(&out, text_of(in.data), &left_out),
                     PUBLIC_KEYS_OK);
    assert_string_equal(out.data, in.data);
    assert_int_equal(left_out, 0);
    strbuf_deinit(&in);
    strbuf_deinit(&out);
    free(jwk);
    free(nameless);
}

/* ---- what becomes of the keys in Redis ---- */

/* `A`, `B` stand for what this replica has read of a and b. */
static const struct {
    const char *base;
    bool may_choose, a_is_fresh;
    const char *merged;
} merges[] = {
    {"", true, true, "{'a':A,'b':B}"},
    {"", false, true, "{}"},
    {"torn", true, false, "{'a':A,'b':B}"},
    {"{'a':1,'a':2}", true, false, "{'a':A,'b':B}"},
    {"{'a':1}", true, true, "{'a':A,'b':B}"},
    {"{'a':1}", true, false, "{'a':1,'b':B}"},
    {"{'a':1}", false, true, "{'a':A}"},
    {"{'b':1,'\\u0061':2}", false, true, "{'b':1,'\\u0061':A}"},
    {"{'other':5,'a':1,'b':2}", false, true, "{'other':5,'a':A,'b':2}"},
    {"{'other':5,'a':1,'b':2}", true, false, "{'a':1,'b':2}"},
};

static void the_replica_that_may_choose_says_which_issuers_there_are(void **state)
{
    (void)state;
    open_list("a=/none/a,b=/none/b,c=/none/c");
    issuers.all[0].keys = strdup("A");
    issuers.all[1].keys = strdup("B");
    for (size_t i = 0; i < COUNT(merges); i++) {
        struct strbuf out = {NULL, 0, 0};

        print_message("  %s\n", merges[i].base);
        issuers.all[0].is_fresh = merges[i].a_is_fresh;
        keys_merge(&out, text_of(q(merges[i].base)), &issuers, merges[i].may_choose);
        assert_string_equal(out.data, q(merges[i].merged));
        strbuf_deinit(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read_at_once_and_then_every_while),
        cmocka_unit_test(replicas_do_not_read_at_the_same_moment),
        cmocka_unit_test(a_wish_is_granted_at_once_but_not_too_often),
        cmocka_unit_test(a_file_that_is_wanted_is_as_good_as_read),
        cmocka_unit_test(an_issuer_that_is_away_for_a_day_keeps_its_keys),
        cmocka_unit_test(a_bad_answer_changes_nothing),
        cmocka_unit_test(a_configuration_says_where_the_keys_are),
        cmocka_unit_test(a_configuration_of_another_is_not_believed),
        cmocka_unit_test(a_file_is_read_when_it_has_changed),
        cmocka_unit_test(of_a_key_its_public_half_is_taken),
        cmocka_unit_test(the_replica_that_may_choose_says_which_issuers_there_are),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
