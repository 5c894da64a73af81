/* test_admin_bodies.c - bodies that are no JSON, not of the right kind, or huge: each is
 * refused with an error object, nothing of it takes effect, and the service lives on.
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
#include "common/xalloc.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* As a header of a request by hand. */
#define AUTHORIZED "Authorization: Bearer " ADMIN_TOKEN "\r\n"

enum { BODY_MAX = 65536, SHORT_MS = 300 };

static struct fleet fleet;
static struct admin admin;
static struct chat *ann;

/* The service answers, the room is as it was, and nothing was said in it. */
static void expect_untouched(void)
{
    admin_get(&admin, 200, "/api/rooms/lobby");
    assert_int_equal(admin_number(&admin, "members"), 1);
    assert_int_equal(admin_number(&admin, "seq"), 0);
    chat_expect_silence(ann, SHORT_MS);
}

/* ---- JSON ---- */

struct body {
    const char *what, *bytes; /* with single quotes */
    size_t len;               /* 0: a string */
};

static const struct body bad_messages[] = {
    {"empty", " ", 0},
    {"a word", "hello", 0},
    {"null", "null", 0},
    {"an array", "[{'text':'x'}]", 0},
    {"a string", "'text'", 0},
    {"nothing in it", "{}", 0},
    {"not closed", "{'text':'x'", 0},
    {"a string not closed", "{'text':'x", 0},
    {"bytes behind", "{'text':'x'}x", 0},
    {"an object behind", "{'text':'x'}{}", 0},
    {"a comma behind", "{'text':'x',}", 0},
    {"a NUL behind", "{'text':'x'}\0", 13},
    {"a NUL in front", "\0{'text':'x'}", 13},
    {"a NUL within", "{'text':'a\0b'}", 14},
    {"a raw line end in a string", "{'text':'a\nb'}", 0},
    {"a byte order mark", "\xef\xbb\xbf{'text':'x'}", 0},
    {"a comment", "{'text':'x'/**/}", 0},
    {"UTF-8 cut short", "{'text':'\xc3'}", 0},
    {"UTF-8 overlong", "{'text':'\xc0\xaf'}", 0},
    {"a surrogate in UTF-8", "{'text':'\xed\xa0\x80'}", 0},
    {"Latin-1", "{'text':'\xfc'}", 0},
    {"UTF-16", "{\0'\0t\0'\0:\0'\0x\0'\0}\0", 16},
    {"half a surrogate pair", "{'text':'\\ud800'}", 0},
    {"a bad escape", "{'text':'\\x'}", 0},
    {"an escaped NUL", "{'text':'a\\u0000b'}", 0},
    {"text as a number", "{'text':5}", 0},
    {"text as null", "{'text':null}", 0},
    {"text as an array", "{'text':['x']}", 0},
    {"text in other letters", "{'Text':'x'}", 0},
    {"user as a number", "{'text':'x','user':5}", 0},
    {"user empty", "{'text':'x','user':''}", 0},
    {"user with a brace", "{'text':'x','user':'{'}", 0},
    {"user with a line end", "{'text':'x','user':'a\\nb'}", 0},
    {"user with a NUL", "{'text':'x','user':'a\\u0000b'}", 0},
    {"user too long",
     "{'text':'x','user':"
     "'u1234567890123456789012345678901234567890123456789012345678901234'}",
     0},
    {"key as a number", "{'text':'x','key':5}", 0},
    {"key empty", "{'text':'x','key':''}", 0},
    {"a number that is none", "{'text':'x','data':01}", 0},
    {"a number of nothing", "{'text':'x','data':NaN}", 0},
};

/* A body as it stands here. */
static void expect_bad_message(const char *bytes, size_t len)
{
    admin_ask(&admin, &(struct admin_request){.method = "POST",
                                              .path = "/api/rooms/lobby/messages",
                                              .body = bytes,
                                              .body_len = len});
    admin_expect_error(&admin, 400, "bad_request");
}

static void bodies_that_are_no_message_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_messages); i++) {
        const struct body *body = &bad_messages[i];
        size_t len = body->len ? body->len : strlen(body->bytes);
        char *bytes = xmemdup(body->bytes, len);

        print_message("  %s\n", body->what);
        q_turn(bytes, len);
        expect_bad_message(bytes, len);
        free(bytes);
    }
    print_message("  single quotes\n");
    expect_bad_message("{'text':'x'}", 0);
    admin_post(&admin, 400, NULL, "/api/rooms/lobby/messages");
    admin_expect_error(&admin, 400, "bad_request");
    expect_untouched();
}

static const struct {
    const char *path, *body;
} bad_orders[] = {
    {"/api/rooms/lobby/kick/ann", "[]"},
    {"/api/rooms/lobby/kick/ann", "null"},
    {"/api/rooms/lobby/kick/ann", "{'reason':5}"},
    {"/api/rooms/lobby/kick/ann", "{'reason':'\xff'}"},
    {"/api/rooms/lobby/kick/ann", "{'ban_secs':'60'}"},
    {"/api/rooms/lobby/kick/ann", "{'ban_secs':-1}"},
    {"/api/rooms/lobby/kick/ann", "{'ban_secs':1.5}"},
    {"/api/rooms/lobby/kick/ann", "{'ban_secs':1e300}"},
    {"/api/rooms/lobby/kick/ann", "{'ban_secs':60}}"},
    {"/api/rooms/lobby/close", "{'reason':[]}"},
    {"/api/rooms/lobby/close", "{"},
    {"/api/rooms/lobby/ban/ann", "{}"},
    {"/api/rooms/lobby/ban/ann", "{'secs':null}"},
    {"/api/rooms/lobby/ban/ann", "{'secs':true}"},
    {"/api/rooms/lobby/ban/ann", "{'secs':-0.5}"},
    {"/api/rooms/lobby/ban/ann", "{'secs':1e400}"},
    {"/api/rooms/lobby/ban/ann", "{'secs':99999999999999999999}"},
    {"/api/rooms/lobby/ban/ann", "{'secs':9223372036854775807}"},
    {"/api/rooms/lobby/ban/ann", "{'secs':60,'reason':{}}"},
    {"/api/rooms/lobby/ban/ann", "{'secs':315360001}"},
    {"/api/rooms/lobby/kick/ann", "{'reason':'a\\nb'}"},
    {"/api/rooms/lobby/close", "{'reason':'a\\u0000b'}"},
    {"/api/rooms/lobby/mute/ann", "{}"},
    {"/api/rooms/lobby/mute/ann", "{'secs':''}"},
    {"/api/rooms/lobby/mute/ann", "{'secs':[0]}"},
    {"/api/rooms/lobby/mute/ann", "{'secs':-9007199254740993}"},
};

static void orders_that_are_malformed_have_no_effect(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_orders); i++) {
        print_message("  %s %s\n", bad_orders[i].path, bad_orders[i].body);
        admin_ask(&admin, &(struct admin_request){.method = "POST",
                                                  .path = bad_orders[i].path,
                                                  .body = q(bad_orders[i].body)});
        admin_expect_error(&admin, 400, "bad_request");
    }
    expect_untouched();
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{lobby}:bans"), 0);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "EXISTS rc:{lobby}:mutes"), 0);
    assert_int_equal(redis_cmd_number(fleet.redis_port, "XLEN rc:audit"), 0);
}

static const struct {
    const char *path, *head; /* of a body; a text and the end of the object follow */
    int longest;
} long_texts[] = {
    {"/api/rooms/lobby/kick/nobody", "{'reason':", 256},
    {"/api/rooms/none/close", "{'reason':", 256},
    {"/api/rooms/none/messages", "{'text':'x','key':", 64},
};

static void a_field_over_its_limit_is_too_large(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(long_texts); i++) {
        char body[512];
        int longest = long_texts[i].longest;

        snprintf(body, sizeof(body), q("%s'%0*d'}"), q(long_texts[i].head), longest, 0);
        admin_post(&admin, 404, body, "%s", long_texts[i].path);
        snprintf(body, sizeof(body), q("%s'%0*d'}"), q(long_texts[i].head), longest + 1,
                 0);
        admin_post(&admin, 413, body, "%s", long_texts[i].path);
        admin_expect_error(&admin, 413, "too_large");
    }
    expect_untouched();
}

static void deep_nesting_is_refused(void **state)
{
    static const int depths[] = {40, 1000, 30000};

    (void)state;
    for (size_t i = 0; i < COUNT(depths); i++) {
        struct strbuf body = {0};

        strbuf_add_text(&body, q("{'text':'x','data':"));
        for (int k = 0; k < depths[i]; k++)
            strbuf_add_char(&body, '[');
        for (int k = 0; k < depths[i]; k++)
            strbuf_add_char(&body, ']');
        strbuf_add_char(&body, '}');
        admin_post(&admin, 400, body.data, "/api/rooms/lobby/messages");
        admin_expect_error(&admin, 400, "bad_request");
        strbuf_deinit(&body);
    }
    expect_untouched();
}

/* ---- size ---- */

/* A message of `len` bytes in all, to be freed. */
static char *make_message(size_t len)
{
    static const char head[] = "{'text':'", tail[] = "'}";
    char *body = xcalloc(1, len + 1);

    memset(body, 'x', len);
    memcpy(body, head, strlen(head));
    memcpy(body + len - strlen(tail), tail, strlen(tail));
    q_turn(body, len);
    return body;
}

static void bodies_over_the_limit_are_too_large(void **state)
{
    static const size_t sizes[] = {BODY_MAX + 1, 1000000, 20000000};
    static const char *const plain[] = {"-H", "Expect:", NULL};
    static const char *const chunked[] = {"-H", "Transfer-Encoding: chunked", "-H",
                                          "Expect:", NULL};
    static const char *const asking[] = {"-H", "Expect: 100-continue", NULL};
    static const char *const *const ways[] = {plain, chunked, asking};

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t k = 0; k < COUNT(ways); k++) {
            char *body = make_message(sizes[i]);

            print_message("  %zu bytes, %s\n", sizes[i], ways[k][1]);
            admin_ask(&admin,
                      &(struct admin_request){.method = "POST",
                                              .path = "/api/rooms/lobby/messages",
                                              .body = body,
                                              .options = ways[k]});
            free(body);
            admin_expect_error(&admin, 413, "too_large");
        }
    expect_untouched();
}

static void a_body_that_is_only_announced_is_too_large_at_once(void **state)
{
    static const char *const lengths[] = {"65537", "99999999999", "4294967297"};

    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct http_answer answer = {0};
        char request[512];

        print_message("  %s\n", lengths[i]);
        snprintf(request, sizeof(request),
                 "POST /api/rooms/lobby/messages HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
                 "Connection: close\r\nContent-Length: %s\r\n\r\n{",
                 lengths[i]);
        http_get_raw(&answer, admin.port, request);
        admin_expect_error_in(&answer, 413, "too_large");
        http_get_deinit(&answer);
    }
    expect_untouched();
}

static void a_huge_body_without_a_token_is_unauthorized_or_too_large(void **state)
{
    char *body = make_message(1000000);

    (void)state;
    admin_ask(&admin, &(struct admin_request){.method = "POST",
                                              .path = "/api/rooms/lobby/messages",
                                              .token = "",
                                              .body = body});
    free(body);
    if (admin.answer.status != 401)
        admin_expect_error(&admin, 413, "too_large");
    expect_untouched();
}

/* The last test, because it says something in the room. */
static void a_body_at_the_limit_is_taken(void **state)
{
    char *body = make_message(BODY_MAX);

    (void)state;
    admin_post(&admin, 201, body, "/api/rooms/lobby/messages");
    free(body);
    chat_expect(ann, "message");
    assert_true(strlen(chat_get_text(ann, "text")) > BODY_MAX - 100);
}

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_PING_INTERVAL_SECS=3600", NULL};

    (void)state;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1, .settings = settings});
    admin_start(&admin, &fleet, (const char *[]){"ROOMCAST_ADMIN_FAILURES=1000", NULL});
    ann = chat_open(fleet.gateways[0].port);
    chat_join(ann, "lobby", "ann");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    chat_abort(ann);
    admin_stop(&admin);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_that_are_no_message_are_refused),
        cmocka_unit_test(orders_that_are_malformed_have_no_effect),
        cmocka_unit_test(a_field_over_its_limit_is_too_large),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(bodies_over_the_limit_are_too_large),
        cmocka_unit_test(a_body_that_is_only_announced_is_too_large_at_once),
        cmocka_unit_test(a_huge_body_without_a_token_is_unauthorized_or_too_large),
        cmocka_unit_test(a_body_at_the_limit_is_taken),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
