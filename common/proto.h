/* proto.h - the wire protocol (SPEC section 2): requests from JSON, replies and events to
 * JSON. The only module that includes cJSON.
 */
#ifndef COMMON_PROTO_H
#define COMMON_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/json.h"
#include "common/strbuf.h"

enum {
    PROTO_ROOM_MAX = 128, /* bytes */
    PROTO_USER_MAX = 64,
    PROTO_NODE_MAX = 319, /* a host's name has at most 255 */
    PROTO_KEY_MAX = 64,
    PROTO_KIND_MAX = 32,
    PROTO_SIGNAL_DATA_MAX = 4096,
    PROTO_REASON_MAX = 256,
    PROTO_SECS_MAX = 315360000, /* ten years */
    PROTO_LIMIT_DEFAULT = 100,
    PROTO_LIMIT_MAX = 1000,
    PROTO_EPOCH_LEN = 16,
    PROTO_ID_MAX = 2 + 64 * 6, /* a string of 64 bytes, each escaped */
    PROTO_MEMBERS_MAX = 256,   /* of a request's object, unknown ones too */
    PROTO_BATCH_BYTES = 256 * 1024,
    PROTO_BATCH_MESSAGES = 1000,
};

/* X(id, word on the wire, what it says to a person) */
#define PROTO_ERRORS(X)                                                                \
    X(PROTO_BAD_REQUEST, bad_request, "malformed request")                             \
    X(PROTO_UNKNOWN_TYPE, unknown_type, "no such request type")                        \
    X(PROTO_TOO_LARGE, too_large, "a field is over its limit")                         \
    X(PROTO_UNAUTHORIZED, unauthorized, "not authenticated")                           \
    X(PROTO_FORBIDDEN, forbidden, "not allowed")                                       \
    X(PROTO_BANNED, banned, "banned from this room")                                   \
    X(PROTO_MUTED, muted, "muted in this room")                                        \
    X(PROTO_SLOW_MODE, slow_mode, "too soon after your last message in this room")     \
    X(PROTO_NOT_JOINED, not_joined, "not in this room")                                \
    X(PROTO_ROOM_NOT_FOUND, room_not_found, "no such room")                            \
    X(PROTO_ROOM_FULL, room_full, "the room has as many members as it may")            \
    X(PROTO_MESSAGE_NOT_FOUND, message_not_found, "no such message in the history")    \
    X(PROTO_TOO_MANY_ROOMS, too_many_rooms, "in too many rooms")                       \
    X(PROTO_RATE_LIMITED, rate_limited, "too many requests")                           \
    X(PROTO_UNAVAILABLE, unavailable, "Redis cannot be reached or refuses")            \
    X(PROTO_INTERNAL, internal, "internal error")

enum proto_error {
    PROTO_OK,
#define X(id, word, text) id,
    PROTO_ERRORS(X)
#undef X
};

/* X(id, word): why a token is refused, the `reason` of `unauthorized`. */
#define PROTO_AUTH_REASONS(X)                                                          \
    X(JWT_EXPIRED, expired)                                                            \
    X(JWT_NOT_YET, not_yet)                                                            \
    X(JWT_LIFETIME, lifetime)                                                          \
    X(JWT_FORM, form)                                                                  \
    X(JWT_ALG, alg)                                                                    \
    X(JWT_KEY, key)                                                                    \
    X(JWT_SIGNATURE, signature)                                                        \
    X(JWT_ISSUER, issuer)                                                              \
    X(JWT_AUDIENCE, audience)                                                          \
    X(JWT_CLAIMS, claims)                                                              \
    X(JWT_REVOKED, revoked)

/* What a request needs. */
enum proto_need {
    PROTO_NEEDS_TURN = 1,       /* it waits for what else is asked about the room */
    PROTO_NEEDS_MEMBERSHIP = 2, /* the client is in the room */
    PROTO_NEEDS_REDIS = 4,      /* Redis can be asked */
    PROTO_NEEDS_NOBODY = 8,     /* served before it is known who asks */
    PROTO_NEEDS_WRITE = 16,     /* the right to say something in the room */
};

/* X(id, word, fields required, fields read, needs); the gateway's handler is req_<word> */
#define PROTO_REQUESTS(X)                                                              \
    X(REQUEST_AUTH, auth, 0, PROTO_F_TOKEN | PROTO_F_GUEST, PROTO_NEEDS_NOBODY)        \
    X(REQUEST_JOIN, join, PROTO_F_ROOM,                                                \
      PROTO_F_USER | PROTO_F_SINCE | PROTO_F_ROOM_TOKEN,                               \
      PROTO_NEEDS_TURN | PROTO_NEEDS_REDIS)                                            \
    X(REQUEST_LEAVE, leave, PROTO_F_ROOM, 0,                                           \
      PROTO_NEEDS_TURN | PROTO_NEEDS_MEMBERSHIP)                                       \
    X(REQUEST_MESSAGE, message, PROTO_F_ROOM | PROTO_F_TEXT,                           \
      PROTO_F_DATA | PROTO_F_KEY,                                                      \
      PROTO_NEEDS_TURN | PROTO_NEEDS_MEMBERSHIP | PROTO_NEEDS_REDIS |                  \
          PROTO_NEEDS_WRITE)                                                           \
    X(REQUEST_EDIT, edit, PROTO_F_ROOM | PROTO_F_SEQ | PROTO_F_TEXT, PROTO_F_DATA,     \
      PROTO_NEEDS_TURN | PROTO_NEEDS_MEMBERSHIP | PROTO_NEEDS_REDIS |                  \
          PROTO_NEEDS_WRITE)                                                           \
    X(REQUEST_DELETE, delete, PROTO_F_ROOM | PROTO_F_SEQ, 0,                           \
      PROTO_NEEDS_TURN | PROTO_NEEDS_MEMBERSHIP | PROTO_NEEDS_REDIS |                  \
          PROTO_NEEDS_WRITE)                                                           \
    X(REQUEST_GET_MEMBERS, get_members, PROTO_F_ROOM, PROTO_F_CURSOR | PROTO_F_LIMIT,  \
      PROTO_NEEDS_TURN | PROTO_NEEDS_MEMBERSHIP | PROTO_NEEDS_REDIS)                   \
    X(REQUEST_GET_HISTORY, get_history, PROTO_F_ROOM, PROTO_F_BEFORE | PROTO_F_LIMIT,  \
      PROTO_NEEDS_TURN | PROTO_NEEDS_MEMBERSHIP | PROTO_NEEDS_REDIS)                   \
    X(REQUEST_SIGNAL, signal, PROTO_F_ROOM | PROTO_F_KIND, PROTO_F_DATA,               \
      PROTO_NEEDS_TURN | PROTO_NEEDS_MEMBERSHIP | PROTO_NEEDS_REDIS |                  \
          PROTO_NEEDS_WRITE)                                                           \
    X(REQUEST_PING, ping, 0, 0, PROTO_NEEDS_NOBODY)

enum request_type {
#define X(id, word, required, read, needs) id,
    PROTO_REQUESTS(X)
#undef X
        REQUEST_UNKNOWN,
    REQUEST_TYPES
};

enum proto_field {
    PROTO_F_ROOM = 1,
    PROTO_F_USER = 2,
    PROTO_F_SINCE = 4,
    PROTO_F_TEXT = 8,
    PROTO_F_DATA = 16,
    PROTO_F_KEY = 32,
    PROTO_F_CURSOR = 64,
    PROTO_F_LIMIT = 128,
    PROTO_F_BEFORE = 256,
    PROTO_F_KIND = 512,
    PROTO_F_REASON = 1024, /* these three only in bodies of the admin API */
    PROTO_F_SECS = 2048,
    PROTO_F_BAN_SECS = 4096,
    PROTO_F_TOKEN = 8192,
    PROTO_F_GUEST = 16384,
    PROTO_F_ROOM_TOKEN = 32768,
    PROTO_F_SEQ = 65536,
};

/* A request; all text is borrowed: from the bytes given to proto_parse, or from a
 * buffer of the thread that the next proto_parse overwrites. */
struct proto_request {
    enum request_type type;
    unsigned fields;                          /* which of the fields below are there */
    struct json_text id;                      /* the JSON token, as sent */
    struct json_text room, user, key, cursor; /* decoded */
    struct json_text text, kind, data;        /* JSON, fit for an event */
    struct json_text since_epoch, reason;
    struct json_text token, room_token; /* decoded */
    uint64_t secs, ban_secs;
    uint64_t since_seq, before, seq;
    unsigned limit;
    const char *wrong; /* the field that is to blame, static; NULL: the whole */
};

/* PROTO_OK, or what to answer; `id` and `type` are set as far as they could be read. */
enum proto_error proto_parse(const char *bytes, size_t len, struct proto_request *req);

/* The body of a request to the admin API: one object with the fields `required` and any of
 * `optional`. */
enum proto_error proto_parse_body(const char *bytes, size_t len, unsigned required,
                                  unsigned optional, struct proto_request *req);

/* Frees what proto_parse keeps for this thread. */
void proto_deinit_thread(void);

/* 1 to `max` bytes of UTF-8 without control characters. */
bool proto_is_plain(const char *text, size_t len, size_t max);

/* SPEC section 2: the same, also without `{` and `}`. */
bool proto_is_name(const char *name, size_t len, size_t max);

/* How a node calls itself: letters, digits, `.`, `-` and `_`. */
bool proto_is_node(const char *name, size_t len);

/* The 16 hex digits of an epoch. */
bool proto_is_epoch(const char *text, size_t len);

const char *proto_error_word(enum proto_error error);
const char *proto_error_text(enum proto_error error); /* for people */

/* Begins `{"type":"<type>","id":<id>`; the caller adds fields and ends with '}'. An
 * empty id is left out. */
void proto_begin(struct strbuf *out, const char *type, struct json_text id);

/* Adds `,"name":` and the value. */
void proto_add_text(struct strbuf *out, const char *name, const char *text, size_t len);
void proto_add_number(struct strbuf *out, const char *name, uint64_t value);
void proto_add_raw(struct strbuf *out, const char *name, const char *json);

/* `text` and `data` (base NULL: none) are JSON, as proto_parse gives them. `name` (base NULL: none) is how
 * the user is shown. */
struct proto_message {
    struct json_text user, name, text, data;
    uint64_t ts;
};

/* The JSON of a message behind its sequence number: up to its time, behind it, and all of it with the
 * closing brace. */
void proto_add_message_said(struct strbuf *out, const struct proto_message *message);
void proto_add_message_data(struct strbuf *out, const struct proto_message *message);
void proto_add_message_tail(struct strbuf *out, const struct proto_message *message);

/* What is wrong with a request. */
struct proto_refusal {
    enum proto_error error;
    const char *text;        /* for people; NULL: the usual words */
    const char *reason;      /* a word for programs; NULL: none */
    uint64_t retry_after_ms; /* 0: left out */
};

/* A whole error reply. */
void proto_print_error(struct strbuf *out, struct json_text id,
                       const struct proto_refusal *refusal);

#endif
