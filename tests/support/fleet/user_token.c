/* user_token.c - see user_token.h. */
#include "tests/support/fleet/user_token.h"

#include "common/clock.h"
#include "common/strbuf.h"
#include "tests/support/unit/tokens.h"

enum { HOUR_SECS = 3600 };

char *user_token(const char *user, int secs, const char *more)
{
    const struct tokens_key key = {JWK_HS256, NULL};
    uint64_t now_s = clock_ms() / 1000;
    struct strbuf claims = {NULL, 0, 0};
    char *token;

    strbuf_add_format(
        &claims, "{\"aud\":\"roomcast\",\"sub\":\"%s\",\"iat\":%llu,\"exp\":%llu%s}",
        user, (unsigned long long)(now_s - (secs < 0 ? HOUR_SECS : 0)),
        (unsigned long long)(now_s + (uint64_t)secs), more);
    token = tokens_sign(&key, "{\"alg\":\"HS256\"}", claims.data);
    strbuf_deinit(&claims);
    return token;
}
