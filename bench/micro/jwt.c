/* jwt.c - how many whole tokens a core verifies (common/jwt.h): the signature, the claims, the grants.
 *
 *     BENCH_SECRET=… roomcast-bench-jwt JWKS TOKEN
 *
 * JWKS is {issuer: JWKS}, the token a good one of an issuer or of the secret. Prints the rate a second, the
 * median of ROUNDS; in a round the token is verified until ROUND_NS have passed. bench/auth.py calls it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/jwt.h"

enum {
    ROUND_NS = 100 * 1000 * 1000,
    STEPS = 16, /* between two looks at the clock */
    ROUNDS = 5,
};

static struct jwt_secrets secrets;
static struct jwks jwks;
static struct grants_table grants;
static struct jwt_rules rules = {
    .secrets = &secrets,
    .jwks = &jwks,
    JWT_RULES_USUAL,
    .grants = &grants,
};

/* Of this thread's own time: what else the machine does is left out. */
static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void verify(struct json_text token, struct jwt_claims *out)
{
    if (jwt_verify(&rules, token, clock_ms() / 1000, out) != JWT_OK)
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

int main(int argc, char **argv)
{
    const char *secret = getenv("BENCH_SECRET");
    uint64_t rates[ROUNDS];

    if (argc != 3 || !secret || jwt_secrets_parse(&secrets, secret) != 0 ||
        !jwks_parse((struct json_text){argv[1], strlen(argv[1])}, &jwks)) {
        fprintf(stderr, "usage: BENCH_SECRET=SECRET roomcast-bench-jwt JWKS TOKEN\n");
        return 2;
    }
    for (unsigned i = 0; i < ROUNDS; i++)
        rates[i] = rate_of((struct json_text){argv[2], strlen(argv[2])});
    qsort(rates, ROUNDS, sizeof(rates[0]), compare);
    printf("%" PRIu64 "\n", rates[ROUNDS / 2]);
    jwt_secrets_deinit(&secrets);
    jwks_deinit(&jwks);
    grants_table_deinit(&grants);
    return 0;
}
