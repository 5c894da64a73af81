/* test_jwks.c - public keys out of JSON: broken ones between good ones are left out and counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/jwks.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

/* The key with `more` behind its last member. */
static char *with(const char *jwk, const char *more)
{
    struct strbuf out = {NULL, 0, 0};

    strbuf_add(&out, jwk, strlen(jwk) - 1);
    strbuf_add_text(&out, q(more));
    strbuf_add_char(&out, '}');
    return out.data;
}

static bool is_usable(const char *jwk)
{
    struct jwk key;
    bool is = jwk_parse(text_of(jwk), &key);

    if (is)
        jwk_deinit(&key);
    return is;
}

static const struct {
    const char *more;
    bool is_usable;
} uses[] = {
    {"", true},
    {",'use':'sig'", true},
    {",'use':'enc'", false},
    {",'use':5", false},
    {",'key_ops':['verify']", true},
    {",'key_ops':['encrypt','verify']", true},
    {",'key_ops':['encrypt']", false},
    {",'key_ops':[]", false},
    {",'key_ops':'verify'", false},
    {",'alg':'ES256'", true},
    {",'alg':'ES384'", false},
    {",'alg':'RS256'", false},
    {",'kid':'any'", true},
    {",'kid':5", false},
    {",'x5c':['any'],'jku':'https://evil.example'", true}, /* not looked at */
};

static void a_key_is_used_for_what_it_is_for(void **state)
{
    struct tokens_key key = tokens_key(JWK_ES256, 0);
    char *jwk = tokens_jwk(&key, NULL);

    (void)state;
    for (size_t i = 0; i < COUNT(uses); i++) {
        char *changed = with(jwk, uses[i].more);

        print_message("  %s\n", uses[i].more);
        assert_int_equal(is_usable(changed), uses[i].is_usable);
        free(changed);
    }
    free(jwk);
    tokens_key_deinit(&key);
}

static const struct {
    unsigned bits;
    bool is_usable;
} sizes[] = {{1024, false}, {2040, false}, {2048, true}, {3072, true}};

static void a_small_rsa_key_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct tokens_key key = tokens_key(JWK_RS256, sizes[i].bits);
        char *jwk = tokens_jwk(&key, NULL);

        print_message("  %u bits\n", sizes[i].bits);
        assert_int_equal(is_usable(jwk), sizes[i].is_usable);
        free(jwk);
        tokens_key_deinit(&key);
    }
}

#define ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static const char *const none[] = {
    "{}",
    "null",
    "'text'",
    "5",
    "[]",
    "{'kty':'oct','k':'AAAA'}",
    "{'kty':'RSA'}",
    "{'kty':'RSA','n':'AQAB','e':'AQAB'}",
    "{'kty':'RSA','n':5,'e':'AQAB'}",
    "{'kty':'EC','crv':'P-256','x':'" ZERO "','y':'" ZERO "'}", /* not on the curve */
    "{'kty':'EC','crv':'P-384','x':'" ZERO "','y':'" ZERO "'}",
    "{'kty':'EC','crv':'P-256','x':'" ZERO "A','y':'" ZERO "'}",
    "{'kty':'EC','crv':'P-256','x':'" ZERO "'}",
    "{'kty':'OKP','crv':'X25519','x':'" ZERO "'}",
    "{'kty':'OKP','crv':'Ed25519','x':'AAAA'}",
    "{'kty':'OKP','crv':'Ed25519','x':'AAA='}",
    "{'kty':'secret'}",
};

static void what_is_no_key_is_left_out_and_the_others_work(void **state)
{
    struct tokens_key pairs[] = {tokens_key(JWK_RS256, 0), tokens_key(JWK_ES256, 0),
                                 tokens_key(JWK_EDDSA, 0)};
    struct strbuf text = {NULL, 0, 0};
    struct jwks_issuer issuer = {0};

    (void)state;
    strbuf_add_text(&text, "{\"keys\": [ ");
    for (size_t i = 0; i < COUNT(none); i++) {
        char *jwk = tokens_jwk(&pairs[i % COUNT(pairs)], "k");

        strbuf_add_format(&text, "%s%s , %s", i > 0 ? "," : "", q(none[i]), jwk);
        free(jwk);
    }
    strbuf_add_text(&text, "]}");
    assert_true(jwks_parse_set((struct json_text){text.data, text.len}, &issuer));
    assert_int_equal(issuer.count, COUNT(none));
    assert_int_equal(issuer.left_out, COUNT(none));
    for (size_t i = 0; i < issuer.count; i++)
        assert_int_equal(issuer.keys[i].alg, pairs[i % COUNT(pairs)].alg);
    assert_int_equal(issuer.keys[0].print, issuer.keys[3].print);
    assert_int_not_equal(issuer.keys[0].print, issuer.keys[1].print);
    jwks_deinit_issuer(&issuer);
    strbuf_deinit(&text);
    for (size_t i = 0; i < COUNT(pairs); i++)
        tokens_key_deinit(&pairs[i]);
}

static const char *const no_sets[] = {
    "",
    "null",
    "[]",
    "{}",
    "{'keys':5}",
    "{'keys':{}}",
    "{'keys':[]}",
    "{'keys':[ ]}",
    "{'keys':[{}]}",
    "<html>",
    "{'keys':['",
};

static void a_set_without_a_key_is_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(no_sets); i++) {
        struct jwks_issuer issuer = {0};

        print_message("  %s\n", no_sets[i]);
        assert_false(jwks_parse_set(text_of(q(no_sets[i])), &issuer));
        assert_int_equal(issuer.count, 0);
    }
}

static void issuers_are_found_by_their_exact_name(void **state)
{
    struct jwks jwks;

    (void)state;
    assert_true(
        jwks_parse(text_of(q("{'https://a/':{'keys':[]},'\\u0062':{}}")), &jwks));
    assert_int_equal(jwks.count, 2);
    assert_non_null(jwks_find(&jwks, text_of("https://a/")));
    assert_non_null(jwks_find(&jwks, text_of("b")));
    assert_null(jwks_find(&jwks, text_of("https://a")));
    jwks_deinit(&jwks);
    assert_false(jwks_parse(text_of(q("{'b':{},'\\u0062':{}}")), &jwks));
    assert_false(jwks_parse(text_of("[]"), &jwks));
    assert_int_equal(jwks.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_used_for_what_it_is_for),
        cmocka_unit_test(a_small_rsa_key_is_none),
        cmocka_unit_test(what_is_no_key_is_left_out_and_the_others_work),
        cmocka_unit_test(a_set_without_a_key_is_none),
        cmocka_unit_test(issuers_are_found_by_their_exact_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
