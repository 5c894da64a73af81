/* jwt_claims.c - see jwt_claims.h.
 *
 *     jwt_claims_read -> read_user, read_short, read_rooms
 *                     -> jwt_claims_hold -> read_time, has_audience, check_times
 */
#include "common/jwt_claims.h"

#include <string.h>

#include "common/digits.h"
#include "common/json_read.h"
#include "common/proto.h"

enum { TIME_DIGITS_MAX = 15 };

/* ---- single claims ---- */

/* The decoded text of a claim, kept in claims->text, which does not move. False: it is none. */
static bool read_text(struct jwt_claims *claims, struct json_text token,
                      struct json_text *out)
{
    size_t at = claims->text.len;

    if (!json_read_is_string(token))
        return false;
    json_read_text(&claims->text, token);
    *out = (struct json_text){claims->text.data + at, claims->text.len - at};
    return true;
}

/* Of at most `max` bytes, may be absent. */
static bool read_short(struct jwt_claims *claims, struct json_text token, size_t max,
                       struct json_text *out)
{
    return token.len == 0 ||
           (read_text(claims, token, out) && proto_is_plain(out->base, out->len, max));
}

/* Seconds since 1970; what is behind a point does not count. */
static bool read_time(struct json_text token, uint64_t *out)
{
    const char *point = memchr(token.base, '.', token.len);
    size_t len = point ? (size_t)(point - token.base) : token.len;

    if (point)
        for (const char *at = point + 1; at < token.base + token.len; at++)
            if (*at < '0' || *at > '9')
                return false;
    return len <= TIME_DIGITS_MAX && digits_parse(token.base, len, UINT64_MAX, out);
}

static bool read_user(struct jwt_claims *claims, struct json_text token)
{
    size_t guest = strlen(JWT_GUEST);

    return read_text(claims, token, &claims->user) &&
           proto_is_name(claims->user.base, claims->user.len, PROTO_USER_MAX) &&
           !(claims->user.len >= guest &&
             memcmp(claims->user.base, JWT_GUEST, guest) == 0);
}

/* A token is for one room, or for those that its patterns name. */
static bool read_rooms(const struct jwt_rules *rules,
                       const struct json_members *members, struct jwt_claims *claims)
{
    struct json_text room = json_read_find(members, "room"), letters;
    struct json_text rooms = json_read_find(members, rules->rooms_claim);

    if (room.len > 0)
        return read_text(claims, room, &claims->room) &&
               proto_is_name(claims->room.base, claims->room.len, PROTO_ROOM_MAX) &&
               read_text(claims, json_read_find(members, "can"), &letters) &&
               grants_parse_rights(letters, &claims->can);
    if (rooms.len == 0)
        return true;
    claims->grants = grants_get(rules->grants, rooms);
    return claims->grants != NULL;
}

/* ---- whether it holds ---- */

static bool is_audience(struct json_text token, const char *audience)
{
    struct strbuf text = {NULL, 0, 0};
    bool is_it;

    json_read_text(&text, token);
    is_it = json_read_is_string(token) && text.len == strlen(audience) &&
            (text.len == 0 || memcmp(text.data, audience, text.len) == 0);
    strbuf_deinit(&text);
    return is_it;
}

/* It, or among it. */
static bool has_audience(struct json_text token, const char *audience)
{
    struct json_text each;
    size_t at = 0;

    if (audience[0] == '\0' || is_audience(token, audience))
        return true;
    if (token.len == 0 || token.base[0] != '[')
        return false;
    while (json_read_next(token, &at, &each))
        if (is_audience(each, audience))
            return true;
    return false;
}

static enum jwt_result check_times(const struct jwt_rules *rules, uint64_t now_secs,
                                   uint64_t not_before, const struct jwt_claims *claims)
{
    uint64_t latest = now_secs + rules->leeway_secs;

    if (claims->issued_at > latest || not_before > latest)
        return JWT_NOT_YET;
    if (claims->expires_at > claims->issued_at &&
        claims->expires_at - claims->issued_at > rules->life_max_secs)
        return JWT_LIFETIME;
    return now_secs >= claims->expires_at + rules->leeway_secs ? JWT_EXPIRED : JWT_OK;
}

/* ---- the whole ---- */

const struct jwks_issuer *jwt_claims_find_issuer(const struct json_members *members,
                                                 const struct jwks *jwks)
{
    struct json_text token = json_read_find(members, "iss");
    const struct jwks_issuer *found = NULL;
    struct strbuf text = {NULL, 0, 0};

    if (!jwks || !json_read_is_string(token))
        return NULL;
    json_read_text(&text, token);
    if (text.len > 0)
        found = jwks_find(jwks, (struct json_text){text.data, text.len});
    strbuf_deinit(&text);
    return found;
}

enum jwt_result jwt_claims_hold(const struct jwt_rules *rules,
                                const struct json_members *members, uint64_t now_secs,
                                struct jwt_claims *claims)
{
    struct json_text start = json_read_find(members, "nbf");
    uint64_t not_before = 0;

    if (!read_time(json_read_find(members, "exp"), &claims->expires_at) ||
        !read_time(json_read_find(members, "iat"), &claims->issued_at) ||
        (start.len > 0 && !read_time(start, &not_before)))
        return JWT_CLAIMS;
    if (!has_audience(json_read_find(members, "aud"), rules->audience))
        return JWT_AUDIENCE;
    return check_times(rules, now_secs, not_before, claims);
}

static bool read(const struct jwt_rules *rules, const struct json_members *members,
                 struct jwt_claims *claims)
{
    return read_user(claims, json_read_find(members, rules->user_claim)) &&
           read_short(claims, json_read_find(members, "jti"), JWT_JTI_MAX,
                      &claims->jti) &&
           read_short(claims, json_read_find(members, "name"), JWT_NAME_MAX,
                      &claims->name) &&
           read_rooms(rules, members, claims);
}

/* The claim that a setting names as the user may be one that is read besides. */
static size_t text_bytes_max(const struct json_members *members)
{
    size_t bytes = 0;

    for (size_t i = 0; i < members->count; i++)
        bytes += members->items[i].value.len;
    return 2 * bytes;
}

enum jwt_result jwt_claims_read(const struct jwt_rules *rules,
                                const struct json_members *members, uint64_t now_secs,
                                struct jwt_claims *claims)
{
    strbuf_reserve(&claims->text, text_bytes_max(members)); /* so that it never moves */
    if (!read(rules, members, claims))
        return JWT_CLAIMS;
    return jwt_claims_hold(rules, members, now_secs, claims);
}

void jwt_claims_deinit(struct jwt_claims *claims)
{
    grants_unref(claims->grants);
    strbuf_deinit(&claims->text);
    *claims = (struct jwt_claims){0};
}
