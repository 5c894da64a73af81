/* test_id_token.c - who an ID token lets in, and as what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/id_token.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define LONG_100                                                                       \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678"  \
    "901234567890123456789"

enum { NOW = 1800000000 };

static struct tokens_key pair, other;
static struct jwks jwks;
static struct id_token_rules rules = {
    .jwks = &jwks,
    .client_id = "console",
    .claim = "groups",
    .values = {[ROLE_VIEWER] = "staff,guests",
               [ROLE_MODERATOR] = "mods",
               [ROLE_ADMIN] = "ops"},
    .leeway_secs = 30,
    .life_max_secs = 86400,
};

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

static struct auth_who who;
static const char *why;

static enum id_token_result check(const struct tokens_key *key, const char *header,
                                  const char *claims)
{
    char *token = tokens_sign(key, q(header), q(claims));
    enum id_token_result result =
        id_token_check(&rules, text_of(token), text_of("n-1"), NOW, &who, &why);

    free(token);
    return result;
}

/* Claims that are good but for those that a test adds. */
#define ISS "'iss':'https://id.example'"
#define AUD "'aud':'console'"
#define TIMES "'iat':1800000000,'exp':1800000300"
#define NONCE "'nonce':'n-1'"
#define SUB "'sub':'s-1'"
#define OPS "'groups':['ops']"
#define HEADER "{'alg':'EdDSA','kid':'k'}"

static const struct {
    const char *claims;
    enum id_token_result result;
    const char *why;
} cases[] = {
    {"{" ISS "," AUD "," TIMES "," NONCE "," SUB "," OPS "}", ID_TOKEN_OK, ""},
    {"{" ISS ",'aud':['console']," TIMES "," NONCE "," SUB "," OPS "}", ID_TOKEN_OK,
     ""},
    {"{" ISS ",'aud':['x','console'],'azp':'console'," TIMES "," NONCE "," SUB "," OPS
     "}",
     ID_TOKEN_OK, ""},
    {"{'iss':'https://other.example'," AUD "," TIMES "," NONCE "," SUB "," OPS "}",
     ID_TOKEN_REFUSED, "issuer"},
    {"{" AUD "," TIMES "," NONCE "," SUB "," OPS "}", ID_TOKEN_REFUSED, "issuer"},
    {"{" ISS ",'aud':'another'," TIMES "," NONCE "," SUB "," OPS "}", ID_TOKEN_REFUSED,
     "audience"},
    {"{" ISS "," TIMES "," NONCE "," SUB "," OPS "}", ID_TOKEN_REFUSED, "audience"},
    {"{" ISS ",'aud':['console','x']," TIMES "," NONCE "," SUB "," OPS "}",
     ID_TOKEN_REFUSED, "audience"},
    {"{" ISS ",'aud':['console','x'],'azp':'x'," TIMES "," NONCE "," SUB "," OPS "}",
     ID_TOKEN_REFUSED, "audience"},
    {"{" ISS "," AUD ",'azp':'x'," TIMES "," NONCE "," SUB "," OPS "}",
     ID_TOKEN_REFUSED, "audience"},
    {"{" ISS "," AUD ",'azp':5," TIMES "," NONCE "," SUB "," OPS "}", ID_TOKEN_REFUSED,
     "audience"},
    {"{" ISS "," AUD ",'iat':1799999000,'exp':1799999970," NONCE "," SUB "," OPS "}",
     ID_TOKEN_REFUSED, "expired"},
    {"{" ISS "," AUD ",'iat':1799999000,'exp':1799999971," NONCE "," SUB "," OPS "}",
     ID_TOKEN_OK, ""},
    {"{" ISS "," AUD ",'iat':1800000031,'exp':1800000300," NONCE "," SUB "," OPS "}",
     ID_TOKEN_REFUSED, "not_yet"},
    {"{" ISS "," AUD ",'iat':1800000000,'exp':1800086401," NONCE "," SUB "," OPS "}",
     ID_TOKEN_REFUSED, "lifetime"},
    {"{" ISS "," AUD ",'iat':1800000000," NONCE "," SUB "," OPS "}", ID_TOKEN_REFUSED,
     "claims"},
    {"{" ISS "," AUD "," TIMES ",'nbf':1800000031," NONCE "," SUB "," OPS "}",
     ID_TOKEN_REFUSED, "not_yet"},
    {"{" ISS "," AUD "," TIMES ",'nonce':'n-2'," SUB "," OPS "}", ID_TOKEN_NONCE, ""},
    {"{" ISS "," AUD "," TIMES ",'nonce':'n-'," SUB "," OPS "}", ID_TOKEN_NONCE, ""},
    {"{" ISS "," AUD "," TIMES ",'nonce':null," SUB "," OPS "}", ID_TOKEN_NONCE, ""},
    {"{" ISS "," AUD "," TIMES "," SUB "," OPS "}", ID_TOKEN_NONCE, ""},
    {"{" ISS "," AUD "," TIMES "," NONCE "," OPS "}", ID_TOKEN_NO_NAME, ""},
    {"{" ISS "," AUD "," TIMES "," NONCE ",'sub':''," OPS "}", ID_TOKEN_NO_NAME, ""},
    {"{" ISS "," AUD "," TIMES "," NONCE ",'sub':5," OPS "}", ID_TOKEN_NO_NAME, ""},
    {"{" ISS "," AUD "," TIMES "," NONCE ",'sub':'a\\nb'," OPS "}", ID_TOKEN_NO_NAME,
     ""},
    {"{" ISS "," AUD "," TIMES "," NONCE ",'sub':'" LONG_100 LONG_100 "'," OPS "}",
     ID_TOKEN_NO_NAME, ""},
    {"{" ISS "," AUD "," TIMES "," NONCE "," SUB "}", ID_TOKEN_NO_ROLE, ""},
    {"{" ISS "," AUD "," TIMES "," NONCE "," SUB ",'groups':[]}", ID_TOKEN_NO_ROLE, ""},
    {"{" ISS "," AUD "," TIMES "," NONCE "," SUB
     ",'groups':['Ops','op','ops,mods','*']}",
     ID_TOKEN_NO_ROLE, ""},
    {"{" ISS "," AUD "," TIMES "," NONCE "," SUB ",'groups':{'ops':'ops'}}",
     ID_TOKEN_NO_ROLE, ""},
    {"{" ISS "," AUD "," TIMES "," NONCE "," SUB "," OPS ",'nonce':'n-1'}",
     ID_TOKEN_REFUSED, "form"},
};

static void a_token_is_held_to_all_that_it_must_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        print_message("  %s\n", cases[i].claims);
        assert_int_equal(check(&pair, HEADER, cases[i].claims), cases[i].result);
        assert_string_equal(why, cases[i].why);
    }
}

static void only_the_keys_of_the_issuer_count(void **state)
{
    static const char good[] = "{" ISS "," AUD "," TIMES "," NONCE "," SUB "," OPS "}";
    const struct tokens_key secret = {JWK_HS256, NULL};

    (void)state;
    assert_int_equal(check(&other, HEADER, good), ID_TOKEN_REFUSED);
    assert_string_equal(why, "signature");
    assert_int_equal(check(&other, "{'alg':'EdDSA','kid':'new'}", good),
                     ID_TOKEN_UNKNOWN_KID);
    assert_int_equal(check(&secret, "{'alg':'HS256'}", good), ID_TOKEN_REFUSED);
    assert_string_equal(why, "alg");
    assert_int_equal(check(&pair, "{'alg':'none'}", good), ID_TOKEN_REFUSED);
    assert_string_equal(why, "alg");
    assert_int_equal(
        id_token_check(&rules, text_of("a.b"), text_of("n-1"), NOW, &who, &why),
        ID_TOKEN_REFUSED);
    assert_string_equal(why, "form");
}

static const struct {
    const char *groups, *admin;
    enum role role;
} roles[] = {
    {"['ops']", "ops", ROLE_ADMIN},
    {"'ops'", "ops", ROLE_ADMIN},
    {"['x','mods']", "ops", ROLE_MODERATOR},
    {"['staff','mods','ops']", "ops", ROLE_ADMIN},
    {"['staff','x']", "ops", ROLE_VIEWER},
    {"['guests']", "ops", ROLE_VIEWER},
    {"[5,null,['ops'],'staff']", "ops", ROLE_VIEWER},
    {"['st\\u0061ff']", "ops", ROLE_VIEWER},
    {"[]", "*", ROLE_ADMIN},
    {"['staff']", "", ROLE_VIEWER},
    {"['','staff']", ",", ROLE_VIEWER},
};

static void the_highest_role_of_the_values_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(roles); i++) {
        char claims[512];

        print_message("  %s\n", roles[i].groups);
        snprintf(claims, sizeof(claims),
                 "{" ISS "," AUD "," TIMES "," NONCE "," SUB ",'groups':%s}",
                 roles[i].groups);
        rules.values[ROLE_ADMIN] = roles[i].admin;
        assert_int_equal(check(&pair, HEADER, claims), ID_TOKEN_OK);
        assert_int_equal(who.role, roles[i].role);
    }
    rules.values[ROLE_ADMIN] = "ops";
}

static const struct {
    const char *claims, *name;
} names[] = {
    {"'sub':'s-1','email':'ann@example.org'", "oidc:ann@example.org"},
    {"'sub':'s-1','email':'ann@example.org','email_verified':true",
     "oidc:ann@example.org"},
    {"'sub':'s-1','email':'ann@example.org','email_verified':false", "oidc:s-1"},
    {"'sub':'s-1','email':'ann@example.org','email_verified':'true'", "oidc:s-1"},
    {"'sub':'s-1','email':''", "oidc:s-1"},
    {"'sub':'s-1','email':5", "oidc:s-1"},
    {"'sub':'s-1','email':'" LONG_100 LONG_100 "'", "oidc:s-1"},
    {"'sub':'" LONG_100 "'", "oidc:" LONG_100},
};

static void the_name_is_the_address_or_the_subject(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        char claims[1024];

        print_message("  %s\n", names[i].claims);
        snprintf(claims, sizeof(claims),
                 "{" ISS "," AUD "," TIMES "," NONCE "," OPS ",%s}", names[i].claims);
        assert_int_equal(check(&pair, HEADER, claims), ID_TOKEN_OK);
        assert_string_equal(who.name, names[i].name);
    }
}

static int start(void **state)
{
    struct strbuf text = {NULL, 0, 0};
    char *jwk;
    bool is_read;

    (void)state;
    pair = tokens_key(JWK_EDDSA, 0);
    other = tokens_key(JWK_EDDSA, 0);
    jwk = tokens_jwk(&pair, "k");
    strbuf_add_format(&text, "{\"https://id.example\":{\"keys\":[%s]}}", jwk);
    is_read = jwks_parse(text_of(text.data), &jwks);
    free(jwk);
    strbuf_deinit(&text);
    return is_read ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    jwks_deinit(&jwks);
    tokens_key_deinit(&pair);
    tokens_key_deinit(&other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_held_to_all_that_it_must_say),
        cmocka_unit_test(only_the_keys_of_the_issuer_count),
        cmocka_unit_test(the_highest_role_of_the_values_counts),
        cmocka_unit_test(the_name_is_the_address_or_the_subject),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
