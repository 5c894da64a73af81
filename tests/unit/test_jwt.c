/* test_jwt.c - tokens: what is accepted and why not (SPEC-PUBLIC P1, P12, P14), and that
 * nothing but the token that was signed is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base64url.h"
#include "common/jwt.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { NOW = 1800000000, KEYS = 5 };

#define ISS "'iss':'https://idp.example'"
#define AUD "'aud':'roomcast'"
#define LIFE "'iat':1800000000,'exp':1800003600"
#define GOOD "{" ISS "," AUD ",'sub':'ann'," LIFE "}"

static const char issuer[] = "https://idp.example";

/* Keys of the issuer, and one of nobody. */
static struct tokens_key hs, rs, es, ed, rs_other;
static struct jwks jwks;
static struct jwt_secrets secrets;
static struct grants_table table;
static struct jwt_rules rules = {
    .secrets = &secrets,
    .jwks = &jwks,
    JWT_RULES_USUAL,
    .grants = &table,
};

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

static void make_jwks(void)
{
    char *all[] = {tokens_jwk(&rs, "rs"), tokens_jwk(&es, "es"), tokens_jwk(&ed, "ed"),
                   tokens_jwk(&rs_other, "rs two")};
    struct strbuf text = {NULL, 0, 0};

    strbuf_add_format(&text, "{\"%s\":{\"keys\":[%s,%s,%s,%s]}}", issuer, all[0],
                      all[1], all[2], all[3]);
    assert_true(jwks_parse((struct json_text){text.data, text.len}, &jwks));
    for (size_t i = 0; i < COUNT(all); i++)
        free(all[i]);
    strbuf_deinit(&text);
}

static int make_keys(void **state)
{
    (void)state;
    hs = tokens_key(JWK_HS256, 0);
    rs = tokens_key(JWK_RS256, 0);
    es = tokens_key(JWK_ES256, 0);
    ed = tokens_key(JWK_EDDSA, 0);
    rs_other = tokens_key(JWK_RS256, 0);
    make_jwks();
    assert_int_equal(jwt_secrets_parse(&secrets, TOKENS_SECRET "\n"), 0);
    return 0;
}

static int drop_keys(void **state)
{
    (void)state;
    tokens_key_deinit(&rs);
    tokens_key_deinit(&es);
    tokens_key_deinit(&ed);
    tokens_key_deinit(&rs_other);
    jwks_deinit(&jwks);
    jwt_secrets_deinit(&secrets);
    grants_table_deinit(&table);
    return 0;
}

static const char *result_word(enum jwt_result result)
{
    if (result == JWT_OK)
        return "ok";
    return result == JWT_UNKNOWN_KID ? "unknown kid" : jwt_reason_word(result);
}

static void expect(const char *token, size_t len, uint64_t now, const char *word)
{
    struct jwt_claims claims = {0};
    enum jwt_result result =
        jwt_verify(&rules, (struct json_text){token, len}, now, &claims);

    jwt_claims_deinit(&claims);
    assert_string_equal(result_word(result), word);
}

/* A token of these, signed by the key. */
static void expect_of(const struct tokens_key *key, const char *header,
                      const char *claims, const char *word)
{
    char *token = tokens_sign(key, q(header), q(claims));

    print_message("  %s %s\n", header, claims);
    expect(token, strlen(token), NOW, word);
    free(token);
}

/* ---- good ones ---- */

static const struct {
    const struct tokens_key *key;
    const char *header, *claims;
} good[] = {
    {&hs, "{'alg':'HS256'}", "{" AUD ",'sub':'ann'," LIFE "}"},
    {&hs, "{'typ':'JWT','alg':'HS256','kid':'any'}",
     "{'iss':'of nobody'," AUD ",'sub':'ann'," LIFE "}"},
    {&rs, "{'alg':'RS256','kid':'rs'}", GOOD},
    {&rs_other, "{'alg':'RS256','kid':'rs two'}", GOOD},
    {&es, "{'alg':'ES256','kid':'es'}", GOOD},
    {&es, "{'alg':'ES256'}", GOOD},
    {&ed, "{'alg':'EdDSA','kid':'ed'}", GOOD},
    {&ed, "{'alg':'EdDSA'}",
     "{" ISS ",'aud':['other','roomcast'],'sub':'ann'," LIFE "}"},
};

static void tokens_of_every_algorithm_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        expect_of(good[i].key, good[i].header, good[i].claims, "ok");
}

static void what_a_token_says_is_read(void **state)
{
    char *token = tokens_sign(&es, q("{'alg':'ES256'}"),
                              q("{" ISS "," AUD "," LIFE
                                ".5,'sub':'\\u0061nn','jti':'j 1','name':'Ann \\u00c9',"
                                "'rooms':{'lobby':'rw','team/*':'r','team/a*':'m'}}"));
    struct jwt_claims claims = {0};

    (void)state;
    assert_int_equal(jwt_verify(&rules, text_of(token), NOW, &claims), JWT_OK);
    assert_memory_equal(claims.user.base, "ann", claims.user.len);
    assert_int_equal(claims.user.len, 3);
    assert_memory_equal(claims.jti.base, "j 1", claims.jti.len);
    assert_memory_equal(claims.name.base, "Ann \xc3\x89", claims.name.len);
    assert_int_equal(claims.issued_at, NOW);
    assert_int_equal(claims.expires_at, NOW + 3600);
    assert_true(jwks_has(&jwks, claims.key));
    assert_null(claims.room.base);
    assert_int_equal(grants_find(claims.grants, text_of("lobby")), 3);
    assert_int_equal(grants_find(claims.grants, text_of("team/b")), 1);
    assert_int_equal(grants_find(claims.grants, text_of("team/ab")), 7);
    assert_int_equal(grants_find(claims.grants, text_of("lobby2")), GRANTS_NONE);
    jwt_claims_deinit(&claims);
    free(token);
}

static void a_room_token_is_for_one_room(void **state)
{
    char *token = tokens_sign(
        &ed, q("{'alg':'EdDSA'}"),
        q("{" ISS "," AUD "," LIFE ",'sub':'ann','room':'den','can':'rw'}"));
    struct jwt_claims claims = {0};

    (void)state;
    assert_int_equal(jwt_verify(&rules, text_of(token), NOW, &claims), JWT_OK);
    assert_int_equal(claims.room.len, 3);
    assert_memory_equal(claims.room.base, "den", 3);
    assert_string_equal(grants_print_rights(claims.can), "rw");
    assert_null(claims.grants);
    jwt_claims_deinit(&claims);
    free(token);
}

/* ---- bad ones ---- */

#define OTHERS "," AUD ",'sub':'ann'," LIFE "}"
#define TIMES(times) "{" ISS "," AUD ",'sub':'ann'," times "}"
#define WITH(more) "{" ISS "," AUD ",'sub':'ann'," LIFE "," more "}"

static const struct {
    const struct tokens_key *key;
    const char *header, *claims, *word;
} bad[] = {
    {&rs, "{'alg':'none'}", GOOD, "alg"},
    {&rs, "{'alg':'rs256','kid':'rs'}", GOOD, "alg"},
    {&rs, "{'alg':'RS512','kid':'rs'}", GOOD, "alg"},
    {&rs, "{'kid':'rs'}", GOOD, "alg"},
    {&rs, "{'alg':5,'kid':'rs'}", GOOD, "alg"},
    {&rs, "{'alg':'RS256','kid':'rs','crit':['b64']}", GOOD, "alg"},
    {&rs, "{'alg':'ES256','kid':'rs'}", GOOD, "alg"},
    {&es, "{'alg':'RS256','kid':'es'}", GOOD, "alg"},
    {&rs, "{'alg':'RS256','alg':'RS256','kid':'rs'}", GOOD, "form"},
    {&rs, "{'alg':'RS256','a\\u006cg':'RS256','kid':'rs'}", GOOD, "form"},
    {&rs, "{'alg':'RS256','kid':5}", GOOD, "form"},
    {&rs, "{'alg':'RS256','kid':'rs','cr\\u0069t':['b64']}", GOOD, "alg"},
    {&es, "{'alg':'ES256'}", WITH("'nb\\u0066':1800000031"), "not_yet"},
    {&rs, "['RS256']", GOOD, "form"},
    {&rs, "", GOOD, "form"},
    {&rs, "{'alg':'RS256'}", GOOD, "key"}, /* there are two */
    {&rs, "{'alg':'RS256','kid':'new'}", GOOD, "unknown kid"},
    {&rs, "{'alg':'RS256','kid':''}", GOOD, "unknown kid"},
    {&rs, "{'alg':'RS256','kid':'rs two'}", GOOD, "signature"},
    {&es, "{'alg':'EdDSA','kid':'ed'}", GOOD, "signature"},
    {&rs, "{'alg':'HS256'}", "{" AUD ",'sub':'ann'," LIFE "}", "signature"},
    {&rs, "{'alg':'RS256','kid':'rs'}", "{'iss':'https://evil.example'" OTHERS,
     "issuer"},
    {&rs, "{'alg':'RS256','kid':'rs'}", "{'iss':5" OTHERS, "issuer"},
    {&rs, "{'alg':'RS256','kid':'rs'}", "{" AUD ",'sub':'ann'," LIFE "}", "issuer"},
    {&hs, "{'alg':'HS256'}", GOOD, "issuer"}, /* it has keys of its own */
    {&es, "{'alg':'ES256'}", "[1]", "form"},
    {&es, "{'alg':'ES256'}", "{" ISS "," ISS OTHERS, "form"},
    {&es, "{'alg':'ES256'}", GOOD "x", "form"},
    {&hs, "{'alg':'HS256'}", "{" AUD ",'sub':'ann','s\\u0075b':'bob'," LIFE "}",
     "form"},
    {&es, "{'alg':'ES256'}", "{" ISS ",'sub':'ann'," LIFE "}", "audience"},
    {&es, "{'alg':'ES256'}", "{" ISS ",'aud':'other','sub':'ann'," LIFE "}",
     "audience"},
    {&es, "{'alg':'ES256'}", "{" ISS ",'aud':[],'sub':'ann'," LIFE "}", "audience"},
    {&es, "{'alg':'ES256'}", "{" ISS ",'aud':{},'sub':'ann'," LIFE "}", "audience"},
    {&es, "{'alg':'ES256'}", TIMES("'iat':1800000000"), "claims"},
    {&es, "{'alg':'ES256'}", TIMES("'exp':1800003600"), "claims"},
    {&es, "{'alg':'ES256'}", TIMES("'iat':1800000000,'exp':'1800003600'"), "claims"},
    {&es, "{'alg':'ES256'}", TIMES("'iat':1800000000,'exp':-1"), "claims"},
    {&es, "{'alg':'ES256'}", TIMES("'iat':1800000000,'exp':1e10"), "claims"},
    {&es, "{'alg':'ES256'}", TIMES("'iat':1800000000,'exp':99999999999999999999"),
     "claims"},
    {&es, "{'alg':'ES256'}", TIMES("'iat':1800000000,'exp':1800086401"), "lifetime"},
    {&es, "{'alg':'ES256'}", TIMES("'iat':1800000031,'exp':1800003600"), "not_yet"},
    {&es, "{'alg':'ES256'}", WITH("'nbf':1800000031"), "not_yet"},
    {&es, "{'alg':'ES256'}", WITH("'nbf':'soon'"), "claims"},
    {&es, "{'alg':'ES256'}", TIMES("'iat':1799990000,'exp':1799999970"), "expired"},
    {&es, "{'alg':'ES256'}", "{" ISS "," AUD "," LIFE "}", "claims"},
    {&es, "{'alg':'ES256'}", "{" ISS "," AUD ",'sub':''," LIFE "}", "claims"},
    {&es, "{'alg':'ES256'}", "{" ISS "," AUD ",'sub':7," LIFE "}", "claims"},
    {&es, "{'alg':'ES256'}", "{" ISS "," AUD ",'sub':'a{b'," LIFE "}", "claims"},
    {&es, "{'alg':'ES256'}", "{" ISS "," AUD ",'sub':'guest-1'," LIFE "}", "claims"},
    {&es, "{'alg':'ES256'}", WITH("'jti':5"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'name':''"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'name':'a\\u0001'"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'rooms':[]"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'rooms':{'a':'x'}"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'rooms':{'a':1}"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'rooms':{'a{':'r'}"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'rooms':{'':'r'}"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'rooms':{'a':'r','\\u0061':'w'}"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'room':'a'"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'room':'','can':'r'"), "claims"},
    {&es, "{'alg':'ES256'}", WITH("'room':'a','can':'q'"), "claims"},
};

static void bad_tokens_are_refused_with_their_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        expect_of(bad[i].key, bad[i].header, bad[i].claims, bad[i].word);
}

static const struct {
    int at; /* seconds from NOW */
    const char *word;
} moments[] = {
    {0, "ok"}, {-30, "ok"}, {-31, "not_yet"}, {3629, "ok"}, {3630, "expired"}};

static void the_leeway_is_at_both_ends(void **state)
{
    char *token = tokens_sign(&es, q("{'alg':'ES256'}"), q(GOOD));

    (void)state;
    for (size_t i = 0; i < COUNT(moments); i++) {
        print_message("  after %d s\n", moments[i].at);
        expect(token, strlen(token), (uint64_t)(NOW + moments[i].at), moments[i].word);
    }
    free(token);
}

/* ---- forms ---- */

static const struct {
    const char *name, *before, *behind; /* of a good token */
} forms[] = {
    {"padding", "", "="},      {"a fourth part", "", ".x"},
    {"a dot behind", "", "."}, {"a line feed", "", "\n"},
    {"a space", " ", ""},      {"a part in front", "x.", ""},
};

static void another_form_is_refused(void **state)
{
    char *token = tokens_sign(&es, q("{'alg':'ES256'}"), q(GOOD));
    static const char *const nothing[] = {"", ".", "..", "a", "a.b", "a.b.", "...."};

    (void)state;
    for (size_t i = 0; i < COUNT(forms); i++) {
        struct strbuf text = {NULL, 0, 0};

        print_message("  %s\n", forms[i].name);
        strbuf_add_format(&text, "%s%s%s", forms[i].before, token, forms[i].behind);
        expect(text.data, text.len, NOW, "form");
        strbuf_deinit(&text);
    }
    for (size_t i = 0; i < COUNT(nothing); i++)
        expect(nothing[i], strlen(nothing[i]), NOW, "form");
    free(token);
}

static void a_token_has_at_most_8192_bytes(void **state)
{
    struct strbuf claims = {NULL, 0, 0};
    char *token;

    (void)state;
    strbuf_add_text(&claims, q("{" AUD ",'sub':'ann'," LIFE ",'more':'"));
    while (claims.len < 6050)
        strbuf_add_char(&claims, 'x');
    strbuf_add_text(&claims, "\"}");
    token = tokens_sign(&hs, q("{'alg':'HS256'}"), claims.data);
    assert_true(strlen(token) > 8000 && strlen(token) <= JWT_BYTES_MAX);
    expect(token, strlen(token), NOW, "ok");
    free(token);
    claims.len -= 2;
    while (claims.len < 6200)
        strbuf_add_char(&claims, 'x');
    strbuf_add_text(&claims, "\"}");
    token = tokens_sign(&hs, q("{'alg':'HS256'}"), claims.data);
    assert_true(strlen(token) > JWT_BYTES_MAX);
    expect(token, strlen(token), NOW, "form");
    free(token);
    strbuf_deinit(&claims);
}

static void a_signature_of_another_length_is_none(void **state)
{
    static const struct tokens_key *const keys[] = {&hs, &rs, &es, &ed};
    static const char *const headers[] = {"{'alg':'HS256'}",
                                          "{'alg':'RS256','kid':'rs'}",
                                          "{'alg':'ES256'}", "{'alg':'EdDSA'}"};

    (void)state;
    for (size_t i = 0; i < COUNT(keys); i++) {
        const char *claims = i == 0 ? "{" AUD ",'sub':'ann'," LIFE "}" : GOOD;
        char *token = tokens_sign(keys[i], q(headers[i]), q(claims));
        size_t head = (size_t)(strrchr(token, '.') - token) + 1;

        expect(token, head, NOW, "signature");
        expect(token, head + 4, NOW, "signature");
        free(token);
    }
}

/* A public key as the secret of HS256, which other libraries have taken. */
static void a_public_key_is_no_secret(void **state)
{
    struct jwt_rules without = rules;
    struct jwt_claims claims = {0};
    char *token = tokens_sign(&hs, q("{'alg':'HS256','kid':'rs'}"), q(GOOD));

    (void)state;
    without.secrets = NULL;
    assert_int_equal(jwt_verify(&without, text_of(token), NOW, &claims), JWT_ALG);
    free(token);
}

static void a_named_claim_is_the_user(void **state)
{
    struct jwt_rules other = rules;
    struct jwt_claims claims = {0};
    char *token =
        tokens_sign(&es, q("{'alg':'ES256'}"),
                    q(WITH("'login':'bob','roomcast/rooms':{'*':'r'},'rooms':5")));

    (void)state;
    other.user_claim = "login";
    other.rooms_claim = "roomcast/rooms";
    other.audience = "";
    assert_int_equal(jwt_verify(&other, text_of(token), NOW, &claims), JWT_OK);
    assert_memory_equal(claims.user.base, "bob", 3);
    assert_int_equal(grants_find(claims.grants, text_of("anything")), 1);
    jwt_claims_deinit(&claims);
    free(token);
}

/* ---- nothing but what was signed ---- */

static void put_in_turn(char *token, size_t at)
{
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                              "0123456789-_.=+/ ";
    char was = token[at];

    for (size_t i = 0; i < sizeof(all) - 1; i++) {
        struct jwt_claims claims = {0};

        token[at] = all[i];
        if (all[i] != was)
            assert_int_not_equal(jwt_verify(&rules, text_of(token), NOW, &claims),
                                 JWT_OK);
        jwt_claims_deinit(&claims);
    }
    token[at] = was;
}

static void no_other_text_is_accepted(void **state)
{
    static const size_t kinds[] = {0, 2, 4, 6};

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        char *token = tokens_sign(good[kinds[i]].key, q(good[kinds[i]].header),
                                  q(good[kinds[i]].claims));
        size_t len = strlen(token);

        print_message("  %s\n", good[kinds[i]].header);
        for (size_t at = 0; at < len; at++)
            put_in_turn(token, at);
        for (size_t cut = 0; cut < len; cut++) {
            struct jwt_claims claims = {0};
            struct json_text part = {token, cut};

            assert_int_not_equal(jwt_verify(&rules, part, NOW, &claims), JWT_OK);
        }
        expect(token, len, NOW, "ok");
        free(token);
    }
}

/* ---- secrets, kids ---- */

static void each_secret_is_accepted_and_the_first_signs(void **state)
{
    struct jwt_secrets two = {NULL, 0};
    struct jwt_rules with_two = rules;
    struct jwt_claims claims = {0};
    struct strbuf out = {NULL, 0, 0};
    char *old = tokens_sign(&hs, q("{'alg':'HS256'}"), q(good[0].claims));
    uint64_t print;

    (void)state;
    assert_int_equal(
        jwt_secrets_parse(&two,
                          "another secret, which is just as long\r\n\n" TOKENS_SECRET),
        0);
    assert_int_equal(two.count, 2);
    with_two.secrets = &two;
    assert_int_equal(jwt_verify(&with_two, text_of(old), NOW, &claims), JWT_OK);
    print = claims.key;
    assert_true(jwt_secrets_have(&two, print));
    jwt_add_signed(&out, &two, text_of(q(good[0].claims)));
    assert_int_equal(jwt_verify(&with_two, text_of(out.data), NOW, &claims), JWT_OK);
    assert_int_not_equal(claims.key, print);
    expect(out.data, out.len, NOW, "signature"); /* the old secret alone */
    assert_int_equal(jwt_secrets_parse(&two, "another secret, which is just as long\n"
                                             "short\n"),
                     2);
    assert_int_equal(two.count, 2); /* as it was */
    jwt_claims_deinit(&claims);
    jwt_secrets_deinit(&two);
    strbuf_deinit(&out);
    free(old);
}

static void a_kid_is_told_as_encoded_text(void **state)
{
    char *token = tokens_sign(&rs, q("{'alg':'RS256','kid':'a b\\n%'}"), q(GOOD));
    struct strbuf out = {NULL, 0, 0};

    (void)state;
    jwt_add_kid(&out, text_of(token));
    assert_string_equal(out.data, "a%20b%0A%25");
    strbuf_deinit(&out);
    free(token);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_of_every_algorithm_are_accepted),
        cmocka_unit_test(what_a_token_says_is_read),
        cmocka_unit_test(a_room_token_is_for_one_room),
        cmocka_unit_test(bad_tokens_are_refused_with_their_reason),
        cmocka_unit_test(the_leeway_is_at_both_ends),
        cmocka_unit_test(another_form_is_refused),
        cmocka_unit_test(a_token_has_at_most_8192_bytes),
        cmocka_unit_test(a_signature_of_another_length_is_none),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(a_named_claim_is_the_user),
        cmocka_unit_test(no_other_text_is_accepted),
        cmocka_unit_test(each_secret_is_accepted_and_the_first_signs),
        cmocka_unit_test(a_kid_is_told_as_encoded_text),
    };

    return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
