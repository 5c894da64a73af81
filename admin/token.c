/* token.c - see token.h.
 *
 *     token_make -> check_wish -> print_claims -> jwt_add_signed -> is_taken
 */
#include "admin/token.h"

#include <stdio.h>
#include <string.h>

#include <openssl/rand.h>

#include "common/clock.h"
#include "common/digits.h"
#include "common/jwt.h"
#include "common/proto.h"

enum { EXIT_REFUSED = 2 };

/* ---- the token ---- */

static const char *check_rooms(struct json_text rooms)
{
    struct grants_table table = {0};
    struct grants *grants = grants_get(&table, rooms);
    bool is_right = grants != NULL;

    grants_unref(grants);
    grants_table_deinit(&table);
    return is_right
               ? NULL
               : "rooms must be at most 256 patterns, each once, with rights of the "
                 "letters r, w and m";
}

static const char *check_wish(const struct token_wish *wish,
                              const struct config *config)
{
    struct json_text user = wish->user;
    size_t guest = sizeof(JWT_GUEST) - 1;

    if (!proto_is_name(user.base, user.len, PROTO_USER_MAX))
        return "a user is 1 to 64 bytes of UTF-8 without control characters, { and }";
    if (user.len >= guest && memcmp(user.base, JWT_GUEST, guest) == 0)
        return "a user whose name begins with guest- is one without a token";
    if (wish->name.base &&
        !proto_is_plain(wish->name.base, wish->name.len, JWT_NAME_MAX))
        return "a name is 1 to 64 bytes of UTF-8 without control characters";
    if (wish->secs > (uint64_t)config->token_max_secs)
        return "secs is more than ROOMCAST_TOKEN_MAX_SECS";
    return wish->rooms.base ? check_rooms(wish->rooms) : NULL;
}

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

/* A member of the object that `out` begins with. */
static void add_member(struct strbuf *out, struct json_text name,
                       struct json_text value)
{
    strbuf_add_text(out, out->len > 1 ? "," : "");
    strbuf_add_json(out, name.base, name.len);
    strbuf_add_char(out, ':');
    strbuf_add_json(out, value.base, value.len);
}

static void add_text(struct strbuf *out, const char *name, struct json_text value)
{
    add_member(out, text_of(name), value);
}

static void print_claims(struct strbuf *out, const struct token_wish *wish,
                         const struct config *config, uint64_t now_secs)
{
    uint64_t most = (uint64_t)config->token_max_secs, secs = wish->secs;

    if (secs == 0)
        secs = most < TOKEN_SECS_DEFAULT ? most : TOKEN_SECS_DEFAULT;
    strbuf_add_char(out, '{');
    add_text(out, config->jwt_user_claim, wish->user);
    if (wish->name.base)
        add_text(out, "name", wish->name);
    if (config->jwt_audience[0])
        add_text(out, "aud", text_of(config->jwt_audience));
    add_text(out, "jti", text_of(wish->jti));
    strbuf_add_format(out, ",\"iat\":%llu,\"exp\":%llu", (unsigned long long)now_secs,
                      (unsigned long long)(now_secs + secs));
    if (wish->rooms.base) {
        strbuf_add_char(out, ',');
        strbuf_add_json(out, config->jwt_rooms_claim, strlen(config->jwt_rooms_claim));
        strbuf_add_char(out, ':');
        json_add_compact(out, wish->rooms);
    }
    strbuf_add_char(out, '}');
}

/* With settings that contradict each other, as two claims of one name, none is. */
static bool is_taken(struct json_text token, const struct jwt_secrets *secrets,
                     const struct config *config, uint64_t now_secs)
{
    struct grants_table table = {0};
    const struct jwt_rules rules = {
        .secrets = secrets,
        .audience = config->jwt_audience,
        .user_claim = config->jwt_user_claim,
        .rooms_claim = config->jwt_rooms_claim,
        .life_max_secs = (uint64_t)config->token_max_secs,
        .grants = &table,
    };
    struct jwt_claims claims = {0};
    bool is_good = jwt_verify(&rules, token, now_secs, &claims) == JWT_OK;

    jwt_claims_deinit(&claims);
    grants_table_deinit(&table);
    return is_good;
}

static const char *sign(struct strbuf *out, struct json_text claims,
                        const struct jwt_secrets *secrets, const struct config *config,
                        uint64_t now_secs)
{
    size_t start = out->len;
    const char *wrong = NULL;

    jwt_add_signed(out, secrets, claims);
    if (out->len - start > JWT_BYTES_MAX)
        wrong = "the token would have more than 8192 bytes";
    else if (!is_taken((struct json_text){out->data + start, out->len - start}, secrets,
                       config, now_secs))
        wrong = "no gateway with these settings would take it";
    if (wrong)
        out->len = start;
    return wrong;
}

const char *token_make(struct strbuf *out, struct token_wish *wish,
                       const struct jwt_secrets *secrets, const struct config *config,
                       uint64_t now_secs)
{
    unsigned char bytes[TOKEN_JTI_BYTES];
    struct strbuf claims = {NULL, 0, 0};
    const char *wrong = check_wish(wish, config);

    if (wrong)
        return wrong;
    RAND_bytes(bytes, sizeof(bytes));
    digits_print_hex(wish->jti, bytes, sizeof(bytes));
    print_claims(&claims, wish, config, now_secs);
    wrong = sign(out, (struct json_text){claims.data, claims.len}, secrets, config,
                 now_secs);
    strbuf_deinit(&claims);
    return wrong;
}

/* ---- the command ---- */

/* `lobby=rw,team/` and `*=r`: the rights are behind the last `=`. */
static bool add_pattern(struct strbuf *out, const char *text, size_t len)
{
    const char *equals = memrchr(text, '=', len);

    if (!equals)
        return false;
    add_member(out, (struct json_text){text, (size_t)(equals - text)},
               (struct json_text){equals + 1, len - (size_t)(equals + 1 - text)});
    return true;
}

static bool add_patterns(struct strbuf *out, const char *text)
{
    bool is_right = true;

    strbuf_add_char(out, '{');
    for (const char *at = text; at && is_right; at = strchr(at, ',')) {
        at += *at == ',';
        is_right = add_pattern(out, at, strcspn(at, ","));
    }
    strbuf_add_char(out, '}');
    return is_right && json_is_utf8(out->data, out->len);
}

static const char *make_by_flags(struct strbuf *token, struct strbuf *rooms,
                                 const struct config *config)
{
    struct jwt_secrets secrets = {NULL, 0};
    const char *wrong;
    struct token_wish wish = {
        .user = text_of(config->token_user),
        .secs = (uint64_t)config->token_secs,
    };

    if (config->token_name[0])
        wish.name = text_of(config->token_name);
    if (config->token_rooms[0] && !add_patterns(rooms, config->token_rooms))
        return "--rooms must be PATTERN=RIGHTS[,...], as lobby=rw,team/*=r";
    if (config->token_rooms[0])
        wish.rooms = (struct json_text){rooms->data, rooms->len};
    /* config has checked it */
    (void)jwt_secrets_parse(&secrets, config->jwt_secret);
    wrong = token_make(token, &wish, &secrets, config, clock_ms() / 1000);
    jwt_secrets_deinit(&secrets);
    return wrong;
}

int token_command(const struct config *config)
{
    struct strbuf token = {NULL, 0, 0}, rooms = {NULL, 0, 0};
    const char *wrong = make_by_flags(&token, &rooms, config);

    if (wrong)
        fprintf(stderr, "roomcast-admin token: %s\n", wrong);
    else
        puts(token.data);
    strbuf_deinit(&token);
    strbuf_deinit(&rooms);
    proto_deinit_thread();
    return wrong ? EXIT_REFUSED : 0;
}
