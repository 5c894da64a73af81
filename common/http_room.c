/* http_room.c - see http_room.h. */
#include "common/http_room.h"

#include <sys/ioctl.h>

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

struct http_socket *http_room_find(const struct http_sockets *sockets, bool rests)
{
    list_each(link, &sockets->all) {
        struct http_socket *s = list_entry(link, struct http_socket, link);

        if (can_go(s, rests) && !(rests && has_news(s)))
            return s;
    }
    return NULL;
}

bool http_room_is_settled(const struct http_sockets *sockets)
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
