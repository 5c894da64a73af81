/* test_client_auth.c - when a client shows which token, without a socket and with the clock passed in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/auth.h"
#include "common/json_read.h"
#include "common/strbuf.h"
#include "tests/support/unit/quotes.h"

static struct {
    struct auth auth;
    struct strbuf sent;
    unsigned wanted, ready, failed, retries;
    const char *at_once; /* brought from inside on_wanted */
    struct json_members members;
} r;

static bool send_it(void *owner, const char *json, size_t len)
{
    (void)owner;
    strbuf_add(&r.sent, json, len);
    return true;
}

static void on_wanted(void *owner)
{
    (void)owner;
    r.wanted++;
    if (r.at_once)
        auth_bring(&r.auth, r.at_once, 1000);
}

static void on_ready(void *owner)
{
    (void)owner;
    r.ready++;
}

static void on_failed(void *owner)
{
    (void)owner;
    r.failed++;
}

static void on_retry_set(void *owner)
{
    (void)owner;
    r.retries++;
}

static const struct auth_hooks with_tokens = {send_it, on_wanted, on_ready, on_failed,
                                              on_retry_set};
static const struct auth_hooks without = {.on_ready = on_ready};

static int begin(void **state)
{
    (void)state;
    auth_init(&r.auth, &with_tokens, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    auth_deinit(&r.auth);
    strbuf_deinit(&r.sent);
    json_members_deinit(&r.members);
    memset(&r, 0, sizeof(r));
    return 0;
}

static void expect_sent(const char *text)
{
    assert_string_equal(r.sent.data ? r.sent.data : "", q(text));
    strbuf_deinit(&r.sent);
}

static void take(const char *text)
{
    struct chat_event event = {
        .text = {q(text), 0}, .members = &r.members, .now_ms = 5000};

    event.text.len = strlen(event.text.base);
    assert_int_equal(json_scan(event.text.base, event.text.len, &r.members), 0);
    event.type = json_read_find(&r.members, "type");
    auth_take(&r.auth, &event);
}

static void without_tokens_a_connection_is_ready_at_once(void **state)
{
    (void)state;
    auth_init(&r.auth, &without, NULL);
    auth_on_open(&r.auth);
    assert_int_equal(r.ready, 1);
    assert_true(r.auth.is_ready);
    take("{'type':'auth_expiring','expires_at':1}");
    auth_on_lost(&r.auth);
    assert_false(r.auth.is_ready);
}

static void the_token_is_sent_before_all_else(void **state)
{
    (void)state;
    auth_on_open(&r.auth);
    assert_int_equal(r.wanted, 1);
    assert_int_equal(r.ready, 0);
    auth_bring(&r.auth, "one", 0);
    expect_sent("{'type':'auth','id':'a1','token':'one'}");
    assert_int_equal(r.ready, 1);
    auth_bring(&r.auth, "two", 0); /* nobody has asked */
    expect_sent("");
}

static void each_connection_shows_one(void **state)
{
    (void)state;
    r.at_once = "one";
    auth_on_open(&r.auth);
    auth_on_lost(&r.auth);
    auth_on_open(&r.auth);
    assert_int_equal(r.wanted, 2);
    assert_int_equal(r.ready, 2);
    expect_sent("{'type':'auth','id':'a1','token':'one'}"
                "{'type':'auth','id':'a2','token':'one'}");
}

static void who_has_none_fails(void **state)
{
    (void)state;
    auth_on_open(&r.auth);
    auth_bring(&r.auth, NULL, 0);
    assert_int_equal(r.failed, 1);
    assert_int_equal(r.ready, 0);
    expect_sent("");
}

static void before_its_end_a_newer_one_is_shown(void **state)
{
    (void)state;
    r.at_once = "one";
    auth_on_open(&r.auth);
    expect_sent("{'type':'auth','id':'a1','token':'one'}");
    r.at_once = NULL;
    take("{'type':'auth_expiring','expires_at':1,'room':'lobby'}");
    assert_int_equal(r.wanted, 1); /* that is a room's */
    take("{'type':'auth_expiring','expires_at':1}");
    assert_int_equal(r.wanted, 2);
    auth_bring(&r.auth, "two", 5000);
    expect_sent("{'type':'auth','id':'a2','token':'two'}");
    assert_int_equal(r.ready, 1);
}

static void the_same_one_is_no_newer(void **state)
{
    (void)state;
    r.at_once = "one";
    auth_on_open(&r.auth);
    expect_sent("{'type':'auth','id':'a1','token':'one'}");
    take("{'type':'auth_expiring','expires_at':1}");
    expect_sent("");
    assert_int_equal(r.retries, 1);
    assert_int_equal(auth_retry(&r.auth, 2999), 3000);
    r.at_once = "two";
    assert_int_equal(auth_retry(&r.auth, 3000), 0);
    expect_sent("{'type':'auth','id':'a2','token':'two'}");
}

static void while_keys_are_asked_for_it_is_shown_again(void **state)
{
    (void)state;
    r.at_once = "one";
    auth_on_open(&r.auth);
    expect_sent("{'type':'auth','id':'a1','token':'one'}");
    take("{'type':'error','id':'a7','code':'unavailable','retry_after_ms':2000}");
    assert_int_equal(r.retries, 0);
    take("{'type':'error','id':'a1','code':'unavailable','retry_after_ms':2000}");
    assert_int_equal(auth_retry(&r.auth, 6999), 7000);
    assert_int_equal(auth_retry(&r.auth, 7000), 0);
    expect_sent("{'type':'auth','id':'a2','token':'one'}");
}

static void what_comes_too_late_is_dropped(void **state)
{
    (void)state;
    auth_on_open(&r.auth);
    auth_on_lost(&r.auth);
    auth_bring(&r.auth, "one", 0);
    expect_sent("");
    assert_int_equal(r.ready, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_tokens_a_connection_is_ready_at_once),
        TEST(the_token_is_sent_before_all_else),
        TEST(each_connection_shows_one),
        TEST(who_has_none_fails),
        TEST(before_its_end_a_newer_one_is_shown),
        TEST(the_same_one_is_no_newer),
        TEST(while_keys_are_asked_for_it_is_shown_again),
        TEST(what_comes_too_late_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
