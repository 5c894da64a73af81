/* test_token.c - tokens that the admin service makes: what they say, and what none is made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admin/token.h"
#include "common/jwt.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/tokens.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum { NOW = 1700000000, LIFE_MAX = 86400 };

static struct config config_of(const char *user_claim)
{
    return (struct config){
        .jwt_audience = (char *)(uintptr_t) "roomcast",
        .jwt_user_claim = (char *)(uintptr_t)user_claim,
        .jwt_rooms_claim = (char *)(uintptr_t) "rooms",
        .token_max_secs = LIFE_MAX,
    };
}

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, text ? strlen(text) : 0};
}

static void assert_text(struct json_text text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.base, expected, text.len);
}

static const char two_secrets[] = TOKENS_SECRET "\nanother secret of thirty-two bytes";

/* By the first secret alone. */
static void a_token_says_what_was_wished_for(void **state)
{
    struct config config = config_of("preferred_username");
    struct token_wish wish = {.user = text_of("ann \"x\""),
                              .name = text_of("Ann"),
                              .rooms = text_of(q("{ 'lobby' : 'rw', 'team/*':'r' }")),
                              .secs = 60};
    struct grants_table table = {0};
    struct jwt_secrets secrets = {NULL, 0};
    const struct jwt_rules rules = {.secrets = &secrets,
                                    .audience = "roomcast",
                                    .user_claim = "preferred_username",
                                    .rooms_claim = "rooms",
                                    .life_max_secs = 60,
                                    .grants = &table};
    struct jwt_claims claims = {0};
    struct strbuf out = {NULL, 0, 0};

    (void)state;
    assert_int_equal(jwt_secrets_parse(&secrets, two_secrets), 0);
    assert_null(token_make(&out, &wish, &secrets, &config, NOW));
    assert_int_equal(jwt_secrets_parse(&secrets, TOKENS_SECRET), 0);
    assert_int_equal(
        jwt_verify(&rules, (struct json_text){out.data, out.len}, NOW, &claims),
        JWT_OK);
    assert_text(claims.user, "ann \"x\"");
    assert_text(claims.name, "Ann");
    assert_text(claims.jti, wish.jti);
    assert_int_equal(strlen(wish.jti), 2 * TOKEN_JTI_BYTES);
    assert_int_equal(claims.issued_at, NOW);
    assert_int_equal(claims.expires_at, NOW + 60);
    assert_int_equal(grants_find(claims.grants, text_of("lobby")),
                     RIGHT_READ | RIGHT_WRITE);
    assert_int_equal(grants_find(claims.grants, text_of("team/a")), RIGHT_READ);
    jwt_claims_deinit(&claims);
    grants_table_deinit(&table);
    jwt_secrets_deinit(&secrets);
    strbuf_deinit(&out);
}

static char long_name[66];

static const struct {
    const char *user, *name, *rooms, *claim;
    uint64_t secs;
} refused[] = {
    {"", NULL, NULL, "sub", 60},
    {"a{b", NULL, NULL, "sub", 60},
    {"guest-1", NULL, NULL, "sub", 60},
    {long_name, NULL, NULL, "sub", 60},
    {"ann", "", NULL, "sub", 60},
    {"ann", long_name, NULL, "sub", 60},
    {"ann", "a\nb", NULL, "sub", 60},
    {"ann", NULL, "{'lobby':'x'}", "sub", 60},
    {"ann", NULL, "{'lobby':'r','lobby':'r'}", "sub", 60},
    {"ann", NULL, "{'lobby':5}", "sub", 60},
    {"ann", NULL, NULL, "sub", LIFE_MAX + 1},
    {"ann", "Ann", NULL, "name", 60}, /* one claim for two things */
    {"ann", NULL, NULL, "iat", 60},
};

static void what_no_gateway_would_take_is_not_made(void **state)
{
    struct jwt_secrets secrets = {NULL, 0};

    (void)state;
    assert_int_equal(jwt_secrets_parse(&secrets, two_secrets), 0);
    memset(long_name, 'x', sizeof(long_name) - 1);
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct config config = config_of(refused[i].claim);
        struct token_wish wish = {.user = text_of(refused[i].user),
                                  .name = text_of(refused[i].name),
                                  .secs = refused[i].secs};
        struct strbuf out = {NULL, 0, 0};

        if (refused[i].rooms)
            wish.rooms = text_of(q(refused[i].rooms));
        print_message("  %zu %s\n", i, refused[i].user);
        assert_non_null(token_make(&out, &wish, &secrets, &config, NOW));
        assert_int_equal(out.len, 0);
        strbuf_deinit(&out);
    }
    jwt_secrets_deinit(&secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_says_what_was_wished_for),
        cmocka_unit_test(what_no_gateway_would_take_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
