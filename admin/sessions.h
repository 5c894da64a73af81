/* sessions.h - people who have signed in elsewhere (SPEC-PUBLIC P8), in Redis:
 *
 *     rc:login:<state>              what was sent along to the provider; 10 min, taken once
 *     rc:login:code:<SHA-256>       who came back, for the tab that has the secret; 60 s, taken once
 *     rc:session:<SHA-256>          who has the token; 8 h
 *
 * Codes and tokens themselves are kept nowhere. Each function ends with a call to Redis; its callback
 * is called once, later or at once.
 */
#ifndef ADMIN_SESSIONS_H
#define ADMIN_SESSIONS_H

#include "admin/auth.h"
#include "admin/db.h"

enum {
    SESSIONS_RANDOM = 43, /* characters of 32 random bytes */
    SESSIONS_LOGIN_MS = 10 * 60 * 1000,
    SESSIONS_CODE_MS = 60 * 1000,
    SESSIONS_LIFE_MS = 8 * 60 * 60 * 1000,
};

struct sessions_text {
    char text[SESSIONS_RANDOM + 1];
};

/* What the way back from the provider needs. */
struct sessions_login {
    struct sessions_text state, nonce, verifier, challenge; /* challenge: of the tab */
};

/* Whether a text looks like one of these. */
bool sessions_is_random(struct json_text text);
void sessions_fill(struct sessions_text *out);

/* base64url of SHA-256. */
void sessions_hash(struct sessions_text *out, struct json_text text);

enum sessions_result { SESSIONS_OK, SESSIONS_NONE, SESSIONS_AWAY };

/* `on_reply` finds what came by the function below. */
void sessions_put_login(struct db *db, const struct sessions_login *login,
                        redis_reply_fn on_reply, void *data);
void sessions_take_login(struct db *db, const struct sessions_text *state,
                         redis_reply_fn on_reply, void *data);
enum sessions_result sessions_read_login(struct sessions_login *login, int status,
                                         const redisReply *reply);

/* Fills `code` with a new one. */
void sessions_put_code(struct db *db, struct sessions_text *code,
                       const struct auth_who *who,
                       const struct sessions_text *challenge, redis_reply_fn on_reply,
                       void *data);
void sessions_take_code(struct db *db, struct json_text code, redis_reply_fn on_reply,
                        void *data);
enum sessions_result sessions_read_code(struct auth_who *who,
                                        struct sessions_text *challenge, int status,
                                        const redisReply *reply);

/* Adds a new token to `token`, and fills `who` but for name and role. */
void sessions_begin(struct db *db, struct strbuf *token, struct auth_who *who,
                    uint64_t now_ms, redis_reply_fn on_reply, void *data);
void sessions_find(struct db *db, const unsigned char digest[OPERATORS_DIGEST],
                   redis_reply_fn on_reply, void *data);
enum sessions_result sessions_read(struct auth_who *who, int status,
                                   const redisReply *reply);
void sessions_end(struct db *db, const unsigned char digest[OPERATORS_DIGEST],
                  redis_reply_fn on_reply, void *data);

#endif
