/* fuzz_jwt.c - tokens and keys from outside.
 *
 * Input: a letter, then a text. `t`: a token as it comes, which is never accepted, for nobody
 * knows the secret. `c`: claims, which are signed here; what is accepted fits what rooms and
 * users may be called. `h`: a header before good claims, signed. `k`: a JWKS.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "common/base64url.h"
#include "common/jwt.h"
#include "common/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET "a secret of thirty-two bytes, or more"

enum { NOW = 1800000000, HS256_BYTES = 32 };

static struct grants_table table;
static struct jwt_secrets secrets;
static struct jwks no_issuers;
static struct jwt_rules rules = {
    .secrets = &secrets,
    .jwks = &no_issuers,
    JWT_RULES_USUAL,
    .grants = &table,
};

static const char header[] = "{\"alg\":\"HS256\"}";
static const char claims_text[] =
    "{\"aud\":\"roomcast\",\"sub\":\"ann\",\"iat\":1800000000,\"exp\":1800003600}";

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check(const struct jwt_claims *claims)
{
    require(proto_is_name(claims->user.base, claims->user.len, PROTO_USER_MAX));
    require(!claims->room.base ||
            proto_is_name(claims->room.base, claims->room.len, PROTO_ROOM_MAX));
    require(!claims->name.base ||
            proto_is_plain(claims->name.base, claims->name.len, JWT_NAME_MAX));
    require(claims->jti.len <= JWT_JTI_MAX);
    require(grants_find(claims->grants, claims->user) <= 7);
}

static void verify(struct json_text token, bool may_be_good)
{
    struct jwt_claims claims = {0};
    struct strbuf kid = {NULL, 0, 0};
    enum jwt_result result = jwt_verify(&rules, token, NOW, &claims);

    require(result != JWT_OK || may_be_good);
    if (result == JWT_OK)
        check(&claims);
    jwt_add_kid(&kid, token);
    strbuf_deinit(&kid);
    jwt_claims_deinit(&claims);
    require(table.sets.count == 0);
}

static void verify_signed(const char *head, size_t head_len, const char *body,
                          size_t body_len)
{
    struct strbuf token = {NULL, 0, 0};
    unsigned char signature[HS256_BYTES];
    unsigned len = sizeof(signature);

    base64url_add(&token, head, head_len);
    strbuf_add_char(&token, '.');
    base64url_add(&token, body, body_len);
    HMAC(EVP_sha256(), SECRET, sizeof(SECRET) - 1, (unsigned char *)token.data,
         token.len, signature, &len);
    strbuf_add_char(&token, '.');
    base64url_add(&token, signature, len);
    verify((struct json_text){token.data, token.len}, true);
    strbuf_deinit(&token);
}

static void read_keys(struct json_text text)
{
    struct jwks_issuer issuer = {0};
    struct jwks all;

    if (jwks_parse_set(text, &issuer))
        for (size_t i = 0; i < issuer.count; i++)
            jwk_verify(&issuer.keys[i], text, text);
    jwks_deinit_issuer(&issuer);
    if (jwks_parse(text, &all))
        jwks_deinit(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;

    if (size < 1)
        return 0;
    if (secrets.count == 0)
        require(jwt_secrets_parse(&secrets, SECRET) == 0);
    if (data[0] == 't')
        verify((struct json_text){text, size - 1}, false);
    else if (data[0] == 'c')
        verify_signed(header, sizeof(header) - 1, text, size - 1);
    else if (data[0] == 'h')
        verify_signed(text, size - 1, claims_text, sizeof(claims_text) - 1);
    else if (data[0] == 'k')
        read_keys((struct json_text){text, size - 1});
    return 0;
}
