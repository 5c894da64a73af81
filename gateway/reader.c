/* reader.c - see reader.h.
 *
 *     reader_feed -> wslay_event_recv -> on_recv (takes our bytes)
 *                                     -> on_frame_start, on_chunk, on_frame_end
 *                                     -> on_msg -> events->on_message
 *                 -> answer -> wslay_event_send -> on_send -> events->on_answer, on_close
 *
 * wslay does not say whether it is between two messages. It follows from the bytes: what
 * was fed, less the frames that ended, is zero. Its own buffering is off, so that
 * UTF-8 is checked as bytes come and messages are put together in one buffer.
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
};

struct reader {
    const struct reader_events *events;
    wslay_event_context_ptr ws;
    void *owner; /* whose bytes these are; valid inside reader_feed */
    const char *bytes;
    size_t len;
    int64_t open_bytes;  /* fed, but of a frame that has not ended */
    int64_t frame_bytes; /* of the frame that has begun */
    struct strbuf message, answers;
    bool is_text, in_control, in_message;
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
    r->open_bytes += (int64_t)n;
    return (ssize_t)n;
}

static void finish(struct reader *r, int code)
{
    if (r->done)
        return;
    r->done = true;
    r->events->on_close(r->owner, code);
}

static void on_frame_start(wslay_event_context_ptr ws,
                           const struct wslay_event_on_frame_recv_start_arg *arg,
                           void *data)
{
    struct reader *r = data;
    uint64_t len = arg->payload_length;

    (void)ws;
    r->frame_bytes = (int64_t)(len + 6 + (len < 126 ? 0u : len <= 0xffff ? 2u : 8u));
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

static void on_frame_end(wslay_event_context_ptr ws, void *data)
{
    struct reader *r = data;

    (void)ws;
    r->open_bytes -= r->frame_bytes;
}

static void on_msg(wslay_event_context_ptr ws,
                   const struct wslay_event_on_msg_recv_arg *arg, void *data)
{
    struct reader *r = data;

    (void)ws;
    if (r->done)
        return;
    if (arg->opcode == WSLAY_PONG)
        r->events->on_pong(r->owner);
    else if (!wslay_is_ctrl_frame(arg->opcode))
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

void reader_feed(struct reader *r, void *owner, const char *bytes, size_t len)
{
    int rc;

    assert(!r->done);
    r->owner = owner;
    r->bytes = bytes;
    r->len = len;
    rc = wslay_event_recv(r->ws);
    if (!r->done && wslay_event_want_write(r->ws))
        answer(r);
    if (!r->done && rc < 0)
        finish(r, CODE_PROTOCOL);
    if (reader_is_at_rest(r))
        strbuf_reset(&r->message, KEEP_BYTES);
    r->owner = NULL;
}

bool reader_is_at_rest(const struct reader *r)
{
    return !r->done && r->open_bytes == 0 && !r->in_message;
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
        .on_frame_recv_end_callback = on_frame_end,
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
