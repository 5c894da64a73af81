/* sessions.c - see sessions.h. What is in Redis is JSON, an object of strings and numbers. */
#include "admin/sessions.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "common/base64url.h"
#include "common/digits.h"
#include "common/json_read.h"
#include "common/xalloc.h"

enum { RANDOM_BYTES = 32, HEX_BYTES = 2 * SHA256_DIGEST_LENGTH + 1 };

/* ---- random texts and digests ---- */

static void print_bytes(struct sessions_text *out,
                        const unsigned char bytes[RANDOM_BYTES])
{
    struct strbuf text = {NULL, 0, 0};

    base64url_add(&text, bytes, RANDOM_BYTES);
    memcpy(out->text, text.data, sizeof(out->text));
    OPENSSL_cleanse(text.data, text.len);
    strbuf_deinit(&text);
}

void sessions_fill(struct sessions_text *out)
{
    unsigned char bytes[RANDOM_BYTES];

    RAND_bytes(bytes, sizeof(bytes));
    print_bytes(out, bytes);
    OPENSSL_cleanse(bytes, sizeof(bytes));
}

void sessions_hash(struct sessions_text *out, struct json_text text)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)text.base, text.len, digest);
    print_bytes(out, digest);
}

bool sessions_is_random(struct json_text text)
{
    struct strbuf bytes = {NULL, 0, 0};
    bool is_one = text.len == SESSIONS_RANDOM && base64url_decode(&bytes, text);

    strbuf_deinit(&bytes);
    return is_one;
}

static void print_digest(char out[HEX_BYTES], struct json_text text)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];

    SHA256((const unsigned char *)text.base, text.len, digest);
    digits_print_hex(out, digest, sizeof(digest));
}

/* ---- what is in Redis ---- */

static void add_member(struct strbuf *out, const char *name, const char *value)
{
    strbuf_add_char(out, out->len > 0 ? ',' : '{');
    strbuf_add_json(out, name, strlen(name));
    strbuf_add_char(out, ':');
    strbuf_add_json(out, value, strlen(value));
}

static void add_who(struct strbuf *out, const struct auth_who *who)
{
    add_member(out, "name", who->name);
    add_member(out, "role", role_word(who->role));
}

static bool take_random(const struct json_members *members, const char *name,
                        struct sessions_text *out)
{
    struct json_text token = json_read_find(members, name);

    json_read_copy(out->text, sizeof(out->text), token);
    return json_read_is_string(token) && token.len == SESSIONS_RANDOM + 2;
}

static bool take_who(const struct json_members *members, struct auth_who *who)
{
    struct json_text role = json_read_find(members, "role");
    char *name = json_read_dup(json_read_find(members, "name"));
    size_t len = name ? strlen(name) : 0;
    bool is_one =
        proto_is_plain(name, len, AUTH_NAME_MAX) && role.len > 2 &&
        role_parse((struct json_text){role.base + 1, role.len - 2}, &who->role);

    if (is_one)
        memcpy(who->name, name, len + 1);
    free(name);
    return is_one;
}

/* The members of what was read; SESSIONS_OK: deinit them. */
static enum sessions_result scan(struct json_members *members, int status,
                                 const redisReply *reply)
{
    struct json_text text = reply_string(reply);

    if (status < 0)
        return SESSIONS_AWAY;
    return text.len > 0 && json_scan(text.base, text.len, members) == 0 ? SESSIONS_OK
                                                                        : SESSIONS_NONE;
}

static void put(struct db *db, const char *name, enum login_key which,
                const struct strbuf *text, uint64_t life_ms, redis_reply_fn on_reply,
                void *data)
{
    db_begin(db, 0, "SET");
    command_add_login_key(&db->cmd, name, which);
    redis_command_add(&db->cmd, text->data, text->len);
    redis_command_add_text(&db->cmd, "PX");
    redis_command_add_u64(&db->cmd, life_ms);
    db_send(db, on_reply, data);
}

static void ask(struct db *db, const char *verb, const char *name, enum login_key which,
                redis_reply_fn on_reply, void *data)
{
    db_begin(db, 0, verb);
    command_add_login_key(&db->cmd, name, which);
    db_send(db, on_reply, data);
}

/* ---- on the way to the provider ---- */

void sessions_put_login(struct db *db, const struct sessions_login *login,
                        redis_reply_fn on_reply, void *data)
{
    struct strbuf text = {NULL, 0, 0};

    add_member(&text, "nonce", login->nonce.text);
    add_member(&text, "verifier", login->verifier.text);
    add_member(&text, "challenge", login->challenge.text);
    strbuf_add_char(&text, '}');
    put(db, login->state.text, KEY_LOGIN, &text, SESSIONS_LOGIN_MS, on_reply, data);
    strbuf_deinit(&text);
}

void sessions_take_login(struct db *db, const struct sessions_text *state,
                         redis_reply_fn on_reply, void *data)
{
    ask(db, "GETDEL", state->text, KEY_LOGIN, on_reply, data);
}

enum sessions_result sessions_read_login(struct sessions_login *login, int status,
                                         const redisReply *reply)
{
    struct json_members members = {NULL, 0, 0, 0};
    enum sessions_result result = scan(&members, status, reply);

    if (result == SESSIONS_OK &&
        !(take_random(&members, "nonce", &login->nonce) &&
          take_random(&members, "verifier", &login->verifier) &&
          take_random(&members, "challenge", &login->challenge)))
        result = SESSIONS_NONE;
    json_members_deinit(&members);
    return result;
}

/* ---- back ---- */

void sessions_put_code(struct db *db, struct sessions_text *code,
                       const struct auth_who *who,
                       const struct sessions_text *challenge, redis_reply_fn on_reply,
                       void *data)
{
    struct strbuf text = {NULL, 0, 0};
    char name[HEX_BYTES];

    sessions_fill(code);
    print_digest(name, (struct json_text){code->text, SESSIONS_RANDOM});
    add_who(&text, who);
    add_member(&text, "challenge", challenge->text);
    strbuf_add_char(&text, '}');
    put(db, name, KEY_LOGIN_CODE, &text, SESSIONS_CODE_MS, on_reply, data);
    strbuf_deinit(&text);
}

void sessions_take_code(struct db *db, struct json_text code, redis_reply_fn on_reply,
                        void *data)
{
    char name[HEX_BYTES];

    print_digest(name, code);
    ask(db, "GETDEL", name, KEY_LOGIN_CODE, on_reply, data);
}

enum sessions_result sessions_read_code(struct auth_who *who,
                                        struct sessions_text *challenge, int status,
                                        const redisReply *reply)
{
    struct json_members members = {NULL, 0, 0, 0};
    enum sessions_result result = scan(&members, status, reply);

    if (result == SESSIONS_OK &&
        !(take_who(&members, who) && take_random(&members, "challenge", challenge)))
        result = SESSIONS_NONE;
    json_members_deinit(&members);
    return result;
}

/* ---- signed in ---- */

static void add_session(struct strbuf *out, const struct auth_who *who)
{
    add_who(out, who);
    strbuf_add_format(out, ",\"until\":%llu}", (unsigned long long)who->until_ms);
}

void sessions_begin(struct db *db, struct strbuf *token, struct auth_who *who,
                    uint64_t now_ms, redis_reply_fn on_reply, void *data)
{
    struct strbuf text = {NULL, 0, 0};
    struct sessions_text random;
    char name[HEX_BYTES];
    size_t start = token->len;

    sessions_fill(&random);
    strbuf_add_text(token, AUTH_SESSION_PREFIX);
    strbuf_add_text(token, random.text);
    SHA256((const unsigned char *)token->data + start, token->len - start, who->digest);
    digits_print_hex(name, who->digest, sizeof(who->digest));
    who->kind = AUTH_BY_SESSION;
    who->until_ms = now_ms + SESSIONS_LIFE_MS;
    add_session(&text, who);
    put(db, name, KEY_SESSION, &text, SESSIONS_LIFE_MS, on_reply, data);
    strbuf_deinit(&text);
}

static void ask_for_session(struct db *db, const char *verb,
                            const unsigned char digest[OPERATORS_DIGEST],
                            redis_reply_fn on_reply, void *data)
{
    char name[HEX_BYTES];

    digits_print_hex(name, digest, OPERATORS_DIGEST);
    ask(db, verb, name, KEY_SESSION, on_reply, data);
}

void sessions_find(struct db *db, const unsigned char digest[OPERATORS_DIGEST],
                   redis_reply_fn on_reply, void *data)
{
    ask_for_session(db, "GET", digest, on_reply, data);
}

enum sessions_result sessions_read(struct auth_who *who, int status,
                                   const redisReply *reply)
{
    struct json_members members = {NULL, 0, 0, 0};
    enum sessions_result result = scan(&members, status, reply);

    if (result == SESSIONS_OK) {
        who->until_ms = json_read_number(json_read_find(&members, "until"));
        if (!take_who(&members, who) || who->until_ms == 0)
            result = SESSIONS_NONE;
    }
    json_members_deinit(&members);
    return result;
}

void sessions_end(struct db *db, const unsigned char digest[OPERATORS_DIGEST],
                  redis_reply_fn on_reply, void *data)
{
    ask_for_session(db, "DEL", digest, on_reply, data);
}
