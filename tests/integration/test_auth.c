/* test_auth.c - two gateways that ask for tokens: who gets in, what they may, and until when
 * (SPEC-PUBLIC P1, P2, P12).
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
#include "tests/support/fleet/http_upgrade.h"
#include "tests/support/fleet/user_token.h"
#include "tests/support/redis/files.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { HOUR = 3600, STRANGERS = 50, SIGNATURE_LEN = 43, TOKENS_MAX = 512 };

static struct fleet fleet;

/* Signatures of all that were sent, for a look at the logs. */
static char signatures[TOKENS_MAX][SIGNATURE_LEN + 1];
static unsigned signatures_count;

static int start(void **state)
{
    static const char *const settings[] = {"ROOMCAST_AUTH=jwt",
                                           "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
                                           "ROOMCAST_JWT_LEEWAY_SECS=0",
                                           "ROOMCAST_GUESTS=1",
                                           "ROOMCAST_HANDSHAKE_SECS=3",
                                           "ROOMCAST_LOG_LEVEL=debug",
                                           "ROOMCAST_PRESENCE_GRACE_MS=200",
                                           NULL};

    *state = &fleet;
    return fleet_start(&fleet,
                       &(struct fleet_opts){.gateways = 2, .settings = settings});
}

/* ---- tokens ---- */

static void keep_signature(const char *token)
{
    if (signatures_count < TOKENS_MAX)
        snprintf(signatures[signatures_count++], SIGNATURE_LEN + 1, "%s",
                 strrchr(token, '.') + 1);
}

static char *sign(const char *claims)
{
    const struct tokens_key key = {JWK_HS256, NULL};
    char *token = tokens_sign(&key, q("{'alg':'HS256'}"), claims);

    keep_signature(token);
    return token;
}

/* Of this user, good for so many seconds, with `more` claims: `,'rooms':{…}`. To be freed. */
static char *token_of(const char *user, int secs, const char *more)
{
    char *token = user_token(user, secs, q(more));

    keep_signature(token);
    return token;
}

static void send_token(struct chat *chat, const char *token)
{
    chat_send(chat, "{'type':'auth','id':1,'token':'%s'}", token);
}

static void authenticate(struct chat *chat, const char *user, int secs,
                         const char *more)
{
    char *token = token_of(user, secs, more);

    send_token(chat, token);
    chat_expect_skipping(chat, "auth_ack");
    assert_string_equal(chat_get_text(chat, "user"), user);
    free(token);
}

/* A connection to one of the gateways. */
static struct chat *come_in(unsigned gateway, const char *user, int secs,
                            const char *more)
{
    struct chat *chat = chat_open(fleet.gateways[gateway].port);

    authenticate(chat, user, secs, more);
    return chat;
}

static void join(struct chat *chat, const char *room)
{
    chat_send(chat, "{'type':'join','room':'%s'}", room);
    chat_expect_skipping(chat, "join_ack");
}

static void expect_refused_join(struct chat *chat, const char *room)
{
    chat_send(chat, "{'type':'join','room':'%s'}", room);
    chat_expect_skipping(chat, "error");
    assert_string_equal(chat_get_text(chat, "code"), "forbidden");
}

/* ---- nobody ---- */

static const char *const needing[] = {
    "{'type':'join','room':'unproven','user':'ann'}",
    "{'type':'leave','room':'unproven'}",
    "{'type':'message','room':'unproven','text':'x'}",
    "{'type':'get_members','room':'unproven'}",
    "{'type':'get_history','room':'unproven'}",
    "{'type':'signal','room':'unproven','kind':'x'}",
    "{'type':'nosuch'}",
    "{'type':'join'}",
    "{'type':'message','room':5}",
};

static void nobody_is_served_but_pings_and_then_put_out(void **state)
{
    struct chat *chat = chat_open(fleet.gateways[0].port);

    (void)state;
    for (size_t i = 0; i < COUNT(needing); i++) {
        print_message("  %s\n", needing[i]);
        chat_send_bytes(chat, q(needing[i]), strlen(needing[i]));
        chat_expect_error(chat, "unauthorized");
    }
    chat_expect_usable(chat);
    assert_int_equal(chat_wait_close(chat, CHAT_DEADLINE_MS), 4500);
    chat_abort(chat);
}

static const struct {
    const char *request, *code;
} no_tokens[] = {
    {"{'type':'auth'}", "bad_request"},
    {"{'type':'auth','token':5}", "bad_request"},
    {"{'type':'auth','guest':1}", "bad_request"},
    {"{'type':'auth','guest':true,'token':'x'}", "bad_request"},
};

static void what_is_no_token_may_be_said_again(void **state)
{
    struct chat *chat = chat_open(fleet.gateways[0].port);

    (void)state;
    for (size_t i = 0; i < COUNT(no_tokens); i++) {
        print_message("  %s\n", no_tokens[i].request);
        chat_send_bytes(chat, q(no_tokens[i].request), strlen(no_tokens[i].request));
        chat_expect_error(chat, no_tokens[i].code);
    }
    authenticate(chat, "ann", HOUR, "");
    chat_close(chat);
}

static const struct {
    const char *claims, *reason;
    int code;
} bad[] = {
    {NULL, "form", 4500},
    {"{'aud':'roomcast','sub':'ann','iat':1,'exp':2}", "expired", 4501},
    {"{'aud':'roomcast','sub':'ann','iat':99999999999,'exp':99999999999}", "not_yet",
     4500},
    {"{'aud':'roomcast','sub':'ann','iat':1,'exp':99999999999}", "lifetime", 4500},
    {"{'aud':'other','sub':'ann','iat':1,'exp':2}", "audience", 4500},
    {"{'aud':'roomcast','sub':'guest-1','iat':1,'exp':2}", "claims", 4500},
    {"{'aud':'roomcast','sub':'ann','iat':1,'exp':2,'rooms':[]}", "claims", 4500},
};

static void
a_bad_token_is_refused_with_its_reason_and_the_connection_closed(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct chat *chat = chat_open(fleet.gateways[0].port);
        char *token = bad[i].claims ? sign(q(bad[i].claims)) : strdup("a.b.c");

        print_message("  %s\n", bad[i].reason);
        send_token(chat, token);
        chat_expect_error(chat, "unauthorized");
        assert_string_equal(chat_get_text(chat, "reason"), bad[i].reason);
        assert_int_equal(chat_get_number(chat, "id"), 1);
        assert_int_equal(chat_wait_close(chat, CHAT_DEADLINE_MS), bad[i].code);
        chat_abort(chat);
        free(token);
    }
}

static void a_room_token_lets_nobody_in(void **state)
{
    struct chat *chat = chat_open(fleet.gateways[0].port);
    char *token = token_of("ann", HOUR, ",'room':'den','can':'rw'");

    (void)state;
    send_token(chat, token);
    chat_expect_error(chat, "unauthorized");
    assert_string_equal(chat_get_text(chat, "reason"), "claims");
    assert_int_equal(chat_wait_close(chat, CHAT_DEADLINE_MS), 4500);
    chat_abort(chat);
    free(token);
}

static void a_long_message_of_nobody_closes(void **state)
{
    struct strbuf text = {NULL, 0, 0};
    struct chat *chat = chat_open(fleet.gateways[0].port);

    (void)state;
    strbuf_add_text(&text, q("{'type':'ping','x':'"));
    while (text.len < 16 * 1024 - 2)
        strbuf_add_char(&text, 'x');
    strbuf_add_text(&text, "\"}");
    assert_int_equal(text.len, 16 * 1024);
    chat_send_bytes(chat, text.data, text.len);
    chat_expect(chat, "pong");
    strbuf_add_char(&text, ' ');
    chat_send_bytes(chat, text.data, text.len);
    assert_int_equal(chat_wait_close(chat, CHAT_DEADLINE_MS), 1009);
    chat_abort(chat);
    chat = come_in(0, "ann", HOUR, "");
    chat_send_bytes(chat, text.data, text.len);
    chat_expect(chat, "pong");
    chat_close(chat);
    strbuf_deinit(&text);
}

/* ---- rights ---- */

static void what_a_token_gives_holds_and_nothing_else(void **state)
{
    struct chat *ann = come_in(
        0, "ann", HOUR,
        ",'rooms':{'lobby':'rw','quiet':'r','team/*':'m','team/x':'','gone':'w'}");
    static const char *const closed[] = {"other", "team/x", "gone", "lobby2"};

    (void)state;
    join(ann, "lobby");
    assert_string_equal(chat_get_text(ann, "user"), "ann");
    assert_string_equal(chat_get_text(ann, "can"), "rw");
    assert_true(chat_get_number(ann, "rev") > 0);
    join(ann, "team/a");
    assert_string_equal(chat_get_text(ann, "can"), "rwm");
    join(ann, "quiet");
    assert_string_equal(chat_get_text(ann, "can"), "r");
    chat_send(ann, "{'type':'message','room':'quiet','text':'x'}");
    chat_expect_skipping(ann, "error");
    assert_string_equal(chat_get_text(ann, "code"), "forbidden");
    chat_send(ann, "{'type':'signal','room':'quiet','kind':'x'}");
    chat_expect_error(ann, "forbidden");
    assert_int_equal(chat_say(ann, "lobby", "hello"), 1);
    for (size_t i = 0; i < COUNT(closed); i++) {
        expect_refused_join(ann, closed[i]);
        assert_int_equal(
            redis_cmd_number(fleet.redis_port, "EXISTS rc:{%s}:meta", closed[i]), 0);
    }
    chat_send(ann, "{'type':'join','room':'lobby','user':'bob'}");
    chat_expect_error(ann, "forbidden");
    chat_send(ann, "{'type':'join','room':'lobby','user':'ann'}");
    chat_expect_skipping(ann, "join_ack");
    chat_close(ann);
}

static void a_shown_name_goes_with_what_is_said(void **state)
{
    struct chat *ann =
        come_in(0, "ann", HOUR, ",'name':'Ann O\\u2019Hara','rooms':{'named':'rw'}");
    struct chat *bob = come_in(1, "bob", HOUR, ",'rooms':{'named':'rw'}");

    (void)state;
    assert_false(chat_has(bob, "name"));
    join(bob, "named");
    join(ann, "named");
    chat_say(ann, "named", "hello");
    chat_expect_skipping(bob, "message");
    assert_string_equal(chat_get_text(bob, "name"), "Ann O\xe2\x80\x99Hara");
    chat_send(ann, "{'type':'signal','room':'named','kind':'x'}");
    chat_expect_skipping(bob, "signal");
    assert_string_equal(chat_get_text(bob, "name"), "Ann O\xe2\x80\x99Hara");
    chat_say(bob, "named", "hello");
    chat_expect_skipping(ann, "message");
    assert_true(chat_has(ann, "name") ||
                strcmp(chat_get_text(ann, "user"), "bob") == 0);
    chat_send(bob, "{'type':'get_history','room':'named'}");
    chat_expect_skipping(bob, "history_batch");
    assert_string_equal(chat_get_text(bob, "messages.0.name"), "Ann O\xe2\x80\x99Hara");
    assert_false(chat_has(bob, "messages.1.name"));
    chat_close(ann);
    chat_close(bob);
}

static void guests_come_in_and_may_what_is_given_to_them(void **state)
{
    struct chat *guest = chat_open(fleet.gateways[0].port);
    char user[64];

    (void)state;
    chat_send(guest, "{'type':'auth','id':'g','guest':true}");
    chat_expect(guest, "auth_ack");
    snprintf(user, sizeof(user), "%s", chat_get_text(guest, "user"));
    assert_int_equal(strlen(user), strlen("guest-") + 12);
    assert_int_equal(strncmp(user, "guest-", 6), 0);
    assert_false(chat_has(guest, "expires_at"));
    expect_refused_join(guest, "lobby"); /* until classes give them something */
    chat_send(guest, "{'type':'auth','token':'a.b.c'}");
    chat_expect_error(guest, "forbidden");
    chat_expect_usable(guest);
    chat_close(guest);
}

/* ---- the end of a token ---- */

static void a_token_that_is_not_renewed_ends_the_connection(void **state)
{
    struct chat *ann = come_in(0, "ann", 3, ",'rooms':{'lobby':'rw'}");
    double expires_at = chat_get_number(ann, "expires_at");

    (void)state;
    join(ann, "lobby");
    chat_expect_skipping(ann, "auth_expiring");
    assert_true(chat_get_number(ann, "expires_at") == expires_at);
    assert_int_equal(chat_wait_close(ann, CHAT_DEADLINE_MS), 4501);
    assert_true((double)clock_ms() >= expires_at);
    chat_abort(ann);
    assert_true(http_get_metric(fleet.gateways[0].ops_port,
                                "roomcast_auth_expired_total") >= 1);
}

static void a_token_that_is_renewed_in_time_costs_nothing(void **state)
{
    struct chat *ann = come_in(0, "ann", 3, ",'rooms':{'renewed':'rw'}");
    struct chat *bob = come_in(1, "bob", HOUR, ",'rooms':{'renewed':'rw'}");
    double rev;

    (void)state;
    join(bob, "renewed");
    join(ann, "renewed");
    rev = chat_get_number(ann, "rev");
    chat_expect_skipping(ann, "auth_expiring");
    authenticate(ann, "ann", HOUR, ",'rooms':{'renewed':'rw'}");
    for (uint64_t end = clock_ms() + 4000; clock_ms() < end;)
        chat_say(bob, "renewed", "x");
    for (int i = 1; !(chat_recv(ann, 2000) == false); i++) {
        assert_string_equal(chat_get_text(ann, "type"), "message");
        assert_int_equal(chat_get_number(ann, "seq"), i);
    }
    chat_send(ann, "{'type':'join','room':'renewed'}");
    chat_expect_skipping(ann, "join_ack");
    assert_true(chat_get_number(ann, "rev") == rev);
    assert_int_equal(chat_get_number(ann, "members"), 2);
    chat_close(ann);
    chat_close(bob);
    assert_true(http_get_metric(fleet.gateways[0].ops_port,
                                "roomcast_auth_refreshes_total") >= 1);
}

static void a_bad_renewal_leaves_the_old_token(void **state)
{
    struct chat *ann = come_in(0, "ann", HOUR, ",'rooms':{'lobby':'rw'}");
    char *other = token_of("bob", HOUR, "");

    (void)state;
    join(ann, "lobby");
    send_token(ann, "a.b.c");
    chat_expect_skipping(ann, "error");
    assert_string_equal(chat_get_text(ann, "code"), "unauthorized");
    send_token(ann, other);
    chat_expect_error(ann, "forbidden");
    chat_send(ann, "{'type':'auth','guest':true}");
    chat_expect_error(ann, "forbidden");
    assert_true(chat_say(ann, "lobby", "still here") > 0);
    chat_close(ann);
    free(other);
}

static void fewer_rights_put_out_of_what_is_not_given_any_more(void **state)
{
    struct chat *ann = come_in(0, "ann", HOUR, ",'rooms':{'one':'rw','two':'rw'}");
    struct chat *bob = come_in(1, "bob", HOUR, ",'rooms':{'*':'rw'}");

    (void)state;
    join(bob, "one");
    join(bob, "two");
    join(ann, "one");
    join(ann, "two");
    authenticate(ann, "ann", HOUR, ",'rooms':{'two':'r'}");
    chat_expect(ann, "kicked");
    assert_string_equal(chat_get_text(ann, "room"), "one");
    assert_string_equal(chat_get_text(ann, "reason"), "rights");
    do
        chat_expect_skipping(bob, "member_left");
    while (strcmp(chat_get_text(bob, "user"), "ann") != 0);
    assert_string_equal(chat_get_text(bob, "room"), "one");
    assert_string_equal(chat_get_text(bob, "reason"), "kicked");
    chat_send(ann, "{'type':'message','room':'two','text':'x'}");
    chat_expect_error(ann, "forbidden");
    chat_send(ann, "{'type':'message','room':'one','text':'x'}");
    chat_expect_error(ann, "not_joined");
    chat_say(bob, "two", "hello");
    chat_expect(ann, "message");
    assert_int_equal(redis_cmd_number(fleet.redis_port, "HEXISTS rc:{one}:members ann"),
                     0);
    chat_close(ann);
    chat_close(bob);
}

/* ---- room tokens ---- */

static void join_by(struct chat *chat, const char *room, const char *token)
{
    chat_send(chat, "{'type':'join','id':7,'room':'%s','room_token':'%s'}", room,
              token);
}

static void a_room_token_opens_its_room_until_it_ends(void **state)
{
    struct chat *ann = come_in(0, "ann", HOUR, ",'rooms':{'den':''}");
    char *token = token_of("ann", 3, ",'room':'den','can':'rw'");
    char *next = token_of("ann", HOUR, ",'room':'den','can':'r'");

    (void)state;
    expect_refused_join(ann, "den");
    join_by(ann, "den", token);
    chat_expect(ann, "join_ack");
    assert_string_equal(chat_get_text(ann, "can"), "rw");
    authenticate(ann, "ann", HOUR, ""); /* does not count for this room */
    assert_true(chat_say(ann, "den", "x") > 0);
    chat_expect_skipping(ann, "auth_expiring");
    assert_string_equal(chat_get_text(ann, "room"), "den");
    chat_expect_skipping(ann, "kicked");
    assert_string_equal(chat_get_text(ann, "reason"), "expired");
    join_by(ann, "den", next);
    chat_expect(ann, "join_ack");
    assert_string_equal(chat_get_text(ann, "can"), "r");
    chat_close(ann);
    free(token);
    free(next);
}

static void a_room_token_that_is_renewed_goes_on(void **state)
{
    struct chat *ann = come_in(0, "ann", HOUR, "");
    char *token = token_of("ann", 3, ",'room':'den','can':'rw'");
    char *next = token_of("ann", HOUR, ",'room':'den','can':'rw'");

    (void)state;
    join_by(ann, "den", token);
    chat_expect(ann, "join_ack");
    chat_expect_skipping(ann, "auth_expiring");
    join_by(ann, "den", next);
    chat_expect_skipping(ann, "join_ack");
    chat_expect(ann, "history_batch");
    chat_expect_silence(ann, 3500);
    chat_close(ann);
    free(token);
    free(next);
}

static const struct {
    const char *name, *user, *more, *code;
    int secs;
} room_tokens[] = {
    {"of another room", "ann", ",'room':'other','can':'rw'", "forbidden", HOUR},
    {"of another user", "bob", ",'room':'den','can':'rw'", "forbidden", HOUR},
    {"of no room", "ann", ",'rooms':{'den':'rw'}", "forbidden", HOUR},
    {"that does not let read", "ann", ",'room':'den','can':'w'", "forbidden", HOUR},
    {"that has expired", "ann", ",'room':'den','can':'rw'", "unauthorized", -5},
    {"without rights", "ann", ",'room':'den'", "unauthorized", HOUR},
};

static void a_room_token_that_is_none_opens_nothing(void **state)
{
    struct chat *ann = come_in(0, "ann", HOUR, ",'rooms':{'den':'rw'}");

    (void)state;
    for (size_t i = 0; i < COUNT(room_tokens); i++) {
        char *token =
            token_of(room_tokens[i].user, room_tokens[i].secs, room_tokens[i].more);

        print_message("  one %s\n", room_tokens[i].name);
        join_by(ann, "den", token);
        chat_expect_error(ann, room_tokens[i].code);
        free(token);
    }
    join_by(ann, "den", "x");
    chat_expect_error(ann, "unauthorized");
    assert_string_equal(chat_get_text(ann, "reason"), "form");
    join(ann, "den"); /* all of them left the connection as it was */
    chat_close(ann);
}

/* ---- in the handshake ---- */

static void a_token_may_come_with_the_handshake(void **state)
{
    char *token = token_of("ann", HOUR, ",'rooms':{'lobby':'rw'}");
    struct strbuf request = {NULL, 0, 0};
    struct wire *w = wire_open(fleet.gateways[0].port);
    struct chat *ann;

    (void)state;
    strbuf_add_format(&request, USUAL "Authorization: bearer %s\r\n" END, token);
    assert_true(wire_send(w, request.data, request.len));
    http_upgrade_expect_101(w, NULL);
    ann = chat_new(w);
    chat_expect(ann, "auth_ack");
    assert_false(chat_has(ann, "id"));
    assert_string_equal(chat_get_text(ann, "user"), "ann");
    join(ann, "lobby");
    chat_close(ann);
    strbuf_deinit(&request);
    free(token);
}

static const struct {
    const char *name, *request;
    int status;
    const char *has;
} handshakes[] = {
    {"a token that is none", USUAL "Authorization: Bearer a.b.c\r\n" END, 401,
     "WWW-Authenticate: Bearer"},
    {"an empty token", USUAL "Authorization: Bearer \r\n" END, 401,
     "WWW-Authenticate: Bearer"},
    {"two of them",
     USUAL "Authorization: Bearer a.b.c\r\nAuthorization: Basic YTpi\r\n" END, 400,
     NULL},
    {"a token in the URL", "GET /ws?token=x HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END,
     400, NULL},
    {"a token behind other things in the URL",
     "GET /ws?a=b&access_token=x HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 400, NULL},
    {"a jwt in the URL", "GET /ws?jwt= HTTP/1.1\r\n" HOST UPGRADE KEY VERSION END, 400,
     NULL},
};

static void a_handshake_with_a_bad_token_is_refused(void **state)
{
    double before =
        http_get_metric(fleet.gateways[0].ops_port,
                        q("roomcast_refused_connects_total{reason='token_in_url'}"));

    (void)state;
    for (size_t i = 0; i < COUNT(handshakes); i++) {
        struct wire *w = wire_open(fleet.gateways[0].port);

        print_message("  %s\n", handshakes[i].name);
        assert_true(wire_send_text(w, handshakes[i].request));
        http_upgrade_expect_refusal(w, handshakes[i].status, handshakes[i].has);
        wire_abort(w);
    }
    assert_true(
        http_get_metric(fleet.gateways[0].ops_port,
                        q("roomcast_refused_connects_total{reason='token_in_url'}")) ==
        before + 3);
}

/* ---- nothing of it goes where it should not ---- */

/* Until the marker: whether a command names what strangers sent. */
static bool names_strangers(redisContext *monitor)
{
    bool names = false;

    for (;;) {
        redisReply *reply = NULL;
        bool is_marker;

        assert_int_equal(redisGetReply(monitor, (void **)&reply), REDIS_OK);
        names |= strstr(reply->str, "stranger") != NULL;
        is_marker = strstr(reply->str, "the-marker") != NULL;
        freeReplyObject(reply);
        if (is_marker)
            return names;
    }
}

static void nothing_unproven_reaches_redis(void **state)
{
    redisContext *monitor = redisConnect("127.0.0.1", fleet.redis_port);
    struct chat *chats[STRANGERS];

    (void)state;
    freeReplyObject(redisCommand(monitor, "MONITOR"));
    for (int i = 0; i < STRANGERS; i++) {
        chats[i] = chat_open(fleet.gateways[i % 2].port);
        chat_send(chats[i], "{'type':'join','room':'stranger %d','user':'stranger'}",
                  i);
        chat_expect_error(chats[i], "unauthorized");
        chat_send(chats[i], "{'type':'auth','token':'stranger.%d.x'}", i);
        chat_expect_error(chats[i], "unauthorized");
    }
    redis_cmd(fleet.redis_port, "PING the-marker");
    assert_false(names_strangers(monitor));
    redisFree(monitor);
    for (int i = 0; i < STRANGERS; i++)
        chat_abort(chats[i]);
}

static void no_part_of_a_token_is_logged_or_counted(void **state)
{
    (void)state;
    assert_true(signatures_count > 20);
    for (unsigned g = 0; g < fleet.count; g++) {
        struct http_answer metrics = {0};
        char *log = files_read(fleet.gateways[g].log_path);

        (void)http_get_try(&metrics, fleet.gateways[g].ops_port, "/metrics");
        for (unsigned i = 0; i < signatures_count; i++) {
            assert_null(strstr(log, signatures[i]));
            assert_true(!metrics.body || !strstr(metrics.body, signatures[i]));
        }
        http_get_deinit(&metrics);
        free(log);
    }
}

/* ---- secrets that change ---- */

static void write_file(const char *path, const char *text)
{
    char new_path[300];
    FILE *file;

    snprintf(new_path, sizeof(new_path), "%s.new", path);
    file = fopen(new_path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(rename(new_path, path), 0);
}

static bool lets_ann_in(void *data)
{
    const unsigned *gateway = data;
    struct chat *chat = chat_open(fleet.gateways[*gateway].port);
    char *token = token_of("ann", HOUR, "");
    bool is_in;

    send_token(chat, token);
    is_in = chat_recv(chat, CHAT_DEADLINE_MS) &&
            strcmp(chat_get_text(chat, "type"), "auth_ack") == 0;
    chat_abort(chat);
    free(token);
    return is_in;
}

static bool refuses_ann(void *data)
{
    return !lets_ann_in(data);
}

static bool has_two_errors(void *data)
{
    return http_get_metric(*(const int *)data, "roomcast_config_errors_total") == 2;
}

static void a_changed_file_of_secrets_is_read_again(void **state)
{
    char path[256], setting[300];
    const char *settings[] = {"ROOMCAST_AUTH=jwt", "ROOMCAST_JWT_LEEWAY_SECS=0",
                              "ROOMCAST_AUTH_WARN_SECS=1", setting, NULL};
    static const char another[] = "another secret, which is just as long\n";
    struct chat *ann;
    unsigned gateway;

    (void)state;
    snprintf(path, sizeof(path), "%s/secrets", fleet.dir);
    snprintf(setting, sizeof(setting), "ROOMCAST_JWT_SECRET_FILE=%s", path);
    write_file(path, another);
    gateway = fleet_add(&fleet, settings);
    assert_false(lets_ann_in(&gateway));
    write_file(path, "another secret, which is just as long\n" TOKENS_SECRET "\n");
    assert_true(wait_until(lets_ann_in, &gateway, FLEET_DEADLINE_MS));
    ann = come_in(gateway, "ann", HOUR, "");
    write_file(path, "short\n");
    fleet_expect_logged(&fleet, gateway,
                        "secrets_refused setting=ROOMCAST_JWT_SECRET_FILE line=1");
    write_file(path, "\n"); /* as while it is being written */
    assert_true(wait_until(has_two_errors, &fleet.gateways[gateway].ops_port,
                           FLEET_DEADLINE_MS));
    assert_true(lets_ann_in(&gateway));
    write_file(path, another);
    assert_true(wait_until(refuses_ann, &gateway, FLEET_DEADLINE_MS));
    chat_expect_skipping(ann, "auth_expiring");
    assert_int_equal(chat_wait_close(ann, CHAT_DEADLINE_MS), 4500);
    assert_true(http_get_metric(fleet.gateways[gateway].ops_port,
                                "roomcast_config_errors_total") == 2);
    chat_abort(ann);
    fleet_stop_gateway(&fleet, gateway);
}

static void without_a_key_a_gateway_is_not_ready(void **state)
{
    static const char *const settings[] = {"ROOMCAST_AUTH=jwt", NULL};
    unsigned gateway = fleet_launch(&fleet, settings);
    struct chat *chat;

    (void)state;
    http_get_await(fleet.gateways[gateway].ops_port, "/readyz", 503, "no_keys\n");
    chat = chat_open(fleet.gateways[gateway].port);
    send_token(chat, "eyJhbGciOiJIUzI1NiJ9.e30.");
    chat_expect_error(chat, "unauthorized");
    assert_string_equal(chat_get_text(chat, "reason"), "alg");
    assert_int_equal(chat_wait_close(chat, CHAT_DEADLINE_MS), 4500);
    chat_abort(chat);
    fleet_stop_gateway(&fleet, gateway);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_served_but_pings_and_then_put_out),
        cmocka_unit_test(what_is_no_token_may_be_said_again),
        cmocka_unit_test(
            a_bad_token_is_refused_with_its_reason_and_the_connection_closed),
        cmocka_unit_test(a_room_token_lets_nobody_in),
        cmocka_unit_test(a_long_message_of_nobody_closes),
        cmocka_unit_test(what_a_token_gives_holds_and_nothing_else),
        cmocka_unit_test(a_shown_name_goes_with_what_is_said),
        cmocka_unit_test(guests_come_in_and_may_what_is_given_to_them),
        cmocka_unit_test(a_token_that_is_not_renewed_ends_the_connection),
        cmocka_unit_test(a_token_that_is_renewed_in_time_costs_nothing),
        cmocka_unit_test(a_bad_renewal_leaves_the_old_token),
        cmocka_unit_test(fewer_rights_put_out_of_what_is_not_given_any_more),
        cmocka_unit_test(a_room_token_opens_its_room_until_it_ends),
        cmocka_unit_test(a_room_token_that_is_renewed_goes_on),
        cmocka_unit_test(a_room_token_that_is_none_opens_nothing),
        cmocka_unit_test(a_token_may_come_with_the_handshake),
        cmocka_unit_test(a_handshake_with_a_bad_token_is_refused),
        cmocka_unit_test(a_changed_file_of_secrets_is_read_again),
        cmocka_unit_test(without_a_key_a_gateway_is_not_ready),
        cmocka_unit_test(nothing_unproven_reaches_redis),
        cmocka_unit_test(no_part_of_a_token_is_logged_or_counted),
    };
    return cmocka_run_group_tests(tests, start, fleet_teardown);
}
