/* test_silent_logs.c - tokens of every kind, on every way to a gateway and to the admin service; then no log
 * of any level has a part of one, nor has /metrics or what operators can read (SPEC-PUBLIC P1, test 6).
 *
 * Those of people who sign in at a provider: test_admin_oidc.c.
 *
 * Over 400 lines because it has a few for each way that a token can come.
 */
#include <setjmp.h>
#include <signal.h>
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
#include "tests/support/fleet/http_upgrade.h"
#include "tests/support/fleet/roomcast.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/print.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ISSUER "https://idp.example"

enum { KINDS = 4, TOKENS_MAX = 2048, PART_BYTES = 12, PATIENCE_MS = 20000 };

/* A gateway each. */
static const char *const levels[] = {"error", "warn", "info", "debug"};

static struct fleet fleet;
static struct admin admin;
static struct tokens_key keys[KINDS] = {{JWK_HS256, NULL}};
static char *sent[TOKENS_MAX]; /* all that was */
static size_t sent_count;

/* Kept; the test frees it at the end. */
static const char *keep(char *token)
{
    assert_true(sent_count < TOKENS_MAX);
    return sent[sent_count++] = token;
}

/* Of ann, by a key of this kind, issued `from` seconds from now. */
static const char *token_of(unsigned kind, const char *kid, int from, const char *more)
{
    unsigned long long iat = clock_ms() / 1000 + (unsigned long long)from;
    char *header = print_text("{\"alg\":\"%s\",\"kid\":\"%s\"}",
                              jwk_alg_word(keys[kind].alg), kid);
    char *claims = print_text(
        "{%s\"aud\":\"roomcast\",\"sub\":\"ann\",\"iat\":%llu,\"exp\":%llu%s}",
        kind == 0 ? "" : q("'iss':'" ISSUER "',"), iat, iat + 600, q(more));
    char *token = tokens_sign(&keys[kind], header, claims);

    free(header);
    free(claims);
    return keep(token);
}

static const char *usual_token(void)
{
    return token_of(0, "", 0, ",'rooms':{'*':'rw'}");
}

/* ---- by messages ---- */

static struct chat *say(unsigned gateway, const char *format, const char *token)
{
    struct chat *chat = chat_open(fleet.gateways[gateway].port);
    const char *text = q(format), *at = strchr(text, '#');
    struct strbuf bytes = {NULL, 0, 0};

    strbuf_add(&bytes, text, (size_t)(at - text));
    strbuf_add_text(&bytes, token);
    strbuf_add_text(&bytes, at + 1);
    chat_send_bytes(chat, bytes.data, bytes.len);
    assert_true(chat_recv(chat, CHAT_DEADLINE_MS));
    strbuf_deinit(&bytes);
    return chat;
}

static struct chat *come_in(unsigned gateway, const char *token)
{
    struct chat *chat = say(gateway, "{'type':'auth','token':'#'}", token);

    assert_string_equal(chat_get_text(chat, "type"), "auth_ack");
    return chat;
}

static void expect_refused(unsigned gateway, const char *format, const char *token)
{
    struct chat *chat = say(gateway, format, token);

    assert_string_equal(chat_get_text(chat, "type"), "error");
    chat_abort(chat);
}

/* Bad for their times, claims, key, signature. */
static void send_bad_ones(unsigned gateway, unsigned kind)
{
    static const char auth[] = "{'type':'auth','token':'#'}";
    char *forged = strdup(token_of(kind, "0", 0, "")), *last = forged + strlen(forged);

    last[-2] = last[-2] == 'A' ? 'B' : 'A';
    expect_refused(gateway, auth, keep(forged));
    expect_refused(gateway, auth, token_of(kind, "0", -7200, ""));
    expect_refused(gateway, auth, token_of(kind, "0", 7200, ""));
    expect_refused(gateway, auth, token_of(kind, "0", 0, ",'name':5"));
    expect_refused(gateway, auth, token_of(kind, "0", 0, ",'room':'den','can':'r'"));
    if (kind > 0)
        expect_refused(gateway, auth, token_of(kind, "another key", 0, ""));
}

static void tokens_of_each_kind_come_by_messages(void **state)
{
    (void)state;
    for (unsigned g = 0; g < COUNT(levels); g++)
        for (unsigned kind = 0; kind < KINDS; kind++) {
            chat_close(come_in(g, token_of(kind, "0", 0, "")));
            send_bad_ones(g, kind);
        }
}

static const char *const odd[] = {
    "{'type':'auth','token':'#.'}",
    "{'type':'auth','token':'x#'}",
    "{'type':'auth','token':['#']}",
    "{'type':'auth','guest':'#'}",
    "{'type':'auth','token':'#'",
    "{'type':'auth','id':'#'}",
    "{'type':'#'}",
    "#",
    "{'type':'join','room':'lobby','room_token':'#'}",
};

static void tokens_come_where_they_do_not_belong(void **state)
{
    (void)state;
    for (unsigned g = 0; g < COUNT(levels); g++)
        for (size_t i = 0; i < COUNT(odd); i++) {
            print_message("  %s\n", odd[i]);
            expect_refused(g, odd[i], usual_token());
        }
}

static void rooms_are_opened_and_tokens_renewed(void **state)
{
    (void)state;
    for (unsigned g = 0; g < COUNT(levels); g++) {
        struct chat *chat = come_in(g, usual_token());

        chat_send(chat, "{'type':'join','room':'den','room_token':'%s'}",
                  token_of(1, "0", 0, ",'room':'den','can':'rw'"));
        chat_expect_skipping(chat, "join_ack");
        chat_send(chat, "{'type':'join','room':'den','room_token':'%s'}",
                  token_of(2, "0", -7200, ",'room':'den','can':'rw'"));
        chat_expect_skipping(chat, "error");
        chat_send(chat, "{'type':'auth','token':'%s'}", usual_token());
        chat_expect_skipping(chat, "auth_ack");
        chat_send(chat, "{'type':'auth','token':'%s'}", token_of(3, "0", -7200, ""));
        chat_expect_skipping(chat, "error");
        chat_close(chat);
    }
}

/* ---- by handshakes ---- */

static const struct {
    const char *before, *behind; /* the token */
    int status;
} handshakes[] = {
    {USUAL "Authorization: Bearer ", "\r\n" END, 101},
    {USUAL "Authorization: Bearer ", ".\r\n" END, 401},
    {USUAL "Authorization: Basic ", "\r\n" END, 101}, /* nobody's */
    {USUAL "Authorization: Basic YTpi\r\nAuthorization: Bearer ", "\r\n" END, 400},
    {USUAL "Cookie: token=", "\r\n" END, 101},
    {USUAL "Sec-WebSocket-Protocol: roomcast.v1, ", "\r\n" END, 101},
    {USUAL "X-Forwarded-For: ", "\r\n" END, 101},
    {"GET /ws?token=", " HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 400},
    {"GET /ws?access_token=", " HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 400},
    {"GET /ws?x=1&jwt=", " HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 400},
    {"GET /ws?other=", " HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 101},
    {"GET /", " HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 404},
};

static void tokens_come_by_handshakes(void **state)
{
    (void)state;
    for (unsigned g = 0; g < COUNT(levels); g++)
        for (size_t i = 0; i < COUNT(handshakes); i++) {
            struct wire *w = wire_open(fleet.gateways[g].port);
            char *request = print_text("%s%s%s", handshakes[i].before, usual_token(),
                                       handshakes[i].behind);
            char status[8];

            print_message("  %s\n", handshakes[i].before);
            assert_true(wire_send_text(w, request));
            assert_true(wire_read_head(w, PATIENCE_MS));
            snprintf(status, sizeof(status), " %d ", handshakes[i].status);
            assert_non_null(strstr(wire_get_head(w), status));
            wire_abort(w);
            free(request);
        }
}

/* ---- at the admin service and the ops port ---- */

static int ask(const char *method, const char *token, const char *path)
{
    return admin_ask(&admin, &(struct admin_request){
                                 .method = method, .token = token, .path = path});
}

/* The command prints a token and its line, which goes into the file. */
static void add_operator(const char *role)
{
    char *command =
        print_text("%s/roomcast-admin hash op %s", getenv("ROOMCAST_BIN"), role);
    char *path = print_text("%s/tokens", fleet.dir), token[256], line[256];
    FILE *out = popen(command, "r"), *file = fopen(path, "a");

    assert_non_null(out);
    assert_non_null(file);
    assert_non_null(fgets(token, sizeof(token), out));
    assert_non_null(fgets(line, sizeof(line), out));
    fputs(line, file);
    assert_int_equal(pclose(out), 0);
    assert_int_equal(fclose(file), 0);
    keep(print_text("%.*s", (int)strcspn(token, "\n"), token));
    free(command);
    free(path);
}

static void operators_ask(void **state)
{
    const char *viewer = sent[0], *made;
    char *path;

    (void)state;
    assert_int_equal(ask("GET", viewer, "/api/session"), 200);
    assert_int_equal(ask("POST", viewer, "/api/users/x/disconnect"), 403);
    assert_int_equal(ask("GET", ADMIN_TOKEN, "/api/stats"), 200);
    assert_int_equal(ask("GET", keep(print_text("%sX", viewer)), "/api/stats"), 401);
    assert_int_equal(ask("GET", usual_token(), "/api/stats"), 401);
    path = print_text("/api/stats?token=%s", viewer);
    assert_int_equal(ask("GET", "", path), 401);
    free(path);
    path = print_text("/api/%s", viewer);
    assert_int_equal(ask("GET", ADMIN_TOKEN, path), 404);
    free(path);
    admin_post(&admin, 201, q("{'user':'ann','rooms':{'*':'rw'},'secs':60}"),
               "/api/tokens");
    made = keep(print_text("%s", admin_text(&admin, "token")));
    chat_close(come_in(0, made));
    path = print_text("/%s", usual_token());
    for (unsigned g = 0; g < COUNT(levels); g++)
        assert_int_equal(http_get_status(fleet.gateways[g].ops_port, path), 404);
    free(path);
}

static void revoked_tokens_are_refused(void **state)
{
    const char *token = token_of(0, "", 0, ",'jti':'one'");
    struct chat *chat = come_in(3, token);

    (void)state;
    admin_post(&admin, 200, "", "/api/tokens/one/revoke");
    assert_int_equal(chat_wait_close(chat, CHAT_DEADLINE_MS), 4500);
    chat_abort(chat);
    expect_refused(3, "{'type':'auth','token':'#'}", token);
}

/* ---- the client ---- */

static void the_client_has_them_from_a_file_or_a_variable(void **state)
{
    static const char *const forms[] = {
        "echo hi | $ROOMCAST --plain --token-file %s/token lobby",
        "export ROOMCAST_TOKEN=$(cat %s/token); echo hi | $ROOMCAST --plain lobby",
        "echo hi | ROOMCAST_TOKEN=$(cat %s/token)x $ROOMCAST --plain lobby; true",
    };
    const char *token = usual_token();
    char *path = print_text("%s/token", fleet.dir);
    FILE *file = fopen(path, "w");

    (void)state;
    assert_non_null(file);
    fputs(token, file);
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < COUNT(forms); i++) {
        char *at = strstr(forms[i], "%s"), *out, *err;
        char *script =
            print_text("%.*s%s%s", (int)(at - forms[i]), forms[i], fleet.dir, at + 2);

        print_message("  %s\n", forms[i]);
        assert_int_equal(roomcast_run(&fleet, "bot", script, &out, &err), 0);
        assert_null(strstr(out, strrchr(token, '.')));
        assert_null(strstr(err, strrchr(token, '.')));
        free(script);
        free(out);
        free(err);
    }
    free(path);
}

/* ---- and nothing of them is anywhere ---- */

static void expect_no(const char *text, const char *part, size_t len, const char *where)
{
    if (memmem(text, strlen(text), part, len))
        fail_msg("%s has %.*s", where, (int)len, part);
}

/* Both ends of the claims and of the signature; headers are alike. Of an operator's: of the whole. */
static void expect_no_part(const char *text, const char *token, const char *where)
{
    const char *at = strchr(token, '.');

    for (at = at ? at + 1 : token; at;
         at = strchr(at, '.') ? strchr(at, '.') + 1 : NULL) {
        size_t len = strcspn(at, ".");

        if (len < PART_BYTES)
            continue;
        expect_no(text, at, PART_BYTES, where);
        expect_no(text, at + len - PART_BYTES, PART_BYTES, where);
    }
}

static void expect_nothing_in(const char *text, const char *where)
{
    print_message("  %s: %zu bytes\n", where, strlen(text));
    for (size_t i = 0; i < sent_count; i++)
        expect_no_part(text, sent[i], where);
    if (strstr(text, ADMIN_TOKEN) || strstr(text, TOKENS_SECRET))
        fail_msg("%s has the token or the secret of the settings", where);
}

static void expect_nothing_in_file(const char *path)
{
    char *text = files_read(path);

    expect_nothing_in(text, path);
    free(text);
}

static void expect_nothing_at(int port, const char *where)
{
    struct http_answer answer = {0};

    http_get(&answer, port, "/metrics");
    expect_nothing_in(answer.body, where);
    http_get_deinit(&answer);
}

static bool has_dumped(void *data)
{
    const unsigned *gateway = data;

    return process_has_logged(fleet.gateways[*gateway].log_path, " room=dumped ");
}

static void no_part_of_a_token_can_be_read_anywhere(void **state)
{
    (void)state;
    assert_true(sent_count > 200);
    for (unsigned g = 0; g < COUNT(levels); g++) {
        struct chat *chat = come_in(g, usual_token());

        chat_join(chat, "dumped", "ann");
        process_signal(&fleet.gateways[g].process, SIGUSR1);
        if (g >= 2)
            assert_true(wait_until(has_dumped, &g, PATIENCE_MS));
        chat_close(chat);
        expect_nothing_at(fleet.gateways[g].ops_port, levels[g]);
        expect_nothing_in_file(fleet.gateways[g].log_path);
    }
    expect_nothing_at(admin.port, "admin");
    expect_nothing_in_file(admin.log_path);
    admin_get(&admin, 200, "/api/audit?limit=100");
    expect_nothing_in(admin.answer.body, "audit");
    admin_get(&admin, 200, "/api/revocations");
    expect_nothing_in(admin.answer.body, "revocations");
}

/* ---- the group ---- */

static void put_keys(void)
{
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_text(&text, q("{'" ISSUER "':{'keys':["));
    for (unsigned kind = 1; kind < KINDS; kind++) {
        char *jwk = tokens_jwk(&keys[kind], "0");

        strbuf_add_format(&text, "%s%s", kind > 1 ? "," : "", jwk);
        free(jwk);
    }
    strbuf_add_text(&text, "]}}");
    redis_cmd(fleet.redis_port, "HSET rc:policy keys %b keys_rev 1", text.data,
              text.len);
    strbuf_deinit(&text);
}

static bool has_keys(void *data)
{
    const unsigned *gateway = data;

    return fleet_metric(&fleet, *gateway, q("roomcast_policy_rev{kind='keys'}")) == 1;
}

static void start_gateways(void)
{
    for (unsigned g = 0; g < COUNT(levels); g++) {
        char *level = print_text("ROOMCAST_LOG_LEVEL=%s", levels[g]);

        fleet_add(&fleet, (const char *[]){"ROOMCAST_AUTH=jwt",
                                           "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
                                           "ROOMCAST_DEFAULT_RIGHTS=rw", level, NULL});
        assert_true(wait_until(has_keys, &g, PATIENCE_MS));
        free(level);
    }
}

static int start(void **state)
{
    static const enum jwk_alg algs[KINDS] = {JWK_HS256, JWK_RS256, JWK_ES256,
                                             JWK_EDDSA};
    char *tokens;

    (void)state;
    for (unsigned kind = 1; kind < KINDS; kind++)
        keys[kind] = tokens_key(algs[kind], 0);
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
    put_keys();
    start_gateways();
    add_operator("viewer");
    tokens = print_text("ROOMCAST_ADMIN_TOKENS_FILE=%s/tokens", fleet.dir);
    admin_start(&admin, &fleet,
                (const char *[]){tokens, "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
                                 "ROOMCAST_LOG_LEVEL=debug", NULL});
    free(tokens);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < KINDS; kind++)
        tokens_key_deinit(&keys[kind]);
    for (size_t i = 0; i < sent_count; i++)
        free(sent[i]);
    admin_stop(&admin);
    return fleet_stop(&fleet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_of_each_kind_come_by_messages),
        cmocka_unit_test(tokens_come_where_they_do_not_belong),
        cmocka_unit_test(rooms_are_opened_and_tokens_renewed),
        cmocka_unit_test(tokens_come_by_handshakes),
        cmocka_unit_test(operators_ask),
        cmocka_unit_test(revoked_tokens_are_refused),
        cmocka_unit_test(the_client_has_them_from_a_file_or_a_variable),
        cmocka_unit_test(no_part_of_a_token_can_be_read_anywhere),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
