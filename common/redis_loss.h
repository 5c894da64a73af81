/* redis_loss.h - why there is no connection to Redis, in words for the log, /readyz and the admin
 * service's. All are literals, so that a number tells another thread all there is.
 */
#ifndef COMMON_REDIS_LOSS_H
#define COMMON_REDIS_LOSS_H

/* X(id, text) */
#define REDIS_WHYS(X)                                                                  \
    X(REDIS_WHY_NOT_KNOWN, "no connection to Redis")                                   \
    X(REDIS_WHY_LOGIN, "Redis refuses the user or the password")                       \
    X(REDIS_WHY_CLUSTER, "is a Redis Cluster: use redis+cluster://")                   \
    X(REDIS_WHY_SLOTS,                                                                 \
      "Redis refuses CLUSTER SLOTS: the right +cluster|slots is needed")               \
    X(REDIS_WHY_NOT_CLUSTER, "is not a Redis Cluster: use redis://")                   \
    X(REDIS_WHY_SENTINEL, "is a Sentinel: use redis+sentinel://")                      \
    X(REDIS_WHY_NOT_SENTINEL, "is not a Sentinel: use redis://")                       \
    X(REDIS_WHY_SENTINELS_SILENT, "no Sentinel answers")                               \
    X(REDIS_WHY_SENTINELS_LOGIN, "the Sentinels refuse the user or the password")      \
    X(REDIS_WHY_NO_MASTER, "the Sentinels know no master of this name")                \
    X(REDIS_WHY_REPLICA, "the Redis that the Sentinels name is no master")             \
    X(REDIS_WHY_TLS, "TLS: the handshake fails")                                       \
    X(REDIS_WHY_TLS_SILENT, "TLS: no handshake within the deadline: is the port TLS?") \
    X(REDIS_WHY_TLS_NONE, "TLS: the server speaks no TLS: use redis://")               \
    X(REDIS_WHY_TLS_VERSION, "TLS: the server speaks no TLS 1.2 or later")             \
    X(REDIS_WHY_TLS_CA,                                                                \
      "TLS: wrong CA: the server's certificate is signed by none that "                \
      "is trusted (ROOMCAST_REDIS_CA_FILE)")                                           \
    X(REDIS_WHY_TLS_NAME, "TLS: wrong name: the server's certificate is for another "  \
                          "host")                                                      \
    X(REDIS_WHY_TLS_EXPIRED, "TLS: the server's certificate has expired")              \
    X(REDIS_WHY_TLS_EARLY, "TLS: the server's certificate is not valid yet")           \
    X(REDIS_WHY_TLS_CERTIFICATE, "TLS: the server's certificate is not valid")         \
    X(REDIS_WHY_TLS_WANTED, "TLS: client certificate wanted: set "                     \
                            "ROOMCAST_REDIS_CERT_FILE")                                \
    X(REDIS_WHY_TLS_REFUSED, "TLS: the server refuses the client certificate of "      \
                             "ROOMCAST_REDIS_CERT_FILE")                               \
    X(REDIS_WHY_TLS_CA_FILE, "TLS: ROOMCAST_REDIS_CA_FILE cannot be used")             \
    X(REDIS_WHY_TLS_CERT_FILE, "TLS: ROOMCAST_REDIS_CERT_FILE cannot be used")         \
    X(REDIS_WHY_TLS_KEY_FILE, "TLS: ROOMCAST_REDIS_KEY_FILE cannot be used")

enum redis_why {
#define X(id, text) id,
    REDIS_WHYS(X)
#undef X
        REDIS_WHYS_COUNT
};

/* How a connection was lost, or could not be made. */
struct redis_loss {
    enum redis_why why;
    const char *text; /* for the log; a literal, or as good as one */
};

const char *redis_why_text(enum redis_why why);

/* Of a reason that says all there is; and of one that is `text`. */
struct redis_loss redis_loss_of(enum redis_why why);
struct redis_loss redis_loss_as(const char *text);

/* Of two attempts that have failed, the one that tells more. */
struct redis_loss redis_loss_worse(struct redis_loss a, struct redis_loss b);

#endif
