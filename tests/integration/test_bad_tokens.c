/* test_bad_tokens.c - what each bad token, `auth` and `join` is answered by a real gateway: code, reason, and
 * whether the connection stays (SPEC-PUBLIC P12, P14). The tables are SPEC-PUBLIC's, row by row.
 *
 * In claims `@60` stands for the time in seconds, and 60 more. Not here: addresses and the PROXY protocol
 * (test_client_addresses.c), what an issuer's keys do (test_auth_keys.c).
 *
 * Over 400 lines because of the tables.
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
#include "common/jwt.h"
#include "common/strbuf.h"
#include "tests/support/fleet/chat.h"
#include "tests/support/fleet/fleet.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"
#include "tests/support/unit/wait.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ISSUER "https://idp.example"

/* The gateways: with tokens and without. */
enum { TOKENS, ANYBODY };

enum { STAYS = 0, PATIENCE_MS = 10000, HALF = JWT_BYTES_MAX / 2 };

static struct fleet fleet;
static struct tokens_key hs = {JWK_HS256, NULL}, rs, rs_two, es, ed, stranger;

/* ---- tokens ---- */

static void add_times(struct strbuf *out, const char *claims)
{
    for (const char *at = claims; *at; at++) {
        char *end;
        long later;

        if (*at != '@') {
            strbuf_add_char(out, *at);
            continue;
        }
        later = strtol(at + 1, &end, 10);
        strbuf_add_format(out, "%lld", (long long)(clock_ms() / 1000) + later);
        at = end - 1;
    }
}

static char *sign(const struct tokens_key *key, const char *header, const char *claims)
{
    struct strbuf text = {NULL, 0, 0};
    char *token;

    add_times(&text, q(claims));
    token = tokens_sign(key, q(header), text.data ? text.data : "");
    strbuf_deinit(&text);
    return token;
}

static void expect_refusal(struct chat *chat, const char *reason, int close)
{
    chat_expect_error(chat, reason ? "unauthorized" : "unavailable");
    assert_int_equal(chat_has(chat, "reason"), reason != NULL);
    if (reason)
        assert_string_equal(chat_get_text(chat, "reason"), reason);
    else
        assert_int_equal(chat_get_number(chat, "retry_after_ms"), 2000);
    if (close == STAYS)
        chat_expect_usable(chat);
    else
        assert_int_equal(chat_wait_close(chat, CHAT_DEADLINE_MS), close);
}

/* As the first thing that is said. */
static void expect_refused(const char *token, const char *reason, int close)
{
    struct chat *chat = chat_open(fleet.gateways[TOKENS].port);

    chat_send(chat, "{'type':'auth','token':'%s'}", token);
    expect_refusal(chat, reason, close);
    chat_abort(chat);
}

static void expect_accepted(const char *token)
{
    struct chat *chat = chat_open(fleet.gateways[TOKENS].port);

    chat_send(chat, "{'type':'auth','token':'%s'}", token);
    chat_expect(chat, "auth_ack");
    chat_close(chat);
}

/* ---- tokens of every kind ---- */

#define LIFE "'iat':@0,'exp':@600"
#define WHO "'aud':'roomcast','sub':'ann'"
#define OWN "{" WHO "," LIFE "}"
#define OF_ISSUER "{'iss':'" ISSUER "'," WHO "," LIFE "}"
#define TIMES(times) "{" WHO "," times "}"
#define WITH(more) "{" WHO "," LIFE "," more "}"
#define OF(sub) "{'aud':'roomcast','sub':" sub "," LIFE "}"
#define LONG                                                                           \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"                 \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define HS "{'alg':'HS256'}"

static const struct {
    const struct tokens_key *key;
    const char *header, *claims;
} good[] = {
    {&hs, HS, OWN},
    {&hs, "{'alg':'HS256','kid':'whatever','typ':'JWT','jku':'https://evil.example'}",
     OWN},
    {&hs, HS, "{'iss':'of no keys'," WHO "," LIFE "}"},
    {&hs, HS, TIMES("'iat':@25,'exp':@600")}, /* within the leeway */
    {&hs, HS, TIMES("'iat':@-600,'exp':@-25")},
    {&hs, HS, WITH("'jti':'" LONG "'")},
    {&hs, HS,
     WITH("'name':'0123456789abcdef0123456789abcdef0123456789abcdef"
          "0123456789abcdef'")},
    {&hs, HS, WITH("'rooms':{}")},
    {&rs, "{'alg':'RS256','kid':'rs'}", OF_ISSUER},
    {&es, "{'alg':'ES256'}", OF_ISSUER}, /* the only one */
    {&ed, "{'alg':'EdDSA','kid':'ed'}", OF_ISSUER},
};

static void good_tokens_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        char *token = sign(good[i].key, good[i].header, good[i].claims);

        print_message("  %s %s\n", good[i].header, good[i].claims);
        expect_accepted(token);
        free(token);
    }
}

static const struct {
    const struct tokens_key *key;
    const char *header, *claims, *reason;
    int close;
} bad[] = {
    /* not one JSON object, or a key twice */
    {&hs, "['HS256']", OWN, "form", 4500},
    {&hs, "{'alg':'HS256'} {}", OWN, "form", 4500},
    {&hs, "", OWN, "form", 4500},
    {&hs, "{'alg':'HS256','alg':'HS256'}", OWN, "form", 4500},
    {&hs, HS, "[" OWN "]", "form", 4500},
    {&hs, HS, OWN "x", "form", 4500},
    {&hs, HS, "", "form", 4500},
    {&hs, HS, WITH("'sub':'ann'"), "form", 4500},
    {&hs, HS, WITH("'s\\u0075b':'ann'"), "form", 4500},
    /* the algorithm */
    {&hs, "{'alg':'none'}", OWN, "alg", 4500},
    {&hs, "{'alg':'NONE'}", OWN, "alg", 4500},
    {&hs, "{'alg':'HS512'}", OWN, "alg", 4500},
    {&hs, "{}", OWN, "alg", 4500},
    {&hs, "{'alg':'HS256','crit':['exp']}", OWN, "alg", 4500},
    {&rs, "{'alg':'ES256','kid':'rs'}", OF_ISSUER, "alg", 4500},
    {&es, "{'alg':'RS256','kid':'es'}", OF_ISSUER, "alg", 4500},
    /* the key and the issuer */
    {&rs, "{'alg':'RS256'}", OF_ISSUER, "key", 4500}, /* there are two */
    {&es, "{'alg':'ES256'}", "{'iss':'https://evil.example'," WHO "," LIFE "}",
     "issuer", 4500},
    {&es, "{'alg':'ES256'}", OWN, "issuer", 4500},
    {&hs, HS, OF_ISSUER, "issuer", 4500},
    {&rs, "{'alg':'RS256','kid':'new'}", OF_ISSUER, NULL, STAYS},
    {&hs, "{'alg':'RS256','kid':'new'}", OF_ISSUER, NULL, STAYS},
    /* the signature, before all that it signs */
    {&stranger, "{'alg':'ES256'}", OF_ISSUER, "signature", 4500},
    {&hs, "{'alg':'ES256'}", OF_ISSUER, "signature", 4500}, /* too short */
    {&es, HS, TIMES("'iat':1,'exp':2"), "signature", 4500}, /* too long */
    {&stranger, "{'alg':'ES256'}", "{'iss':'" ISSUER "'}", "signature", 4500},
    /* the times */
    {&hs, HS, TIMES("'iat':@0"), "claims", 4500},
    {&hs, HS, TIMES("'exp':@600"), "claims", 4500},
    {&hs, HS, TIMES("'iat':'@0','exp':@600"), "claims", 4500},
    {&hs, HS, TIMES("'iat':@0,'exp':null"), "claims", 4500},
    {&hs, HS, TIMES("'iat':@0,'exp':@86401"), "lifetime", 4500},
    {&hs, HS, TIMES("'iat':@60,'exp':@600"), "not_yet", 4500},
    {&hs, HS, WITH("'nbf':@60"), "not_yet", 4500},
    {&hs, HS, TIMES("'iat':@-600,'exp':@-40"), "expired", 4501},
    /* the claims */
    {&hs, HS, "{'aud':'other','sub':'ann'," LIFE "}", "audience", 4500},
    {&hs, HS, "{'sub':'ann'," LIFE "}", "audience", 4500},
    {&hs, HS, "{'aud':'roomcast'," LIFE "}", "claims", 4500},
    {&hs, HS, OF("''"), "claims", 4500},
    {&hs, HS, OF("7"), "claims", 4500},
    {&hs, HS, OF("'a{b}'"), "claims", 4500},
    {&hs, HS, OF("'" LONG "x'"), "claims", 4500},
    {&hs, HS, OF("'guest-0123456789ab'"), "claims", 4500},
    {&hs, HS, WITH("'jti':'" LONG "x'"), "claims", 4500},
    {&hs, HS, WITH("'name':'" LONG "'"), "claims", 4500},
    {&hs, HS, WITH("'rooms':[]"), "claims", 4500},
    {&hs, HS, WITH("'rooms':'lobby'"), "claims", 4500},
    {&hs, HS, WITH("'rooms':{'lobby':'rx'}"), "claims", 4500},
    {&hs, HS, WITH("'rooms':{'lobby':['r']}"), "claims", 4500},
    {&hs, HS, WITH("'room':'den','can':'rw'"), "claims", 4500},
};

static void each_bad_token_is_refused_for_its_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        char *token = sign(bad[i].key, bad[i].header, bad[i].claims);

        print_message("  %s %s\n", bad[i].header, bad[i].claims);
        expect_refused(token, bad[i].reason, bad[i].close);
        free(token);
    }
}

static void as_many_rooms_as_a_token_may_have_and_no_more(void **state)
{
    (void)state;
    for (int count = 256; count <= 257; count++) {
        struct strbuf claims = {NULL, 0, 0};
        char *token;

        strbuf_add_text(&claims, "{" WHO "," LIFE ",'rooms':{");
        for (int i = 0; i < count; i++)
            strbuf_add_format(&claims, "%s'r%d':'r'", i > 0 ? "," : "", i);
        strbuf_add_text(&claims, "}}");
        token = sign(&hs, HS, claims.data);
        if (count == 256)
            expect_accepted(token);
        else
            expect_refused(token, "claims", 4500);
        strbuf_deinit(&claims);
        free(token);
    }
}

/* ---- what is no token by its form ---- */

/* The next digit has the same bits that count, and another one that does not. */
static char next_digit(char digit)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    return digits[(strchr(digits, digit) - digits) ^ 1];
}

static const char *const forms[] = {"", ".", "..", "x", "a.b", "....", "a.b.c"};

/* Around a good token. */
static const struct {
    const char *before, *behind;
} frames[] = {{"", "="},  {"", "+"}, {"", "/"},   {"", "."}, {"x.", ""},
              {"", ".x"}, {" ", ""}, {"", "\\n"}, {".", ""}, {"", " "}};

static void what_is_no_token_is_refused_for_its_form(void **state)
{
    char *token = sign(&hs, HS, OWN);
    size_t len = strlen(token);

    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++)
        expect_refused(forms[i], "form", 4500);
    for (size_t i = 0; i < COUNT(frames); i++) {
        struct strbuf text = {NULL, 0, 0};

        print_message("  %s<token>%s\n", frames[i].before, frames[i].behind);
        strbuf_add_format(&text, "%s%s%s", frames[i].before, token, frames[i].behind);
        expect_refused(text.data, "form", 4500);
        strbuf_deinit(&text);
    }
    token[len - 1] = next_digit(token[len - 1]); /* spare bits */
    expect_refused(token, "form", 4500);
    free(token);
}

/* With as much of a claim that nobody reads as it takes. */
static char *token_of_length(size_t wanted)
{
    size_t more = HALF;

    for (;; more++) {
        struct strbuf claims = {NULL, 0, 0};
        char *token;

        strbuf_add_text(&claims, "{" WHO "," LIFE ",'more':'");
        for (size_t i = 0; i < more; i++)
            strbuf_add_char(&claims, 'x');
        strbuf_add_text(&claims, "'}");
        token = sign(&hs, HS, claims.data);
        strbuf_deinit(&claims);
        if (strlen(token) >= wanted)
            return token;
        free(token);
    }
}

static void a_token_has_no_more_than_8192_bytes(void **state)
{
    char *longest = token_of_length(JWT_BYTES_MAX - 1);
    char *longer = token_of_length(JWT_BYTES_MAX + 1);

    (void)state;
    assert_true(strlen(longest) <= JWT_BYTES_MAX);
    expect_accepted(longest);
    expect_refused(longer, "form", 4500);
    free(longest);
    free(longer);
}

/* ---- an `auth` that is none ---- */

static const struct {
    const char *request, *code;
} wishes[] = {
    {"{'type':'auth'}", "bad_request"},
    {"{'type':'auth','token':null}", "bad_request"},
    {"{'type':'auth','token':{}}", "bad_request"},
    {"{'type':'auth','guest':false}", "bad_request"},
    {"{'type':'auth','guest':'true'}", "bad_request"},
    {"{'type':'auth','guest':true}", "forbidden"}, /* there are none */
    {"{'type':'join','room':'lobby','user':'ann'}", "unauthorized"},
    {"{'type':'whatever'}", "unauthorized"},
};

static void what_is_no_auth_leaves_the_connection_open_for_a_while(void **state)
{
    struct chat *chat = chat_open(fleet.gateways[TOKENS].port);

    (void)state;
    for (size_t i = 0; i < COUNT(wishes); i++) {
        print_message("  %s\n", wishes[i].request);
        chat_send_bytes(chat, q(wishes[i].request), strlen(wishes[i].request));
        chat_expect_error(chat, wishes[i].code);
        assert_false(chat_has(chat, "reason"));
    }
    chat_expect_usable(chat);
    assert_int_equal(chat_wait_close(chat, CHAT_DEADLINE_MS), 4500);
    chat_abort(chat);
}

static void without_tokens_there_is_no_auth(void **state)
{
    struct chat *chat = chat_open(fleet.gateways[ANYBODY].port);
    char *token = sign(&hs, HS, OWN);

    (void)state;
    chat_send(chat, "{'type':'auth','token':'%s'}", token);
    chat_expect_error(chat, "bad_request");
    chat_send(chat, "{'type':'auth','guest':true}");
    chat_expect_error(chat, "bad_request");
    chat_join(chat, "lobby", "ann");
    chat_send(chat, "{'type':'join','room':'lobby','user':'bob'}");
    chat_expect_skipping(chat, "error");
    assert_string_equal(chat_get_text(chat, "code"), "bad_request");
    chat_close(chat);
    free(token);
}

/* ---- a second one, and room tokens ---- */

static struct chat *come_in(const char *claims)
{
    struct chat *chat = chat_open(fleet.gateways[TOKENS].port);
    char *token = sign(&hs, HS, claims);

    chat_send(chat, "{'type':'auth','token':'%s'}", token);
    chat_expect(chat, "auth_ack");
    free(token);
    return chat;
}

static const struct {
    const char *claims, *code, *reason;
} seconds[] = {
    {"", "unauthorized", "form"},
    {TIMES("'iat':@-600,'exp':@-40"), "unauthorized", "expired"},
    {WITH("'room':'den','can':'rw'"), "unauthorized", "claims"},
    {OF("'bob'"), "forbidden", NULL},
};

static void a_bad_second_token_leaves_the_first(void **state)
{
    struct chat *chat = come_in(WITH("'rooms':{'lobby':'rw'}"));

    (void)state;
    for (size_t i = 0; i < COUNT(seconds); i++) {
        char *token = sign(&hs, HS, seconds[i].claims);

        print_message("  %s\n", seconds[i].claims);
        chat_send(chat, "{'type':'auth','token':'%s'}", token);
        chat_expect_error(chat, seconds[i].code);
        assert_int_equal(chat_has(chat, "reason"), seconds[i].reason != NULL);
        if (seconds[i].reason)
            assert_string_equal(chat_get_text(chat, "reason"), seconds[i].reason);
        free(token);
    }
    chat_send(chat, "{'type':'join','room':'lobby','user':'bob'}");
    chat_expect_error(chat, "forbidden");
    chat_join(chat, "lobby", "ann");
    assert_true(chat_say(chat, "lobby", "still here") > 0);
    chat_close(chat);
}

static const struct {
    const char *claims, *code; /* of the room den */
    const char *can, *reason;
} room_tokens[] = {
    {WITH("'room':'other','can':'rw'"), "forbidden", NULL, NULL},
    {"{'aud':'roomcast','sub':'bob'," LIFE ",'room':'den','can':'rw'}", "forbidden",
     NULL, NULL},
    {OWN, "forbidden", NULL, NULL}, /* without room */
    {WITH("'room':'den','can':''"), "forbidden", NULL, NULL},
    {WITH("'room':'den','can':'w'"), "forbidden", NULL, NULL},
    {WITH("'room':'den','can':'q'"), "unauthorized", NULL, "claims"},
    {WITH("'room':'den'"), "unauthorized", NULL, "claims"},
    {"{" WHO ",'iat':@-600,'exp':@-40,'room':'den','can':'rw'}", "unauthorized", NULL,
     "expired"},
    {"", "unauthorized", NULL, "form"},
    {WITH("'room':'den','can':'r'"), NULL, "r", NULL}, /* less than the pattern */
    {WITH("'room':'den','can':'rw'"), NULL, "rw", NULL},
    {WITH("'room':'den','can':'m'"), NULL, "rwm", NULL},
};

static void a_room_token_counts_before_the_patterns_or_opens_nothing(void **state)
{
    struct chat *chat = come_in(WITH("'rooms':{'den':'rw'}"));

    (void)state;
    for (size_t i = 0; i < COUNT(room_tokens); i++) {
        char *token = sign(&hs, HS, room_tokens[i].claims);

        print_message("  %s\n", room_tokens[i].claims);
        chat_send(chat, "{'type':'join','room':'den','room_token':'%s'}", token);
        chat_expect_skipping(chat, room_tokens[i].code ? "error" : "join_ack");
        if (room_tokens[i].code)
            assert_string_equal(chat_get_text(chat, "code"), room_tokens[i].code);
        if (room_tokens[i].reason)
            assert_string_equal(chat_get_text(chat, "reason"), room_tokens[i].reason);
        if (room_tokens[i].can)
            assert_string_equal(chat_get_text(chat, "can"), room_tokens[i].can);
        free(token);
    }
    chat_close(chat);
}

/* ---- keys that were read just now ---- */

static char *order_of(const char *issuer)
{
    struct strbuf order = {NULL, 0, 0};

    strbuf_add_text(&order, "keys 1 ");
    strbuf_add_percent(&order, issuer, strlen(issuer));
    return order.data;
}

/* By the gateway that asks for tokens, and the other one. */
static void tell_nodes(const char *order)
{
    redisReply *nodes = redis_cmd_reply(fleet.redis_port, "ZRANGE rc:nodes 0 -1");

    assert_int_equal(nodes->elements, fleet.count);
    for (size_t i = 0; i < nodes->elements; i++)
        assert_int_equal(redis_cmd_number(fleet.redis_port, "PUBLISH rc:canary:%s %s",
                                          nodes->element[i]->str, order),
                         1);
    freeReplyObject(nodes);
}

static bool is_refused_for_good(void *data)
{
    struct chat *chat = chat_open(fleet.gateways[TOKENS].port);
    bool is_refused;

    chat_send(chat, "{'type':'auth','token':'%s'}", (const char *)data);
    chat_expect(chat, "error");
    is_refused = strcmp(chat_get_text(chat, "code"), "unauthorized") == 0;
    chat_abort(chat);
    return is_refused;
}

static void what_is_unknown_right_after_a_reading_is_refused(void **state)
{
    char *token = sign(&rs, "{'alg':'RS256','kid':'new'}", OF_ISSUER);
    char *known = sign(&rs, "{'alg':'RS256','kid':'rs'}", OF_ISSUER);
    char *another = order_of("https://another.example"), *order = order_of(ISSUER);

    (void)state;
    expect_refused(token, NULL, STAYS);
    poll(NULL, 0, 2500); /* however long nobody has read them */
    expect_refused(token, NULL, STAYS);
    tell_nodes(another);
    tell_nodes("keys x");
    tell_nodes("keys 1 %");
    expect_refused(token, NULL, STAYS);
    tell_nodes(order);
    assert_true(wait_until(is_refused_for_good, token, PATIENCE_MS));
    expect_refused(token, "key", 4500);
    expect_accepted(known);
    free(token);
    free(known);
    free(order);
    free(another);
}

/* ---- the group ---- */

static void put_keys(void)
{
    const struct {
        const struct tokens_key *key;
        const char *kid;
    } keys[] = {{&rs, "rs"}, {&rs_two, "rs two"}, {&es, "es"}, {&ed, "ed"}};
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_text(&text, "{\"" ISSUER "\":{\"keys\":[{},null,\"x\"");
    for (size_t i = 0; i < COUNT(keys); i++) {
        char *jwk = tokens_jwk(keys[i].key, keys[i].kid);

        strbuf_add_format(&text, ",%s", jwk);
        free(jwk);
    }
    strbuf_add_text(&text, "]}}");
    redis_cmd(fleet.redis_port, "HSET rc:policy keys %b keys_rev 1", text.data,
              text.len);
    strbuf_deinit(&text);
}

static bool has_keys(void *data)
{
    (void)data;
    return fleet_metric(&fleet, TOKENS, q("roomcast_policy_rev{kind='keys'}")) == 1;
}

static int start(void **state)
{
    static const char *const tokens[] = {"ROOMCAST_AUTH=jwt",
                                         "ROOMCAST_JWT_SECRET=" TOKENS_SECRET,
                                         "ROOMCAST_HANDSHAKE_SECS=6", NULL};
    static const char *const anybody[] = {NULL};

    *state = &fleet;
    rs = tokens_key(JWK_RS256, 0);
    rs_two = tokens_key(JWK_RS256, 0);
    es = tokens_key(JWK_ES256, 0);
    ed = tokens_key(JWK_EDDSA, 0);
    stranger = tokens_key(JWK_ES256, 0);
    fleet_start(&fleet, &(struct fleet_opts){.gateways = 0});
    put_keys();
    assert_int_equal(fleet_add(&fleet, tokens), TOKENS);
    assert_int_equal(fleet_add(&fleet, anybody), ANYBODY);
    assert_true(wait_until(has_keys, NULL, PATIENCE_MS));
    return 0;
}

static int stop(void **state)
{
    tokens_key_deinit(&rs);
    tokens_key_deinit(&rs_two);
    tokens_key_deinit(&es);
    tokens_key_deinit(&ed);
    tokens_key_deinit(&stranger);
    return fleet_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tokens_are_accepted),
        cmocka_unit_test(each_bad_token_is_refused_for_its_reason),
        cmocka_unit_test(as_many_rooms_as_a_token_may_have_and_no_more),
        cmocka_unit_test(what_is_no_token_is_refused_for_its_form),
        cmocka_unit_test(a_token_has_no_more_than_8192_bytes),
        cmocka_unit_test(what_is_no_auth_leaves_the_connection_open_for_a_while),
        cmocka_unit_test(without_tokens_there_is_no_auth),
        cmocka_unit_test(a_bad_second_token_leaves_the_first),
        cmocka_unit_test(a_room_token_counts_before_the_patterns_or_opens_nothing),
        cmocka_unit_test(what_is_unknown_right_after_a_reading_is_refused),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
