/* jwt.c - how many whole tokens a core verifies (common/jwt.h), by algorithm: the signature, the claims, the
 * grants.
 *
 *     roomcast-bench-jwt [--rounds N]
 *
 * Prints a table in markdown. A figure is the median of the rounds; in a round a token is verified until
 * ROUND_NS have passed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/jwt.h"
#include "common/strbuf.h"
#include "tests/support/unit/tokens.h"

enum {
    ROUND_NS = 100 * 1000 * 1000,
    STEPS = 16, /* between two looks at the clock */
    ROUNDS_DEFAULT = 5,
    ROUNDS_MAX = 50,
};

static const struct {
    enum jwk_alg alg;
    const char *header;
} algs[] = {
    {JWK_HS256, "{\"alg\":\"HS256\"}"},
    {JWK_RS256, "{\"alg\":\"RS256\",\"kid\":\"k\"}"},
    {JWK_ES256, "{\"alg\":\"ES256\",\"kid\":\"k\"}"},
    {JWK_EDDSA, "{\"alg\":\"EdDSA\",\"kid\":\"k\"}"},
};

static const char claims[] =
    "{\"iss\":\"https://issuer.example\",\"aud\":\"roomcast\",\"sub\":\"ann\","
    "\"iat\":1800000000,\"exp\":1800003600,\"jti\":\"4f1c8a90d2e7\","
    "\"rooms\":{\"lobby\":\"rw\",\"team/*\":\"r\"}}";

static struct jwt_secrets secrets;
static struct jwks jwks;
static struct grants_table grants;
static struct jwt_rules rules = {
    .secrets = &secrets,
    .jwks = &jwks,
    .audience = "roomcast",
    .user_claim = "sub",
    .rooms_claim = "rooms",
    .leeway_secs = 30,
    .life_max_secs = 86400,
    .grants = &grants,
};

/* Of this thread's own time: what else the machine does is left out. */
static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void set_keys(const struct tokens_key *key)
{
    struct strbuf text = {NULL, 0, 0};
    char *jwk = tokens_jwk(key, "k");

    strbuf_add_format(&text, "{\"https://issuer.example\":{\"keys\":[%s]}}", jwk);
    if (!jwks_parse((struct json_text){text.data, text.len}, &jwks))
        abort();
    free(jwk);
    strbuf_deinit(&text);
}

static void verify(struct json_text token, struct jwt_claims *out)
{
    if (jwt_verify(&rules, token, 1800000001, out) != JWT_OK)
        abort();
}

static uint64_t rate_of(struct json_text token)
{
    struct jwt_claims out = {0};
    uint64_t begun = now_ns(), passed, count = 0;

    do {
        for (int i = 0; i < STEPS; i++)
            verify(token, &out);
        count += STEPS;
        passed = now_ns() - begun;
    } while (passed < ROUND_NS);
    jwt_claims_deinit(&out);
    return count * 1000000000 / passed;
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void measure(size_t which, unsigned rounds)
{
    struct tokens_key key = algs[which].alg == JWK_HS256
                                ? (struct tokens_key){JWK_HS256, NULL}
                                : tokens_key(algs[which].alg, 0);
    char *token = tokens_sign(&key, algs[which].header, claims);
    uint64_t rates[ROUNDS_MAX];

    if (key.pair)
        set_keys(&key);
    for (unsigned i = 0; i < rounds; i++)
        rates[i] = rate_of((struct json_text){token, strlen(token)});
    qsort(rates, rounds, sizeof(rates[0]), compare);
    printf("| %s | %zu | %" PRIu64 " | %.1f |\n", jwk_alg_word(algs[which].alg),
           strlen(token), rates[rounds / 2], 1e6 / (double)rates[rounds / 2]);
    free(token);
    jwks_deinit(&jwks);
    if (key.pair)
        tokens_key_deinit(&key);
}

int main(int argc, char **argv)
{
    unsigned rounds = ROUNDS_DEFAULT;

    if (argc == 3 && strcmp(argv[1], "--rounds") == 0)
        rounds = (unsigned)atoi(argv[2]);
    if ((argc != 1 && argc != 3) || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: roomcast-bench-jwt [--rounds 1..50]\n");
        return 2;
    }
    if (jwt_secrets_parse(&secrets, TOKENS_SECRET) != 0)
        abort();
    printf("| algorithm | bytes | tokens a second and core | us a token "
           "|\n|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
        measure(i, rounds);
    jwt_secrets_deinit(&secrets);
    grants_table_deinit(&grants);
    return 0;
}
