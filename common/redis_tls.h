/* redis_tls.h - TLS to one server, without its socket: what comes from the socket is fed, what is
 * to go to it is in `out`.
 *
 *     redis_tls_new -> redis_tls_read until 0 -> out, to the server
 *     from the server -> redis_tls_feed -> redis_tls_read until 0 -> out, to the server
 *     redis_tls_write, once it is open -> out, to the server
 *
 * TLS 1.2 or later. The chain and the name of the server's certificate are always checked. The files
 * of the settings are read again by each redis_tls_new, so that renewed ones are used.
 */
#ifndef COMMON_REDIS_TLS_H
#define COMMON_REDIS_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/config.h"
#include "common/redis_loss.h"
#include "common/strbuf.h"

struct redis_tls;

/* For a server of the name `host`, or of ROOMCAST_REDIS_TLS_NAME. NULL: *loss tells why not. */
struct redis_tls *redis_tls_new(const struct config *config, const char *host,
                                struct redis_loss *loss);
void redis_tls_free(struct redis_tls *tls);

/* Bytes from the server: borrowed, until redis_tls_read has given 0. */
void redis_tls_feed(struct redis_tls *tls, const char *bytes, size_t len);

/* The next plain bytes, at most `size`; goes on with the handshake as far as it can. 0: more must
 * come first. Negative: it has ended, and redis_tls_loss tells why. */
ssize_t redis_tls_read(struct redis_tls *tls, char *out, size_t size);

/* Whether the handshake is done, on our side. */
bool redis_tls_is_open(const struct redis_tls *tls);

/* Once it is open. False: it has ended. */
bool redis_tls_write(struct redis_tls *tls, const char *bytes, size_t len);

/* What is to go to the server; the caller empties it. */
struct strbuf *redis_tls_out(struct redis_tls *tls);

struct redis_loss redis_tls_loss(const struct redis_tls *tls);

#endif
