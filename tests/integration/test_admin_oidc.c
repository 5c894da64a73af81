/* test_admin_oidc.c - signing in by an OpenID provider, with two replicas of the admin service: whatever one
 * begins the other one may end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/sha.h>

#include "common/base64url.h"
#include "common/clock.h"
#include "common/digits.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/provider.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TAB "the secret of the tab"
#define CLIENT_SECRET "the client's: 100%"
#define REDIRECT_URL "http://127.0.0.1:9/oidc/callback"
#define HOURS_8 (8 * 60 * 60 * 1000.0)

enum { PATIENCE_MS = 45000, TEXTS_MAX = 64 };

static struct fleet fleet;
static struct provider provider;
static struct admin first, second;
static char *seen[TEXTS_MAX]; /* that no log may have: states, codes, tokens */
static size_t seen_count;

static void note_secret(const char *text)
{
    assert_true(seen_count < TEXTS_MAX);
    seen[seen_count++] = print_text("%s", text);
}

/* ---- the way of a browser ---- */

static char *challenge_of(const char *secret)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    struct strbuf text = {NULL, 0, 0};

    SHA256((const unsigned char *)secret, strlen(secret), digest);
    base64url_add(&text, digest, sizeof(digest));
    return text.data;
}

static int ask(struct admin *admin, const char *path)
{
    return admin_ask(admin, &(struct admin_request){.path = path, .token = ""});
}

/* Where an answer sends to; to be freed. */
static char *location_of(const struct http_answer *answer)
{
    static const char name[] = "\r\nlocation: ";
    const char *at = strcasestr(answer->head, name);

    assert_non_null(at);
    at += strlen(name);
    return print_text("%.*s", (int)strcspn(at, "\r"), at);
}

/* From /oidc/login to where the provider sends back to: a path with code and state. */
static char *go_there(struct admin *admin, const char *secret)
{
    char *challenge = challenge_of(secret), *there, *back, *path;
    char *login = print_text("/oidc/login?challenge=%s", challenge);
    struct http_answer answer = {0};

    assert_int_equal(ask(admin, login), 302);
    there = location_of(&admin->answer);
    assert_memory_equal(there, provider.url, strlen(provider.url));
    http_get(&answer, provider.port, there + strlen(provider.url));
    assert_int_equal(answer.status, 302);
    back = location_of(&answer);
    assert_memory_equal(back, REDIRECT_URL "?", sizeof(REDIRECT_URL));
    path = print_text("/oidc/callback?%s", back + sizeof(REDIRECT_URL));
    http_get_deinit(&answer);
    free(challenge);
    free(login);
    free(there);
    free(back);
    return path;
}

/* The code of `/#login=…`; to be freed. */
static char *come_back(struct admin *admin, const char *path)
{
    static const char begins[] = "/#login=";
    char *there, *code;

    assert_int_equal(ask(admin, path), 302);
    there = location_of(&admin->answer);
    assert_memory_equal(there, begins, strlen(begins));
    code = print_text("%s", there + strlen(begins));
    assert_int_equal(strlen(code), 43);
    note_secret(code);
    free(there);
    return code;
}

static int redeem(struct admin *admin, const char *code, const char *secret)
{
    char *body = print_text("{\"code\":\"%s\",\"secret\":\"%s\"}", code, secret);
    int status = admin_ask(admin, &(struct admin_request){.method = "POST",
                                                          .path = "/api/session",
                                                          .token = "",
                                                          .body = body});

    free(body);
    return status;
}

/* To be freed. */
static char *sign_in(void)
{
    char *path = go_there(&first, TAB), *code = come_back(&second, path), *token;

    assert_int_equal(redeem(&first, code, TAB), 201);
    token = print_text("%s", admin_text(&first, "token"));
    note_secret(token);
    free(path);
    free(code);
    return token;
}

static int ask_as(struct admin *admin, const char *token, const char *method,
                  const char *path)
{
    return admin_ask(
        admin, &(struct admin_request){.method = method, .path = path, .token = token});
}

/* ---- in ---- */

static void somebody_signs_in_with_a_name_and_a_role(void **state)
{
    char *token = sign_in();
    double left = admin_number(&first, "expires_at") - (double)clock_ms();

    (void)state;
    assert_memory_equal(token, "rcs_", 4);
    assert_string_equal(admin_text(&first, "name"), "oidc:ann@example.org");
    assert_string_equal(admin_text(&first, "role"), "admin");
    assert_true(left > HOURS_8 - 60000 && left <= HOURS_8);
    assert_int_equal(ask_as(&second, token, "GET", "/api/session"), 200);
    assert_string_equal(admin_text(&second, "name"), "oidc:ann@example.org");
    assert_string_equal(admin_text(&second, "role"), "admin");
    assert_int_equal(
        admin_ask(&second,
                  &(struct admin_request){.method = "POST",
                                          .path = "/api/rooms/a%20b/mute/bob?user=ben",
                                          .token = token,
                                          .body = q("{'secs':1,'reason':'spam'}")}),
        200);
    admin_get(&first, 200, "/api/audit?limit=1");
    assert_string_equal(admin_text(&first, "entries.0.who"), "oidc:ann@example.org");
    assert_string_equal(admin_text(&first, "entries.0.room"), "a b");
    assert_string_equal(admin_text(&first, "entries.0.user"), "ben");
    free(token);
}

static void redis_has_the_digest_of_the_token_and_not_the_token(void **state)
{
    char *token = sign_in(), hex[2 * SHA256_DIGEST_LENGTH + 1];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    double left;

    (void)state;
    SHA256((const unsigned char *)token, strlen(token), digest);
    digits_print_hex(hex, digest, sizeof(digest));
    left = (double)redis_cmd_number(fleet.redis_port, "PTTL rc:session:%s", hex);
    assert_true(left > HOURS_8 - 60000 && left <= HOURS_8);
    assert_int_equal(
        redis_cmd_number(fleet.redis_port, "EVAL %s 0 %s",
                         "local found = 0 "
                         "for _, key in ipairs(redis.call('KEYS', 'rc:[ls]*')) do "
                         "if redis.call('TYPE', key).ok == 'string' and "
                         "(key .. redis.call('GET', key)):find(ARGV[1], 1, true) "
                         "then found = found + 1 end end return found",
                         token),
        0);
    free(token);
}

static void the_role_comes_from_the_groups(void **state)
{
    char *token;

    (void)state;
    provider_set_person(&provider, q("{'groups':'mods','email':null}"));
    token = sign_in();
    assert_string_equal(admin_text(&first, "name"), "oidc:s-1");
    assert_string_equal(admin_text(&first, "role"), "moderator");
    assert_int_equal(ask_as(&second, token, "POST", "/api/rooms/1/close"), 403);
    assert_int_equal(ask_as(&second, token, "POST", "/api/users/nobody/disconnect"),
                     200);
    provider_set_person(&provider, "{}");
    free(token);
}

static void the_console_is_told_that_there_is_a_provider(void **state)
{
    (void)state;
    assert_int_equal(ask(&first, "/config.json"), 200);
    assert_true(admin_is_true(&first, "oidc"));
}

/* ---- and not ---- */

static const struct {
    const char *claims, *kid, *logged;
    int status;
} refused[] = {
    {"{'nonce':'another'}", "own", "result=nonce", 403},
    {"{'nonce':null}", "own", "result=nonce", 403},
    {"{'aud':'another'}", "own", "result=token why=audience", 403},
    {"{'aud':['console','another']}", "own", "result=token why=audience", 403},
    {"{'iss':'https://other.example'}", "own", "result=token why=issuer", 403},
    {"{'exp':1700000000,'iat':1699999000}", "own", "result=token why=expired", 403},
    {"{'groups':null}", "own", "result=role", 403},
    {"{'groups':['others']}", "own", "result=role", 403},
    {"{'sub':null,'email':null}", "own", "result=name", 403},
    {"{}", "unknown", "result=unknown_kid", 503},
};

static void what_the_provider_says_must_be_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        char *path;

        print_message("  %s %s\n", refused[i].claims, refused[i].kid);
        provider_set_person(&provider, q(refused[i].claims));
        provider_set_kid(&provider, refused[i].kid);
        path = go_there(&first, TAB);
        assert_int_equal(ask(&first, path), refused[i].status);
        assert_null(strcasestr(first.answer.head, "\r\nlocation:"));
        process_expect_logged(first.log_path, refused[i].logged);
        free(path);
    }
    provider_set_person(&provider, "{}");
    provider_set_kid(&provider, "own");
}

static void a_state_is_taken_once(void **state)
{
    char *path = go_there(&first, TAB), *code = come_back(&second, path);

    (void)state;
    assert_int_equal(ask(&second, path), 403);
    assert_int_equal(ask(&first, path), 403);
    assert_int_equal(redeem(&first, code, TAB), 201);
    note_secret(admin_text(&first, "token"));
    free(code);
    free(path);
}

static void a_code_is_taken_once(void **state)
{
    char *path = go_there(&first, TAB), *code = come_back(&first, path);

    (void)state;
    assert_int_equal(redeem(&second, code, TAB), 201);
    note_secret(admin_text(&second, "token"));
    assert_int_equal(redeem(&second, code, TAB), 403);
    admin_expect_error(&second, 403, "forbidden");
    assert_int_equal(redeem(&first, code, TAB), 403);
    free(code);
    free(path);
}

static void a_code_is_of_the_tab_that_began(void **state)
{
    char *path = go_there(&first, "another tab"), *code = come_back(&first, path);

    (void)state;
    assert_int_equal(redeem(&first, code, TAB), 403);
    assert_int_equal(redeem(&first, code, "another tab"), 403); /* it was taken */
    free(code);
    free(path);
}

static void codes_and_states_end_by_themselves(void **state)
{
    char *path = go_there(&first, TAB), *code;
    const char *of_path = strstr(path, "state=") + strlen("state=");
    double left =
        (double)redis_cmd_number(fleet.redis_port, "PTTL rc:login:%s", of_path);

    (void)state;
    assert_true(left > 540000 && left <= 600000);
    redis_cmd_number(fleet.redis_port, "DEL rc:login:%s", of_path);
    assert_int_equal(ask(&first, path), 403);
    free(path);
    path = go_there(&first, TAB);
    code = come_back(&first, path);
    left = (double)redis_cmd_number(
        fleet.redis_port, "EVAL %s 0",
        "return redis.call('PTTL', redis.call('KEYS', 'rc:login:code:*')[1])");
    assert_true(left > 0 && left <= 60000);
    assert_int_equal(
        redis_cmd_number(fleet.redis_port, "EVAL %s 0",
                         "return redis.call('DEL', unpack(redis.call('KEYS', "
                         "'rc:login:code:*')))"),
        1);
    assert_int_equal(redeem(&first, code, TAB), 403);
    free(code);
    free(path);
}

static const struct {
    const char *path;
    int status;
} odd_ways[] = {
    {"/oidc/login", 400},
    {"/oidc/login?challenge=", 400},
    {"/oidc/login?challenge=short", 400},
    {"/oidc/login?challenge=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB", 400},
    {"/oidc/login?challenge=+AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 400},
    {"/oidc/callback", 403},
    {"/oidc/callback?state=x&code=y", 403},
    {"/oidc/callback?code=y&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 403},
    {"/oidc/callback?code=%zz&state=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 403},
};

static void odd_ways_lead_nowhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(odd_ways); i++) {
        print_message("  %s\n", odd_ways[i].path);
        assert_int_equal(ask(&first, odd_ways[i].path), odd_ways[i].status);
    }
    assert_int_equal(redeem(&first, "x", TAB), 403);
    assert_int_equal(redeem(&first, "", TAB), 400);
    assert_int_equal(redeem(&first, "x", ""), 400);
    admin_ask(&first, &(struct admin_request){.method = "POST",
                                              .path = "/api/session",
                                              .token = "",
                                              .body = q("{'code':5,'secret':'x'}")});
    admin_expect_error(&first, 400, "bad_request");
}

static void a_refusal_of_the_provider_takes_the_state(void **state)
{
    char *path = go_there(&first, TAB);
    char *refusal =
        print_text("/oidc/callback?error=access_denied&%s", strstr(path, "state="));

    (void)state;
    assert_int_equal(ask(&first, refusal), 403);
    assert_int_equal(ask(&first, path), 403);
    free(refusal);
    free(path);
}

#define NOT_IN "You are not signed in: "
#define SAYS " The provider says: "

static const struct {
    const char *query, *line;
} denials[] = {
    {"error=access_denied",
     NOT_IN "it was refused, by you or by the provider." SAYS "access_denied\n"},
    {"error=access_denied&error_description=Not+in+the+team%21",
     NOT_IN "it was refused, by you or by the provider." SAYS
            "access_denied, Not in the team!\n"},
    {"code=x&error=server_error",
     NOT_IN "the provider has failed. Try again later." SAYS "server_error\n"},
    {"error=%3Cb%3E&error_description=%3Cscript%3E%0D%0Aalert%22%5C%00%C3%A9",
     NOT_IN "the provider refuses what this service asks for." SAYS
            "<b>, <script>??alert?????\n"},
};

static double logins(const char *result)
{
    char *name = print_text("roomcast_oidc_logins_total{result=\"%s\"}", result);
    double value = http_get_metric(first.port, name);

    free(name);
    return value;
}

/* With a state of its own. */
static void be_denied(const char *query)
{
    char *path = go_there(&first, TAB);
    char *back = print_text("/oidc/callback?%s&%s", query, strstr(path, "state="));

    assert_int_equal(ask(&first, back), 403);
    assert_non_null(
        strcasestr(first.answer.head, "\r\ncontent-type: text/plain; charset=utf-8"));
    assert_non_null(
        strcasestr(first.answer.head, "\r\nx-content-type-options: nosniff"));
    free(path);
    free(back);
}

static void what_the_provider_says_instead_of_a_code_can_be_read(void **state)
{
    double before = logins("denied"), others = logins("login");
    char *longest = print_text("error=x&error_description=%05000d", 7), *odd;

    (void)state;
    for (size_t i = 0; i < COUNT(denials); i++) {
        print_message("  %s\n", denials[i].query);
        be_denied(denials[i].query);
        assert_string_equal(first.answer.body, denials[i].line);
    }
    assert_true(admin_has_logged(
        &first, "login_refused result=denied why=\"it was refused, by you or by the "
                "provider. The provider says: access_denied, Not in the team!\""));
    be_denied(longest);
    assert_true(strlen(first.answer.body) < 400);
    assert_non_null(strstr(first.answer.body, "000...\n"));
    assert_true(logins("denied") == before + COUNT(denials) + 1);
    odd =
        print_text("/oidc/callback?error=x&error_description=whatever&state=%043d", 0);
    assert_int_equal(ask(&first, odd), 403);
    assert_null(strstr(first.answer.body, "whatever"));
    assert_true(logins("login") == others + 1);
    assert_true(logins("ok") > 0 && logins("nonce") > 0 && logins("role") > 0);
    free(longest);
    free(odd);
}

static bool tells_the_way(void *data)
{
    char *challenge = challenge_of(TAB);
    char *login = print_text("/oidc/login?challenge=%s", challenge);
    int status = ask(data, login);

    free(login);
    free(challenge);
    return status == 302;
}

enum { MANY = 200 };

/* Whether not all are let through: of those that come within a second twenty are. */
static bool refuses_some(void *data)
{
    const char *const options[] = {"--parallel", "--parallel-max", "8", NULL};
    double before = (double)redis_cmd_number(fleet.redis_port, "DBSIZE");

    admin_ask(&first,
              &(struct admin_request){.path = data, .token = "", .options = options});
    return (double)redis_cmd_number(fleet.redis_port, "DBSIZE") - before < MANY;
}

static void only_so_many_may_begin_in_a_second(void **state)
{
    char *challenge = challenge_of(TAB);
    char *many = print_text("/oidc/login?challenge=%s&n=[1-%d]", challenge, MANY);

    (void)state;
    assert_true(wait_until(refuses_some, many, PATIENCE_MS));
    assert_true(wait_until(tells_the_way, &first, PATIENCE_MS));
    free(many);
    free(challenge);
}

/* ---- out ---- */

static void start_listening(struct process *curl, const struct admin *admin,
                            const char *token, const char *log_path)
{
    char *url = print_text("http://127.0.0.1:%d/api/events", admin->port);
    char *header = print_text("Authorization: Bearer %s", token);

    *curl = (struct process){0};
    process_start(curl, (const char *[]){"curl", "-sS", "-N", "-H", header, url, NULL},
                  NULL, log_path);
    process_expect_logged(log_path, "event: stats");
    free(header);
    free(url);
}

static void who_signs_out_is_out_everywhere(void **state)
{
    char *token = sign_in();
    char *here = print_text("%s/here", fleet.dir),
         *there = print_text("%s/there", fleet.dir);
    struct process listeners[2];

    (void)state;
    start_listening(&listeners[0], &first, token, here);
    start_listening(&listeners[1], &second, token, there);
    assert_int_equal(ask_as(&first, token, "DELETE", "/api/session"), 200);
    assert_int_equal(ask_as(&first, token, "GET", "/api/session"), 401);
    assert_int_equal(ask_as(&second, token, "GET", "/api/session"), 401);
    assert_int_equal(ask_as(&second, token, "DELETE", "/api/session"), 401);
    for (int i = 0; i < 2; i++)
        assert_int_equal(process_wait(&listeners[i], PATIENCE_MS), 0);
    unlink(here);
    unlink(there);
    free(here);
    free(there);
    free(token);
}

static void a_token_of_the_settings_does_not_end_so(void **state)
{
    (void)state;
    assert_int_equal(ask_as(&first, ADMIN_TOKEN, "DELETE", "/api/session"), 409);
    admin_get(&first, 200, "/api/session");
}

/* ---- away ---- */

static bool is_away(void *data)
{
    return ask_as(data, ADMIN_TOKEN, "GET", "/api/stats") == 503;
}

static void a_session_needs_redis_and_auth_token_does_not(void **state)
{
    char *token = sign_in();

    (void)state;
    fleet_kill_redis(&fleet);
    assert_true(wait_until(is_away, &first, PATIENCE_MS));
    assert_int_equal(ask_as(&first, token, "GET", "/api/session"), 503);
    assert_int_equal(ask_as(&first, ADMIN_TOKEN, "GET", "/api/session"), 200);
    fleet_start_redis(&fleet);
    admin_wait_ready(&first);
    admin_wait_ready(&second);
    free(token);
}

static bool is_asked(void *data)
{
    return provider_is_asked(data);
}

static void a_provider_that_is_silent_does_not_keep_it_from_stopping(void **state)
{
    struct admin other;
    struct process curl = {0};
    char *issuer = print_text("ROOMCAST_OIDC_ISSUER=%s", provider.url), *path, *there;
    char *log_path = print_text("%s/waiting", fleet.dir);

    (void)state;
    admin_start(&other, &fleet,
                (const char *[]){issuer, "ROOMCAST_OIDC_CLIENT_ID=console",
                                 "ROOMCAST_OIDC_REDIRECT_URL=" REDIRECT_URL,
                                 "ROOMCAST_OIDC_VIEWER=*", NULL});
    assert_true(wait_until(tells_the_way, &other, PATIENCE_MS));
    path = go_there(&other, TAB);
    there = print_text("http://127.0.0.1:%d%s", other.port, path);
    provider_silence(&provider, true);
    process_start(&curl, (const char *[]){"curl", "-sS", there, NULL}, NULL, log_path);
    assert_true(wait_until(is_asked, &provider, PATIENCE_MS));
    admin_stop(&other); /* which asserts that it ends well */
    process_wait(&curl, PATIENCE_MS);
    provider_silence(&provider, false);
    unlink(log_path);
    free(there);
    free(path);
    free(log_path);
    free(issuer);
}

static void a_provider_that_is_away_stops_nothing_else(void **state)
{
    char *path = go_there(&first, TAB);
    struct admin later;
    char *issuer = print_text("ROOMCAST_OIDC_ISSUER=%s", provider.url);

    (void)state;
    provider_kill(&provider);
    assert_int_equal(ask(&first, path), 403);
    admin_start(&later, &fleet,
                (const char *[]){issuer, "ROOMCAST_OIDC_CLIENT_ID=console",
                                 "ROOMCAST_OIDC_REDIRECT_URL=" REDIRECT_URL,
                                 "ROOMCAST_OIDC_VIEWER=*",
                                 "ROOMCAST_JWKS_REFRESH_SECS=1", NULL});
    assert_false(tells_the_way(&later));
    assert_int_equal(later.answer.status, 503);
    admin_get(&later, 200, "/api/stats");
    provider_resume(&provider);
    assert_true(wait_until(tells_the_way, &later, PATIENCE_MS));
    admin_stop(&later);
    free(issuer);
    free(path);
}

static char *secret_path;

static void write_secret(const char *text)
{
    FILE *out = fopen(secret_path, "we");

    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

static bool lets_in(void *data)
{
    char *path = go_there(data, TAB);
    int status = ask(data, path);

    free(path);
    return status == 302;
}

static bool refuses(void *data)
{
    return !lets_in(data);
}

static void a_changed_secret_of_the_client_counts(void **state)
{
    (void)state;
    assert_true(lets_in(&second));
    write_secret("another\n");
    assert_true(wait_until(refuses, &second, PATIENCE_MS));
    write_secret(CLIENT_SECRET "\n");
    assert_true(wait_until(lets_in, &second, PATIENCE_MS));
    assert_true(wait_until(tells_the_way, &second, PATIENCE_MS));
}

/* ---- settings, and what is not in the log ---- */

static const struct {
    const char *settings[6], *line;
} bad_settings[] = {
    {{"AUTH_TOKEN=x", "ROOMCAST_OIDC_ISSUER=https://a.example", NULL},
     "ROOMCAST_OIDC_CLIENT_ID: "},
    {{"AUTH_TOKEN=x", "ROOMCAST_OIDC_ISSUER=https://a.example",
      "ROOMCAST_OIDC_CLIENT_ID=x", NULL},
     "ROOMCAST_OIDC_REDIRECT_URL: "},
    {{"AUTH_TOKEN=x", "ROOMCAST_OIDC_ISSUER=https://a.example",
      "ROOMCAST_OIDC_CLIENT_ID=x", "ROOMCAST_OIDC_REDIRECT_URL=" REDIRECT_URL, NULL},
     "ROOMCAST_OIDC_VIEWER: "},
    {{"AUTH_TOKEN=x", "ROOMCAST_OIDC_REDIRECT_URL=http://a.example/oidc/callback",
      NULL},
     "ROOMCAST_OIDC_REDIRECT_URL: "},
    {{"AUTH_TOKEN=x", "ROOMCAST_OIDC_REDIRECT_URL=https://a.example/", NULL},
     "ROOMCAST_OIDC_REDIRECT_URL: "},
    {{"AUTH_TOKEN=x", "ROOMCAST_OIDC_ISSUER=http://a.example", NULL},
     "ROOMCAST_OIDC_ISSUER: "},
    {{"AUTH_TOKEN=x", "ROOMCAST_OIDC_ISSUER=https://a.example,https://b.example", NULL},
     "ROOMCAST_OIDC_ISSUER: "},
};

static void bad_settings_are_said_at_the_start(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_settings); i++) {
        struct admin bad;

        print_message("  %s\n", bad_settings[i].line);
        admin_launch(&bad, &fleet, bad_settings[i].settings);
        assert_int_equal(process_wait(&bad.process, PATIENCE_MS), 2);
        assert_true(admin_has_logged(&bad, bad_settings[i].line));
        admin_deinit(&bad);
    }
}

static void add_file(struct strbuf *out, const char *path)
{
    char *text = files_read(path);

    strbuf_add_text(out, text);
    free(text);
}

static void add_metrics(struct strbuf *out, int port)
{
    struct http_answer answer = {0};

    http_get(&answer, port, "/metrics");
    strbuf_add_text(out, answer.body);
    http_get_deinit(&answer);
}

/* Logs and metrics of all. */
static void read_what_is_told(struct strbuf *out)
{
    add_file(out, first.log_path);
    add_file(out, second.log_path);
    add_file(out, fleet.gateways[0].log_path);
    add_metrics(out, first.port);
    add_metrics(out, second.port);
    add_metrics(out, fleet.gateways[0].ops_port);
}

static void no_code_token_or_secret_is_in_a_log(void **state)
{
    struct strbuf all = {NULL, 0, 0};
    char *text = provider_read_secrets(&provider), *rest = text, *line;
    unsigned lines = 0;

    (void)state;
    read_what_is_told(&all);
    while ((line = strsep(&rest, "\n")))
        if (*line) {
            assert_null(strstr(all.data, line));
            lines++;
        }
    assert_true(lines > 20);
    assert_true(seen_count > 5);
    for (size_t i = 0; i < seen_count; i++) {
        assert_null(strstr(all.data, seen[i]));
    }
    assert_null(strstr(all.data, "the client's"));
    assert_null(strstr(all.data, TAB));
    assert_true(admin_has_logged(&first, "signed_in name=oidc:ann@example.org"));
    strbuf_deinit(&all);
    free(text);
}

/* Each replica reads the provider's configuration and keys soon after its start. */
static int start(void **state)
{
    char *issuer, *secret;

    *state = &first;
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 1});
    provider_start(&provider, fleet.dir, NULL);
    provider_answer(&provider, "own", "");
    secret_path = print_text("%s/secret", fleet.dir);
    write_secret(CLIENT_SECRET "\n");
    secret = print_text("ROOMCAST_OIDC_CLIENT_SECRET_FILE=%s", secret_path);
    issuer = print_text("ROOMCAST_OIDC_ISSUER=%s", provider.url);
    for (int i = 0; i < 2; i++) {
        struct admin *admin = i == 0 ? &first : &second;

        admin_start(admin, &fleet,
                    (const char *[]){
                        issuer, "ROOMCAST_OIDC_CLIENT_ID=console",
                        i == 0 ? "ROOMCAST_OIDC_CLIENT_SECRET=" CLIENT_SECRET : secret,
                        "ROOMCAST_OIDC_REDIRECT_URL=" REDIRECT_URL,
                        "ROOMCAST_OIDC_ADMIN=ops", "ROOMCAST_OIDC_MODERATOR=mods,more",
                        "ROOMCAST_OIDC_VIEWER=staff", "ROOMCAST_LOG_LEVEL=debug",
                        "ROOMCAST_ADMIN_FAILURES=1000", NULL});
        if (!wait_until(tells_the_way, admin, PATIENCE_MS))
            return -1;
    }
    free(issuer);
    free(secret);
    return 0;
}

static int stop(void **state)
{
    for (size_t i = 0; i < seen_count; i++)
        free(seen[i]);
    admin_stop(&second);
    unlink(secret_path);
    free(secret_path);
    provider_stop(&provider);
    return admin_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(somebody_signs_in_with_a_name_and_a_role),
        cmocka_unit_test(redis_has_the_digest_of_the_token_and_not_the_token),
        cmocka_unit_test(the_role_comes_from_the_groups),
        cmocka_unit_test(the_console_is_told_that_there_is_a_provider),
        cmocka_unit_test(what_the_provider_says_must_be_right),
        cmocka_unit_test(a_state_is_taken_once),
        cmocka_unit_test(a_code_is_taken_once),
        cmocka_unit_test(a_code_is_of_the_tab_that_began),
        cmocka_unit_test(codes_and_states_end_by_themselves),
        cmocka_unit_test(odd_ways_lead_nowhere),
        cmocka_unit_test(a_refusal_of_the_provider_takes_the_state),
        cmocka_unit_test(what_the_provider_says_instead_of_a_code_can_be_read),
        cmocka_unit_test(only_so_many_may_begin_in_a_second),
        cmocka_unit_test(who_signs_out_is_out_everywhere),
        cmocka_unit_test(a_token_of_the_settings_does_not_end_so),
        cmocka_unit_test(a_session_needs_redis_and_auth_token_does_not),
        cmocka_unit_test(a_changed_secret_of_the_client_counts),
        cmocka_unit_test(a_provider_that_is_silent_does_not_keep_it_from_stopping),
        cmocka_unit_test(a_provider_that_is_away_stops_nothing_else),
        cmocka_unit_test(bad_settings_are_said_at_the_start),
        cmocka_unit_test(no_code_token_or_secret_is_in_a_log),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
