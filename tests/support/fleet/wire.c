/* wire.c - see wire.h.
 *
 * The socket does not block; `work` is the one place that waits, for both directions at
 * once, so that a server that answers while we still write cannot lock us out. What comes
 * in stands in `in` from `at` on.
 */
#include "tests/support/fleet/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "common/xalloc.h"
#include "tests/support/unit/wait.h"

enum { READ_BYTES = 256 * 1024, ACCEPT_MAX = 32 };

struct wire {
    int fd;
    enum wire_state state;
    struct strbuf in;
    size_t at; /* what stands before it was read */
    struct strbuf head;
    uint32_t mask_seed;
};

static const char *unread(const struct wire *w)
{
    return w->in.data ? w->in.data + w->at : "";
}

static size_t unread_len(const struct wire *w)
{
    return w->in.len - w->at;
}

static void pull(struct wire *w)
{
    ssize_t n;

    if (w->at > w->in.len / 2) {
        strbuf_drop_front(&w->in, w->at);
        w->at = 0;
    }
    n = recv(w->fd, strbuf_reserve(&w->in, READ_BYTES), READ_BYTES, 0);
    if (n > 0)
        w->in.len += (size_t)n;
    else if (n == 0)
        w->state = WIRE_ENDED;
    else if (errno != EAGAIN && errno != EINTR)
        w->state = WIRE_RESET;
    w->in.data[w->in.len] = '\0';
}

/* Waits until the socket can be read (and reads it) or, if wanted, written. False: the
 * deadline is over. */
static bool work(struct wire *w, bool write, int64_t end_ms)
{
    short events =
        (short)((w->state == WIRE_OPEN ? POLLIN : 0) | (write ? POLLOUT : 0));
    struct pollfd slot = {.fd = w->fd, .events = events};

    if (poll(&slot, 1, wait_left_ms(end_ms)) <= 0)
        return false;
    if (w->state == WIRE_OPEN && slot.revents & (POLLIN | POLLHUP | POLLERR))
        pull(w);
    return true;
}

static void bind_to(int fd, const char *source)
{
    struct sockaddr_in address = {.sin_family = AF_INET};

    assert_int_equal(inet_pton(AF_INET, source, &address.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* NULL with errno where it cannot connect. */
static struct wire *open_with(int port, int receive_bytes, const char *source)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct wire *w;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (receive_bytes > 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
    if (source)
        bind_to(fd, source);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(fd);
        return NULL;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    w = xcalloc(1, sizeof(*w));
    w->fd = fd;
    return w;
}

static struct wire *expect_open(struct wire *w, int port)
{
    if (!w)
        fail_msg("cannot connect to port %d", port);
    return w;
}

struct wire *wire_open_small(int port, int receive_bytes)
{
    return expect_open(open_with(port, receive_bytes, NULL), port);
}

struct wire *wire_open_from(int port, const char *source)
{
    return expect_open(open_with(port, 0, source), port);
}

struct wire *wire_open(int port)
{
    return wire_open_small(port, 0);
}

struct wire *wire_try_open(int port)
{
    return open_with(port, 0, NULL);
}

void wire_free(struct wire *w)
{
    if (!w)
        return;
    close(w->fd);
    strbuf_deinit(&w->in);
    strbuf_deinit(&w->head);
    free(w);
}

void wire_abort(struct wire *w)
{
    struct linger cut = {.l_onoff = 1};

    setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &cut, sizeof(cut));
    wire_free(w);
}

void wire_end(struct wire *w)
{
    shutdown(w->fd, SHUT_WR);
}

static void print_accept(char accept[static ACCEPT_MAX], const char *key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH];
    struct strbuf text = {0};

    strbuf_add_text(&text, key);
    strbuf_add_text(&text, guid);
    SHA1((unsigned char *)text.data, text.len, digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
    strbuf_deinit(&text);
}

void wire_upgrade(struct wire *w, const char *path, const char *headers)
{
    static const char key[] = "dGhlIHNhbXBsZSBub25jZQ==";
    char accept[ACCEPT_MAX];
    struct strbuf text = {0};

    strbuf_add_format(&text,
                      "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                      "Sec-WebSocket-Version: 13\r\n%s\r\n",
                      path, key, headers);
    wire_send(w, text.data, text.len);
    strbuf_reset(&text, SIZE_MAX);
    if (!wire_read_head(w, WIRE_DEADLINE_MS))
        fail_msg("no answer to the handshake");
    print_accept(accept, key);
    strbuf_add_format(&text, "\r\nSec-WebSocket-Accept: %s\r\n", accept);
    if (strncmp(w->head.data, "HTTP/1.1 101 ", 13) != 0 ||
        !strcasestr(w->head.data, text.data))
        fail_msg("not a right 101:\n%s", w->head.data);
    strbuf_deinit(&text);
}

const char *wire_get_head(const struct wire *w)
{
    return w->head.data ? w->head.data : "";
}

bool wire_send(struct wire *w, const void *bytes, size_t len)
{
    int64_t end_ms = wait_now_ms() + WIRE_DEADLINE_MS;
    const char *from = bytes;

    while (len > 0) {
        ssize_t n = send(w->fd, from, len, MSG_NOSIGNAL);

        if (n > 0) {
            from += n;
            len -= (size_t)n;
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return false;
        } else if (!work(w, true, end_ms)) {
            return false;
        }
    }
    return true;
}

bool wire_send_text(struct wire *w, const char *text)
{
    return wire_send(w, text, strlen(text));
}

bool wire_send_frame(struct wire *w, const struct wire_frame *frame)
{
    struct strbuf out = {0};
    bool sent;

    w->mask_seed = w->mask_seed * 1664525U + 1013904223U;
    wire_print_frame(&out, frame, w->mask_seed);
    sent = wire_send(w, out.data, out.len);
    strbuf_deinit(&out);
    return sent;
}

static enum wire_length shortest(size_t len)
{
    if (len <= 125)
        return WIRE_7_BITS;
    return len <= 0xffff ? WIRE_16_BITS : WIRE_64_BITS;
}

static void add_big_endian(struct strbuf *out, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        strbuf_add_char(out, (char)(value >> 8 * i & 0xff));
}

void wire_print_frame(struct strbuf *out, const struct wire_frame *frame, uint32_t mask)
{
    enum wire_length form = frame->length ? frame->length : shortest(frame->len);
    int masked = frame->unmasked ? 0 : 0x80;
    const unsigned char *from = frame->bytes;
    unsigned char key[4] = {(unsigned char)(mask >> 24), (unsigned char)(mask >> 16),
                            (unsigned char)(mask >> 8), (unsigned char)mask};
    char *to;

    strbuf_add_char(out, (char)frame->head);
    if (form == WIRE_7_BITS) {
        strbuf_add_char(out, (char)(masked | (int)frame->len));
    } else {
        strbuf_add_char(out, (char)(masked | (form == WIRE_16_BITS ? 126 : 127)));
        add_big_endian(out, frame->len, form == WIRE_16_BITS ? 2 : 8);
    }
    if (frame->unmasked)
        memset(key, 0, sizeof(key));
    else
        strbuf_add(out, key, sizeof(key));
    to = strbuf_reserve(out, frame->len);
    for (size_t i = 0; i < frame->len; i++)
        to[i] = (char)((from ? from[i] : 0) ^ key[i & 3]);
    out->len += frame->len;
}

bool wire_read_head(struct wire *w, long deadline_ms)
{
    int64_t end_ms = wait_now_ms() + deadline_ms;
    const char *end;

    while (!(end = strstr(unread(w), "\r\n\r\n")))
        if (w->state != WIRE_OPEN || !work(w, false, end_ms))
            return false;
    strbuf_reset(&w->head, SIZE_MAX);
    strbuf_add(&w->head, unread(w), (size_t)(end + 4 - unread(w)));
    w->at += w->head.len;
    return true;
}

/* Whether `in` holds a whole frame; fills *frame then and takes it out. */
static bool take_frame(struct wire *w, struct wire_frame *frame)
{
    const unsigned char *from = (const unsigned char *)unread(w);
    size_t len_bytes, header;
    uint64_t len;

    if (unread_len(w) < 2)
        return false;
    if (from[1] & 0x80)
        fail_msg("the server masks a frame");
    len = from[1];
    len_bytes = len < 126 ? 0 : len == 126 ? 2 : 8;
    header = 2 + len_bytes;
    if (unread_len(w) < header)
        return false;
    if (len_bytes)
        len = 0;
    for (size_t i = 0; i < len_bytes; i++)
        len = len << 8 | from[2 + i];
    frame->length =
        len_bytes == 0 ? WIRE_7_BITS : (len_bytes == 2 ? WIRE_16_BITS : WIRE_64_BITS);
    if (len >> 63 || frame->length != shortest(len))
        fail_msg("the server sends a length that is not in its shortest form");
    if (unread_len(w) - header < len)
        return false;
    frame->head = from[0];
    frame->unmasked = true;
    frame->bytes = len ? from + header : NULL;
    frame->len = len;
    w->at += header + len;
    return true;
}

bool wire_read_frame(struct wire *w, struct wire_frame *frame, long deadline_ms)
{
    int64_t end_ms = wait_now_ms() + deadline_ms;

    while (!take_frame(w, frame))
        if (w->state != WIRE_OPEN || !work(w, false, end_ms))
            return false;
    return true;
}

enum wire_state wire_wait_end(struct wire *w, long deadline_ms)
{
    int64_t end_ms = wait_now_ms() + deadline_ms;

    while (w->state == WIRE_OPEN && work(w, false, end_ms))
        ;
    return w->state;
}

const char *wire_get_unread(const struct wire *w, size_t *len)
{
    *len = unread_len(w);
    return unread(w);
}

bool wire_is_silent(struct wire *w, long ms)
{
    size_t before = unread_len(w);

    return before == 0 && !work(w, false, wait_now_ms() + ms) && unread_len(w) == 0;
}
