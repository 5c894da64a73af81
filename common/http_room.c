/* http_room.c - see http_room.h.
 *
 * A connection beyond the limit stays with the listener, which libuv does not ask for the next
 * one then, and is decided on in a check handle, after the reading:
 *
 *     http_room_accept -> on_check, LOOKS times at most -> http_sockets_take: served, or refused
 */
#include "common/http_room.h"

#include <sys/ioctl.h>

#include "common/http_socket.h"

/* Turns in which room may be found: of those that came in one turn with it, the first request is
 * read in the second, and they are idle again in the third. */
enum { LOOKS = 3 };

static bool can_go(const struct http_socket *s, bool rests)
{
    return s->h2o && s->is_reading && !uv_is_closing((uv_handle_t *)&s->tcp) &&
           (!rests ||
            (s->message.state == HTTP_MESSAGE_START && s->message.line.len == 0));
}

/* Bytes have come in that are not read yet. */
static bool has_news(const struct http_socket *s)
{
    uv_os_fd_t fd;
    int waiting = 0;

    return uv_fileno((const uv_handle_t *)&s->tcp, &fd) == 0 &&
           ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

/* The one that has been there for longest of those that can go: no answer of it is under way,
 * and if it `rests`, nor has a request begun, read or not. NULL: none can. */
static struct http_socket *find(const struct http_sockets *sockets, bool rests)
{
    list_each(link, &sockets->all) {
        struct http_socket *s = list_entry(link, struct http_socket, link);

        if (can_go(s, rests) && !(rests && has_news(s)))
            return s;
    }
    return NULL;
}

/* Nothing is known to come in the next turn of the loop that could make room. */
static bool is_all_read(const struct http_sockets *sockets)
{
    if (!list_is_empty(&sockets->again))
        return false;
    list_each(link, &sockets->all) {
        const struct http_socket *s = list_entry(link, struct http_socket, link);

        if (can_go(s, false) && has_news(s))
            return false;
    }
    return true;
}

static bool close_one(struct http_sockets *sockets, bool rests)
{
    struct http_socket *s = find(sockets, rests);

    if (s)
        http_socket_drop(s);
    return s;
}

static bool has_room(const struct http_sockets *sockets)
{
    return sockets->count < sockets->opts.max_connections;
}

/* Those whose descriptor is free already do not count any more. */
static void forget_closing(struct http_sockets *sockets)
{
    list_each(link, &sockets->all) {
        struct http_socket *s = list_entry(link, struct http_socket, link);

        if (uv_is_closing((uv_handle_t *)&s->tcp))
            http_socket_leave(s);
    }
}

/* One that has begun a request goes only if none is idle. Those that only begin requests must
 * not keep others out. */
static void on_check(uv_check_t *check)
{
    struct http_sockets *sockets = check->data;
    uv_stream_t *listener = sockets->waiting;
    bool is_open = listener && !uv_is_closing((uv_handle_t *)listener);
    bool has_place;

    forget_closing(sockets);
    has_place = is_open && (has_room(sockets) || close_one(sockets, true));
    if (is_open && !has_place && ++sockets->looks < LOOKS && !is_all_read(sockets))
        return;
    uv_idle_stop(&sockets->idle);
    uv_check_stop(check);
    sockets->waiting = NULL;
    if (is_open)
        http_sockets_take(sockets, listener, !has_place && !close_one(sockets, false));
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

void http_room_accept(struct http_sockets *sockets, uv_stream_t *listener)
{
    if (has_room(sockets)) {
        http_sockets_take(sockets, listener, false);
        return;
    }
    sockets->waiting = listener;
    sockets->looks = 0;
    uv_check_start(&sockets->check, on_check);
    uv_idle_start(&sockets->idle, on_idle);
}
