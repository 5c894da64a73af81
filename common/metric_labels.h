/* metric_labels.h - what the labels of metrics can be, in the order in which they are counted: the
 * words that are printed and the enums that count are made of the same rows, X(id, word, ...).
 * Requests and errors are the protocol's (proto.h).
 */
#ifndef COMMON_METRIC_LABELS_H
#define COMMON_METRIC_LABELS_H

#include "common/proto.h"

#define METRIC_REQUESTS(X)                                                             \
    PROTO_REQUESTS(X)                                                                  \
    X(REQUEST_UNKNOWN, unknown)

/* In the order of enum jwt_result. */
#define METRIC_AUTH_RESULTS(X)                                                         \
    X(JWT_OK, ok)                                                                      \
    PROTO_AUTH_REASONS(X)                                                              \
    X(JWT_UNKNOWN_KID, unknown_kid)

/* What came of it that somebody was sent to the provider of OpenID Connect, in the order of enum
 * id_token_result. */
#define METRIC_LOGINS(X)                                                               \
    X(ID_TOKEN_OK, ok)                                                                 \
    X(ID_TOKEN_NOT_GIVEN, not_given)                                                   \
    X(ID_TOKEN_REFUSED, token)                                                         \
    X(ID_TOKEN_UNKNOWN_KID, unknown_kid)                                               \
    X(ID_TOKEN_NONCE, nonce)                                                           \
    X(ID_TOKEN_NO_NAME, name)                                                          \
    X(ID_TOKEN_NO_ROLE, role)                                                          \
    X(ID_TOKEN_DENIED, denied)                                                         \
    X(ID_TOKEN_NO_LOGIN, login)                                                        \
    X(ID_TOKEN_AWAY, unavailable)

/* What each worker has a copy of. */
#define METRIC_POLICIES(X)                                                             \
    X(POLICY_KEYS, keys)                                                               \
    X(POLICY_CLASSES, classes)                                                         \
    X(POLICY_REVOKED, revoked)                                                         \
    X(POLICY_SANCTIONS, sanctions)                                                     \
    X(POLICY_ANNOUNCEMENTS, announcements)

/* What a handshake is refused for, beside its status. */
#define METRIC_REFUSED_CONNECTS(X)                                                     \
    X(REFUSED_PENDING, pending)                                                        \
    X(REFUSED_CONNECTIONS, connections)                                                \
    X(REFUSED_RATE, rate)                                                              \
    X(REFUSED_PROXY_HEADER, proxy_header)                                              \
    X(REFUSED_TOKEN_IN_URL, token_in_url)

enum refused_connect {
#define X(id, word) id,
    METRIC_REFUSED_CONNECTS(X)
#undef X
};

/* Why a connection ended: X(id, word, close code) */
#define CONN_ENDS(X)                                                                   \
    X(CONN_END_CLIENT, client, 1000)                                                   \
    X(CONN_END_HANDSHAKE, handshake, 0)                                                \
    X(CONN_END_PROTOCOL, protocol, 1002)                                               \
    X(CONN_END_TOO_LARGE, too_large, 1009)                                             \
    X(CONN_END_SLOW, slow, 4001)                                                       \
    X(CONN_END_NO_PONG, no_pong, 4002)                                                 \
    X(CONN_END_IDLE, idle, 4003)                                                       \
    X(CONN_END_DRAINING, draining, 4000)                                               \
    X(CONN_END_OPERATOR, operator, 4503)                                               \
    X(CONN_END_UNAUTHORIZED, unauthorized, 4500)                                       \
    X(CONN_END_EXPIRED, expired, 4501)                                                 \
    X(CONN_END_REPLACED, replaced, 4502)                                               \
    X(CONN_END_SHUTDOWN, shutdown, 1001)                                               \
    X(CONN_END_ERROR, error, 0)

/* What a connection waits for that is not read. */
#define PACE_REASONS(X)                                                                \
    X(PACE_REQUESTS, requests)                                                         \
    X(PACE_FRAMES, frames)                                                             \
    X(PACE_BYTES, bytes)                                                               \
    X(PACE_MESSAGES, messages)

/* What a request that is no good handshake is answered. */
#define UPGRADE_REFUSALS(X)                                                            \
    X(UPGRADE_400, 400)                                                                \
    X(UPGRADE_401, 401)                                                                \
    X(UPGRADE_403, 403)                                                                \
    X(UPGRADE_404, 404)                                                                \
    X(UPGRADE_405, 405)                                                                \
    X(UPGRADE_408, 408)                                                                \
    X(UPGRADE_426, 426)                                                                \
    X(UPGRADE_429, 429)                                                                \
    X(UPGRADE_431, 431)                                                                \
    X(UPGRADE_503, 503)

/* As many as a cluster has; metrics_set_shards tells how many are printed. */
/* clang-format off */
#define METRIC_SHARDS(X)                                                               \
    X(SHARD_0, 0) X(SHARD_1, 1) X(SHARD_2, 2) X(SHARD_3, 3)                            \
    X(SHARD_4, 4) X(SHARD_5, 5) X(SHARD_6, 6) X(SHARD_7, 7)                            \
    X(SHARD_8, 8) X(SHARD_9, 9) X(SHARD_10, 10) X(SHARD_11, 11)                        \
    X(SHARD_12, 12) X(SHARD_13, 13) X(SHARD_14, 14) X(SHARD_15, 15)                    \
    X(SHARD_16, 16) X(SHARD_17, 17) X(SHARD_18, 18) X(SHARD_19, 19)                    \
    X(SHARD_20, 20) X(SHARD_21, 21) X(SHARD_22, 22) X(SHARD_23, 23)                    \
    X(SHARD_24, 24) X(SHARD_25, 25) X(SHARD_26, 26) X(SHARD_27, 27)                    \
    X(SHARD_28, 28) X(SHARD_29, 29) X(SHARD_30, 30) X(SHARD_31, 31)                    \
    X(SHARD_32, 32) X(SHARD_33, 33) X(SHARD_34, 34) X(SHARD_35, 35)                    \
    X(SHARD_36, 36) X(SHARD_37, 37) X(SHARD_38, 38) X(SHARD_39, 39)                    \
    X(SHARD_40, 40) X(SHARD_41, 41) X(SHARD_42, 42) X(SHARD_43, 43)                    \
    X(SHARD_44, 44) X(SHARD_45, 45) X(SHARD_46, 46) X(SHARD_47, 47)                    \
    X(SHARD_48, 48) X(SHARD_49, 49) X(SHARD_50, 50) X(SHARD_51, 51)                    \
    X(SHARD_52, 52) X(SHARD_53, 53) X(SHARD_54, 54) X(SHARD_55, 55)                    \
    X(SHARD_56, 56) X(SHARD_57, 57) X(SHARD_58, 58) X(SHARD_59, 59)                    \
    X(SHARD_60, 60) X(SHARD_61, 61) X(SHARD_62, 62) X(SHARD_63, 63)
/* clang-format on */

/* What Redis refused, or what went wrong with it. */
#define REDIS_ERRORS(X)                                                                \
    X(REDIS_OOM, oom)                                                                  \
    X(REDIS_READONLY, readonly)                                                        \
    X(REDIS_LOADING, loading)                                                          \
    X(REDIS_BUSY, busy)                                                                \
    X(REDIS_MISCONF, misconf)                                                          \
    X(REDIS_NOPERM, noperm)                                                            \
    X(REDIS_NOSCRIPT, noscript)                                                        \
    X(REDIS_TIMEOUT, timeout)                                                          \
    X(REDIS_CONNECTION, connection)                                                    \
    X(REDIS_PROTOCOL, protocol)                                                        \
    X(REDIS_HALFWAY, halfway)                                                          \
    X(REDIS_OTHER, other)

/* Why a master of a cluster did not do what it was told; in the order of enum cluster_error_kind. */
#define METRIC_REDIRECTS(X)                                                            \
    X(REDIRECT_MOVED, moved)                                                           \
    X(REDIRECT_ASK, ask)                                                               \
    X(REDIRECT_TRYAGAIN, tryagain)                                                     \
    X(REDIRECT_CLUSTERDOWN, clusterdown)

/* Why a room has to find its master again. */
#define METRIC_HOMES_LOST(X)                                                           \
    X(HOME_MOVED, moved)                                                               \
    X(HOME_LOST, lost)                                                                 \
    X(HOME_DEAF, deaf)                                                                 \
    X(HOME_DOUBT, doubt)

enum metric_home {
#define X(id, word) id,
    METRIC_HOMES_LOST(X)
#undef X
};

/* What came from Redis and was not used. */
#define INTAKE_KINDS(X)                                                                \
    X(INTAKE_NOTICE, notice)                                                           \
    X(INTAKE_HISTORY, history)                                                         \
    X(INTAKE_NAME, name)                                                               \
    X(INTAKE_REPLY, reply)

/* Classes of HTTP statuses. */
#define HTTP_CLASSES(X)                                                                \
    X(HTTP_2XX, 2xx)                                                                   \
    X(HTTP_3XX, 3xx)                                                                   \
    X(HTTP_4XX, 4xx)                                                                   \
    X(HTTP_5XX, 5xx)

/* What operators do. */
#define AUDIT_ACTIONS(X)                                                               \
    X(AUDIT_PUBLISH, publish)                                                          \
    X(AUDIT_DELETE, delete)                                                            \
    X(AUDIT_KICK, kick)                                                                \
    X(AUDIT_CLOSE, close)                                                              \
    X(AUDIT_BAN, ban)                                                                  \
    X(AUDIT_UNBAN, unban)                                                              \
    X(AUDIT_MUTE, mute)                                                                \
    X(AUDIT_UNMUTE, unmute)                                                            \
    X(AUDIT_DISCONNECT, disconnect)                                                    \
    X(AUDIT_REVOKE, revoke)                                                            \
    X(AUDIT_TOKEN, token)                                                              \
    X(AUDIT_CLASSES, classes)

#endif
