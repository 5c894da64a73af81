/* test_auth.c - the bearer token, and addresses that guess. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/auth.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { FAILURES_MAX = 3, REFILL_MS = 6000 };

static struct auth auth;

static struct auth_who who;

static enum auth_result check_at(const char *header, const char *address,
                                 uint64_t now_ms, uint64_t wall_ms)
{
    const struct auth_request request = {
        .header = {header, header ? strlen(header) : 0},
        .address = address,
        .now_ms = now_ms,
        .wall_ms = wall_ms,
    };

    return auth_check(&auth, &request, &who);
}

static enum auth_result check(const char *header, const char *address, uint64_t now_ms)
{
    return check_at(header, address, now_ms, 1);
}

/* Of a-token, b-token and c-token. */
#define A "1f6076e3a47ba1ded08025ffe06e57af217c14f9407f33fba50f99b1c7019387"
#define B "c033d6825ce303906a2a8cfc0f933e8380fefc8e039ef2bd3dabb97b1a27c875"
#define C "18c94cd8e0157cbfeb19f7d85189ba5b8d7a3dca8b62ed4ae2272ead811ba06f"

static void read_file(const char *text)
{
    const char *why;

    assert_int_equal(operators_parse(&auth.operators, text, &why), 0);
}

static const struct {
    const char *header;
    enum auth_result result;
} headers[] = {
    {NULL, AUTH_MISSING},
    {"Bearer secret", AUTH_OK},
    {"bearer secret", AUTH_OK},
    {"BEARER   secret", AUTH_OK},
    {"Bearer", AUTH_WRONG},
    {"Bearer ", AUTH_WRONG},
    {"Bearer secre", AUTH_WRONG},
    {"Bearer secrets", AUTH_WRONG},
    {"Bearer Secret", AUTH_WRONG},
    {"Bearer secret ", AUTH_WRONG},
    {"secret", AUTH_WRONG},
    {"Basic secret", AUTH_WRONG},
    {"", AUTH_WRONG},
};

static void only_the_token_is_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        char address[16];

        snprintf(address, sizeof(address), "10.0.0.%zu", i);
        print_message("  %s\n", headers[i].header ? headers[i].header : "none");
        assert_int_equal(check(headers[i].header, address, 1), headers[i].result);
    }
}

static void
wrong_tokens_of_an_address_are_throttled_and_the_right_one_is_not(void **state)
{
    (void)state;
    for (int i = 0; i < FAILURES_MAX; i++)
        assert_int_equal(check("Bearer x", "a", 1000), AUTH_WRONG);
    assert_int_equal(check("Bearer x", "a", 1000), AUTH_THROTTLED);
    assert_int_equal(check("Bearer secret", "a", 1000), AUTH_OK);
    assert_int_equal(check("Bearer x", "a", 1000), AUTH_THROTTLED);
    assert_int_equal(check("Bearer secret", "b", 1000), AUTH_OK);
    assert_int_equal(check(NULL, "a", 1000), AUTH_MISSING);
}

static void one_more_guess_comes_back_after_each_pause(void **state)
{
    (void)state;
    for (int i = 0; i < FAILURES_MAX; i++)
        check("Bearer x", "a", 1000);
    assert_int_equal(check("Bearer x", "a", 1000 + REFILL_MS - 1), AUTH_THROTTLED);
    assert_int_equal(check("Bearer x", "a", 1000 + REFILL_MS), AUTH_WRONG);
    assert_int_equal(check("Bearer x", "a", 1000 + REFILL_MS), AUTH_THROTTLED);
    assert_int_equal(check("Bearer secret", "a", 1000 + 2 * REFILL_MS), AUTH_OK);
}

static void failures_that_are_over_do_not_count(void **state)
{
    (void)state;
    check("Bearer x", "a", 1000);
    check("Bearer x", "a", 1000);
    for (int i = 0; i < FAILURES_MAX; i++)
        assert_int_equal(check("Bearer x", "a", 1000 + 2 * REFILL_MS), AUTH_WRONG);
    assert_int_equal(check("Bearer x", "a", 1000 + 2 * REFILL_MS), AUTH_THROTTLED);
    assert_int_equal(auth.failures.count, 1);
}

static void addresses_without_number_take_no_memory_without_bound(void **state)
{
    (void)state;
    for (int i = 0; i < 30000; i++) {
        char address[32];

        snprintf(address, sizeof(address), "2001:db8::%x", i);
        check("Bearer x", address, 1000);
    }
    assert_int_equal(auth.failures.count, 10000);
    assert_int_equal(check("Bearer x", "2001:db8::0", 1000), AUTH_WRONG);
}

static const struct {
    const char *header, *name;
    uint64_t wall_ms;
    enum auth_result result;
    enum role role;
} tokens[] = {
    {"Bearer secret", "admin", 1, AUTH_OK, ROLE_ADMIN},
    {"Bearer a-token", "ann", 1, AUTH_OK, ROLE_VIEWER},
    {"Bearer b-token", "ben", 1, AUTH_OK, ROLE_MODERATOR},
    {"Bearer b-token", "ben", 999999, AUTH_OK, ROLE_MODERATOR},
    {"Bearer b-token", "ben", 1000000, AUTH_EXPIRED, ROLE_MODERATOR},
    {"Bearer c-token", "ann", UINT64_MAX, AUTH_OK, ROLE_ADMIN},
    {"Bearer d-token", "", 1, AUTH_WRONG, ROLE_NONE},
    {"Bearer " A, "", 1, AUTH_WRONG, ROLE_NONE},
};

static void a_token_says_who_it_is_and_what_that_one_may(void **state)
{
    (void)state;
    read_file("ann viewer " A "\nben moderator " B " 1970-01-01T00:16:40Z\n"
              "ann admin " C "\n");
    for (size_t i = 0; i < COUNT(tokens); i++) {
        print_message("  %s\n", tokens[i].header);
        assert_int_equal(check_at(tokens[i].header, "a", 1, tokens[i].wall_ms),
                         tokens[i].result);
        assert_string_equal(who.name, tokens[i].name);
        assert_int_equal(who.role, tokens[i].role);
        for (enum role need = ROLE_VIEWER; need < ROLES_COUNT; need++)
            assert_int_equal(auth_permit(&auth, &who, need),
                             who.role >= need ? AUTH_OK : AUTH_FORBIDDEN);
    }
}

static void an_expired_token_is_no_guess(void **state)
{
    (void)state;
    read_file("ben moderator " B " 1970-01-01T00:16:40Z\n");
    for (int i = 0; i < 3 * FAILURES_MAX; i++)
        assert_int_equal(check_at("Bearer b-token", "a", 1, 1000000), AUTH_EXPIRED);
    assert_int_equal(check("Bearer x", "a", 1), AUTH_WRONG);
}

static void a_token_holds_while_its_line_is_as_it_was(void **state)
{
    struct auth_who admin;

    (void)state;
    assert_false(auth_names_are_proven(&auth));
    read_file("ben moderator " B " 1970-01-01T00:16:40Z\n");
    assert_true(auth_names_are_proven(&auth));
    assert_int_equal(check("Bearer secret", "a", 1), AUTH_OK);
    admin = who;
    assert_int_equal(check("Bearer b-token", "a", 1), AUTH_OK);
    assert_true(auth_holds(&auth, &who, 999999));
    assert_false(auth_holds(&auth, &who, 1000000));
    read_file("ben viewer " B "\n");
    assert_false(auth_holds(&auth, &who, 1));
    read_file("ben moderator " A "\n");
    assert_false(auth_holds(&auth, &who, 1));
    read_file("");
    assert_false(auth_holds(&auth, &who, 1));
    assert_true(auth_holds(&auth, &admin, UINT64_MAX));
}

#define SESSION "rcs_0123456789012345678901234567890123456789012"

static void a_token_of_a_session_is_asked_for_where_there_are_some(void **state)
{
    static const char *const others[] = {
        "Bearer rcs_012345678901234567890123456789012345678901",
        "Bearer " SESSION "3",
        "Bearer RCS_0123456789012345678901234567890123456789012",
        "Bearer 00000123456789012345678901234567890123456789012",
    };

    (void)state;
    assert_int_equal(check("Bearer " SESSION, "a", 1), AUTH_WRONG);
    auth.has_sessions = true;
    assert_true(auth_names_are_proven(&auth));
    for (size_t i = 0; i < COUNT(others); i++) {
        char address[16];

        snprintf(address, sizeof(address), "10.0.0.%zu", i);
        assert_int_equal(check(others[i], address, 1), AUTH_WRONG);
    }
    for (int i = 0; i < 3 * FAILURES_MAX; i++)
        assert_int_equal(check("Bearer " SESSION, "b", 1), AUTH_ASK);
}

static void what_is_known_of_a_session_decides(void **state)
{
    struct auth_request request = {.address = "a", .now_ms = 1, .wall_ms = 999};

    (void)state;
    auth.has_sessions = true;
    assert_int_equal(check("Bearer " SESSION, "a", 1), AUTH_ASK);
    who.role = ROLE_MODERATOR;
    who.until_ms = 1000;
    assert_int_equal(auth_answer(&auth, &request, &who, false), AUTH_OK);
    assert_true(auth_holds(&auth, &who, 999));
    request.wall_ms = 1000;
    assert_int_equal(auth_answer(&auth, &request, &who, false), AUTH_EXPIRED);
    assert_false(auth_holds(&auth, &who, 1000));
    for (int i = 0; i < FAILURES_MAX; i++)
        assert_int_equal(auth_answer(&auth, &request, &who, true), AUTH_WRONG);
    assert_int_equal(auth_answer(&auth, &request, &who, true), AUTH_THROTTLED);
}

#define TOTAL(role, result)                                                            \
    "\nroomcast_admin_auth_total{role=\"" role "\",result=\"" result "\"} "

static const char *const counted[] = {
    TOTAL("viewer", "ok") "1\n",         TOTAL("viewer", "forbidden") "2\n",
    TOTAL("moderator", "expired") "1\n", TOTAL("moderator", "ok") "0\n",
    TOTAL("none", "missing") "1\n",      TOTAL("none", "wrong") "3\n",
    TOTAL("none", "throttled") "1\n",    TOTAL("admin", "ok") "0\n",
};

static void what_comes_of_requests_is_counted_by_role(void **state)
{
    struct strbuf out = {NULL, 0, 0};

    (void)state;
    read_file("ann viewer " A "\nben moderator " B " 1970-01-01T00:16:40Z\n");
    check("Bearer a-token", "a", 1);
    auth_permit(&auth, &who, ROLE_VIEWER);
    auth_permit(&auth, &who, ROLE_ADMIN);
    auth_permit(&auth, &who, ROLE_ADMIN);
    check_at("Bearer b-token", "a", 1, 1000000);
    check(NULL, "a", 1);
    for (int i = 0; i <= FAILURES_MAX; i++)
        check("Bearer x", "a", 1);
    auth_print_metrics(&auth, &out);
    for (size_t i = 0; i < COUNT(counted); i++)
        if (!strstr(out.data, counted[i]))
            fail_msg("no %s in\n%s", counted[i], out.data);
    strbuf_deinit(&out);
}

static int begin(void **state)
{
    (void)state;
    auth_init(&auth, "secret", FAILURES_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    auth_deinit(&auth);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_the_token_is_right),
        TEST(wrong_tokens_of_an_address_are_throttled_and_the_right_one_is_not),
        TEST(one_more_guess_comes_back_after_each_pause),
        TEST(failures_that_are_over_do_not_count),
        TEST(addresses_without_number_take_no_memory_without_bound),
        TEST(a_token_says_who_it_is_and_what_that_one_may),
        TEST(an_expired_token_is_no_guess),
        TEST(a_token_holds_while_its_line_is_as_it_was),
        TEST(a_token_of_a_session_is_asked_for_where_there_are_some),
        TEST(what_is_known_of_a_session_decides),
        TEST(what_comes_of_requests_is_counted_by_role),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
