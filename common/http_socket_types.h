/* http_socket_types.h - what http_socket.c and http_room.c both look into; others hold it and
 * pass it on (http_socket.h).
 */
#ifndef COMMON_HTTP_SOCKET_TYPES_H
#define COMMON_HTTP_SOCKET_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <h2o.h>
#include <uv.h>

#include "common/http_message.h"
#include "common/linger.h"
#include "common/list.h"
#include "common/metrics.h"
#include "common/strbuf.h"

struct http_socket {
    uv_tcp_t tcp;                 /* first: h2o hands this pointer back */
    struct http_sockets *sockets; /* borrowed */
    h2o_socket_t *h2o;            /* NULL: not accepted */
    struct list link, again;
    struct http_message message;
    struct strbuf unread; /* behind the request that is being answered */
    uint64_t
        sending_ms; /* since when there is always something to send; 0: there is not */
    size_t sent_bytes;         /* by then */
    int linger_fd;             /* a second descriptor of it; -1: none */
    bool is_reading, has_left; /* has_left: not in `count` any more */
};

struct http_sockets_opts {
    size_t max_body_bytes;
    unsigned max_connections, send_secs;
    struct metrics *metrics;  /* borrowed */
    h2o_accept_ctx_t *accept; /* borrowed */
};

struct http_sockets {
    uv_loop_t *loop;
    struct http_sockets_opts opts;
    struct list all;             /* the longest known first */
    struct list again;           /* to be read again before the loop waits */
    struct http_socket *handing; /* whose request h2o is being given; NULL: none */
    unsigned count;              /* against max_connections */
    struct lingerers lingerers;
    uv_stream_t *waiting; /* the listener with a connection to decide on, or NULL */
    unsigned looks;       /* how often that was put off */
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* while one waits, so that the loop does not */
    uv_timer_t second;
    int handles; /* open or closing */
    bool is_closing;
    void (*on_closed)(void *owner);
    void *owner;
};

#endif
