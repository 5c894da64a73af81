/* redis_link.h - one connection to Redis that keeps coming back: TCP, TLS or a unix socket, to
 * where the URL says, or to the master that the Sentinels name.
 *
 * Commands go out in the order given, all of one turn of the loop in one write, and
 * their replies come back in that order. Every command gets exactly one callback: its
 * reply, or UV_ETIMEDOUT after the deadline, or UV_ECONNRESET when the connection is
 * lost, or UV_ECANCELED when the link is closed. Nothing is queued while the link is not ready.
 *
 * A link for notices (RESP2 takes no commands on a subscribed connection) gives every
 * reply to on_push instead and knows no deadlines: what waits for a confirmation or a
 * canary restarts it.
 *
 * An attempt tries every address of the host's name, in order. Behind Sentinels it is asked each second
 * where the master is, and before each attempt; where that is another, the connection is replaced.
 *
 * What answers must be of the kind that the URL says; if not, the link never is ready, and
 * redis_link_why tells.
 *
 * A link that replaces a lost connection first ends that one (CLIENT KILL ID … ADDR …), so that
 * nothing sent earlier runs later; where Redis refuses that, redis_link_take_loose tells.
 */
#ifndef COMMON_REDIS_LINK_H
#define COMMON_REDIS_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "common/config.h"
#include "common/metrics.h"
#include "common/redis_command.h"
#include "common/redis_loss.h"
#include "common/redis_pending.h"

struct redis_link;

struct redis_link_opts {
    const struct config *config; /* of TLS and Sentinels; borrowed, as the two below */
    const struct redis_url *url; /* of a cluster: its first host */
    const char *name;            /* CLIENT SETNAME */
    unsigned shard;              /* of a list, for redis_reconnects_total */
    bool for_notices;            /* replies go to on_push */
    uint64_t deadline_ms;
    uint64_t silence_ms; /* no whole reply for so long: the connection is replaced */
    uint64_t retry_min_ms, retry_max_ms;
    struct metrics *metrics; /* redis_errors_total, redis_reconnects_total */

    void *owner; /* given to the callbacks below; borrowed */
    void (*on_ready)(void *owner);
    /* The link is no longer ready; all commands have had their callbacks. */
    void (*on_lost)(void *owner, const char *why);
    void (*on_push)(void *owner, const redisReply *reply); /* borrowed; also errors */
};

/* What the settings say of how patient to be; the caller adds metrics, owner and callbacks. All
 * borrowed. */
struct redis_link_opts redis_link_opts_of(const struct config *config,
                                          const struct redis_url *url,
                                          const char *name);

/* Starts to connect; callbacks come from the loop, never from inside open. The link
 * writes in a prepare handle, and libuv runs those started later first: open links
 * before whatever sends through them from a prepare handle of its own. */
struct redis_link *redis_link_open(uv_loop_t *loop, const struct redis_link_opts *opts);

/* Closes: commands without an answer get UV_ECANCELED now, then nothing is called any
 * more. */
void redis_link_close(struct redis_link *link);

/* Why there is no connection; while it is ready, why there was none. */
enum redis_why redis_link_why(const struct redis_link *link);

/* NULL is allowed in the three below: a link that was closed and forgotten. */
bool redis_link_is_ready(const struct redis_link *link);

/* Sends `cmd` (copied). 0, or UV_ENOTCONN / UV_ENOBUFS: then there is no callback.
 * `on_reply` may be NULL: the reply is dropped, an error is logged and counted. */
int redis_link_send(struct redis_link *link, const struct redis_command *cmd,
                    redis_reply_fn on_reply, void *data)
    __attribute__((warn_unused_result));

/* The same for what a Redis need not allow: an error reply is neither logged nor counted. */
int redis_link_ask(struct redis_link *link, const struct redis_command *cmd,
                   redis_reply_fn on_reply, void *data)
    __attribute__((warn_unused_result));

/* The same for a command that takes the place of one sent at `since_ms` of redis_link_now: its
 * deadline counts from then. */
int redis_link_send_again(struct redis_link *link, const struct redis_command *cmd,
                          redis_reply_fn on_reply, void *data, uint64_t since_ms)
    __attribute__((warn_unused_result));
uint64_t redis_link_now(const struct redis_link *link);

/* Drops the connection, which is no good, and makes another one: at once if it had worked
 * for a while. */
void redis_link_restart(struct redis_link *link, const char *why);

/* Whether this connection replaces one that could not be ended, so that what was sent on that may
 * still run: true once a connection. */
bool redis_link_take_loose(struct redis_link *link);

/* Redis is there again, as another link has found: ends the pause between two attempts. */
void redis_link_hurry(struct redis_link *link);

/* The same as redis_link_restart for one that is good, but not to be written to any more: at once. */
void redis_link_replace(struct redis_link *link, const char *why);

#endif
