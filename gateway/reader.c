/* reader.c - see reader.h.
 *
 *     reader_feed -> cut, a frame or a part of one
 *                 -> pass -> wslay_event_recv -> on_recv (takes our bytes)
 *                                             -> on_frame_start, on_chunk
 *                                             -> on_msg -> events->on_message
 *                         -> answer -> on_send -> events->on_answer, on_close
 *
 * wslay does not say whether it is between two messages, without buffering it does not
 * add up the fragments of one, it answers pings only when it has read all there is, and
 * of a close frame in pieces it checks the reason wrongly. So the bytes are cut at the
 * frames here: wslay gets no more than one frame at a time, a header only as a whole,
 * and a control frame too. Its own buffering is off, so that UTF-8 is checked as bytes
 * come and messages are put together in one buffer.
 *
 * What wslay wants to send is collected and looked at: pongs go out as they are; of a
 * close frame only the code is taken, because how to close is the connection's matter.
 */
#include "gateway/reader.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <wslay/wslay.h>

#include "common/strbuf.h"
#include "common/xalloc.h"

enum {
    KEEP_BYTES = 64 * 1024, /* of the message buffer, while at rest */
    CODE_PROTOCOL = 1002,
    CODE_BINARY = 1003,
    CODE_TOO_LARGE = 1009,
    HEADER_MAX = 14,
    CONTROL_MAX = 125, /* of a payload */
};

struct reader {
    const struct reader_events *events;
    wslay_event_context_ptr ws;
    void *owner; /* whose bytes these are; valid inside reader_feed */
    const char *bytes;
    size_t len;
    uint64_t frame_left; /* of the frame that has begun, to be fed */
    unsigned char backlog[HEADER_MAX + CONTROL_MAX]; /* the begin of the next one */
    size_t backlog_len;
    struct strbuf message, answers;
    bool is_text, in_control, in_message, is_close;
    bool allow_binary, done;
};

static ssize_t on_recv(wslay_event_context_ptr ws, uint8_t *buf, size_t len, int flags,
                       void *data)
{
    struct reader *r = data;
    size_t n = len < r->len ? len : r->len;

    (void)flags;
    if (n == 0 || r->done) {
        wslay_event_set_error(ws, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(buf, r->bytes, n);
    r->bytes += n;
    r->len -= n;
    return (ssize_t)n;
}

static void finish(struct reader *r, int code)
{
    if (r->done)
        return;
    r->done = true;
    r->events->on_close(r->owner, code, r->is_close);
}

static void on_frame_start(wslay_event_context_ptr ws,
                           const struct wslay_event_on_frame_recv_start_arg *arg,
                           void *data)
{
    struct reader *r = data;

    (void)ws;
    r->in_control = wslay_is_ctrl_frame(arg->opcode);
    if (r->in_control)
        return;
    if (arg->opcode != WSLAY_CONTINUATION_FRAME) {
        r->is_text = arg->opcode == WSLAY_TEXT_FRAME;
        r->message.len = 0;
    }
    r->in_message = !arg->fin;
    if (!r->is_text && !r->allow_binary)
        finish(r, CODE_BINARY);
}

static void on_chunk(wslay_event_context_ptr ws,
                     const struct wslay_event_on_frame_recv_chunk_arg *arg, void *data)
{
    struct reader *r = data;

    (void)ws;
    if (!r->in_control && !r->done)
        strbuf_add(&r->message, arg->data, arg->data_length);
}

static void on_msg(wslay_event_context_ptr ws,
                   const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
    struct reader *r = data;

    (void)ws;
    if (r->done)
        return;
    if (!wslay_is_ctrl_frame(arg->opcode))
        r->events->on_message(r->owner, r->is_text,
                              r->message.len ? r->message.data : "", r->message.len);
}

static ssize_t on_send(wslay_event_context_ptr ws, const uint8_t *bytes, size_t len,
                       int flags, void *data)
{
    struct reader *r = data;

    (void)ws;
    (void)flags;
    strbuf_add(&r->answers, bytes, len);
    return (ssize_t)len;
}

/* Control frames only: one header of two bytes each. A close frame is the last. */
static void answer(struct reader *r)
{
    const unsigned char *at;
    size_t pongs = 0;

    r->answers.len = 0;
    wslay_event_send(r->ws);
    at = (const unsigned char *)r->answers.data;
    while (pongs < r->answers.len && (at[pongs] & 0x0f) != WSLAY_CONNECTION_CLOSE)
        pongs += 2u + at[pongs + 1];
    if (pongs > 0)
        r->events->on_answer(r->owner, at, pongs);
    if (pongs == r->answers.len)
        return;
    at += pongs;
    if (at[1] >= 2)
        finish(r, at[2] << 8 | at[3]);
    else
        finish(r, wslay_event_get_close_received(r->ws) ? 0 : CODE_PROTOCOL);
}

/* Lets wslay have these bytes. */
static void pass(struct reader *r, const void *bytes, size_t len)
{
    int rc;

    r->bytes = bytes;
    r->len = len;
    rc = wslay_event_recv(r->ws);
    if (!r->done && wslay_event_want_write(r->ws))
        answer(r);
    if (!r->done && rc < 0)
        finish(r, CODE_PROTOCOL);
}

struct header {
    size_t bytes; /* 0: there are not all of them yet */
    uint64_t payload;
    unsigned opcode;
};

/* Reads any header, also a wrong one: wslay says what is wrong with it. */
static struct header header_from(const unsigned char *at, size_t len)
{
    size_t form = len < 2 ? 0 : at[1] & 0x7f;
    size_t extra = form == 126 ? 2 : form == 127 ? 8 : 0;
    size_t bytes = 2 + extra + (len >= 2 && at[1] & 0x80 ? 4 : 0);
    struct header h = {.payload = extra ? 0 : form};

    if (len < bytes)
        return h;
    h.bytes = bytes;
    h.opcode = at[0] & 0x0f;
    for (size_t i = 0; i < extra; i++)
        h.payload = h.payload << 8 | at[2 + i];
    h.payload &= INT64_MAX;
    return h;
}

/* What wslay lets pass: the code to close with, or 0. */
static int check_header(const struct reader *r, const struct header *h)
{
    size_t before = h->opcode == WSLAY_CONTINUATION_FRAME ? r->message.len : 0;

    if (h->opcode == WSLAY_CONNECTION_CLOSE && h->payload == 1)
        return CODE_PROTOCOL;
    if (!wslay_is_ctrl_frame(h->opcode)) {
        size_t max = r->events->message_bytes_max(r->owner);

        if (before > max || h->payload > max - before)
            return CODE_TOO_LARGE;
    }
    return 0;
}

/* Begins the next frame if enough of it is there: its header, and all of a control frame.
 * How many of the bytes it has taken. */
static size_t begin_frame(struct reader *r, const char *bytes, size_t len)
{
    size_t room = sizeof(r->backlog) - r->backlog_len;
    size_t n = len < room ? len : room;
    struct header h;
    uint64_t total;
    int code;

    memcpy(r->backlog + r->backlog_len, bytes, n);
    h = header_from(r->backlog, r->backlog_len + n);
    total = h.bytes + h.payload;
    if (h.bytes == 0 || (wslay_is_ctrl_frame(h.opcode) && h.payload <= CONTROL_MAX &&
                         r->backlog_len + n < total)) {
        r->backlog_len += n;
        return n;
    }
    r->is_close = h.opcode == WSLAY_CONNECTION_CLOSE;
    code = check_header(r, &h);
    if (code) {
        finish(r, code);
        return len;
    }
    n = r->backlog_len + n < total ? n : (size_t)(total - r->backlog_len);
    r->frame_left = total - r->backlog_len - n;
    pass(r, r->backlog, r->backlog_len + n);
    r->backlog_len = 0;
    return n;
}

size_t reader_feed(struct reader *r, void *owner, const char *bytes, size_t len)
{
    size_t at = 0;

    assert(!r->done);
    r->owner = owner;
    while (at < len && !r->done) {
        size_t left = len - at;
        size_t n = r->frame_left < left ? (size_t)r->frame_left : left;

        if (n > 0) {
            r->frame_left -= n;
            pass(r, bytes + at, n);
        } else {
            if (r->backlog_len == 0 &&
                !r->events->may_begin(owner, (unsigned char)bytes[at]))
                break;
            n = begin_frame(r, bytes + at, left);
        }
        at += n;
    }
    if (reader_is_at_rest(r))
        strbuf_reset(&r->message, KEEP_BYTES);
    r->owner = NULL;
    return r->done ? len : at;
}

bool reader_is_at_rest(const struct reader *r)
{
    return !r->done && r->frame_left == 0 && r->backlog_len == 0 && !r->in_message;
}

bool reader_is_done(const struct reader *r)
{
    return r->done;
}

struct reader *reader_new(const struct reader_events *events, size_t max_message_bytes,
                          bool allow_binary)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv,
        .send_callback = on_send,
        .on_frame_recv_start_callback = on_frame_start,
        .on_frame_recv_chunk_callback = on_chunk,
        .on_msg_recv_callback = on_msg,
    };
    struct reader *r = xcalloc(1, sizeof(*r));

    r->events = events;
    r->allow_binary = allow_binary;
    if (wslay_event_context_server_init(&r->ws, &callbacks, r) != 0)
        abort(); /* out of memory is its only error */
    wslay_event_config_set_no_buffering(r->ws, 1);
    wslay_event_config_set_max_recv_msg_length(r->ws, max_message_bytes);
    return r;
}

void reader_free(struct reader *r)
{
    if (!r)
        return;
    wslay_event_context_free(r->ws);
    strbuf_deinit(&r->message);
    strbuf_deinit(&r->answers);
    free(r);
}
