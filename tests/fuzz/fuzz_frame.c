/* fuzz_frame.c - any bytes from a client into the frame reader.
 *
 * How the bytes are cut must not matter. So the same input is read at once, byte by
 * byte, byte by byte with a new reader whenever the last one says that it is at rest, and
 * stopped before each frame; messages, frames and the close code must be the same each time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/strbuf.h"
#include "gateway/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_MESSAGE_BYTES = 1000, STILL_OPEN = -1 };

enum way { AT_ONCE, BYTE_BY_BYTE, BORROWED, STOPPED };

/* All that a connection heard from its reader. */
struct log {
    struct strbuf messages, answers;
    int frames, close_code;
    bool stops, has_stopped;
    bool is_peers;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static bool may_begin(void *owner, unsigned char byte)
{
    struct log *log = owner;

    (void)byte;
    require(log->close_code == STILL_OPEN);
    log->has_stopped = log->stops && !log->has_stopped;
    log->frames += !log->has_stopped;
    return !log->has_stopped;
}

static void on_message(void *owner, bool is_text, const char *bytes, size_t len)
{
    struct log *log = owner;

    require(log->close_code == STILL_OPEN);
    require(len <= MAX_MESSAGE_BYTES);
    require(!is_text || json_is_utf8(bytes, len));
    strbuf_add_format(&log->messages, "%s of %zu: ", is_text ? "text" : "binary", len);
    strbuf_add(&log->messages, bytes, len);
}

static void on_answer(void *owner, const void *bytes, size_t len)
{
    struct log *log = owner;
    const unsigned char *at = bytes;

    require(log->close_code == STILL_OPEN);
    for (size_t i = 0; i < len; i += 2u + at[i + 1]) /* whole, unmasked pongs */
        require(at[i] == 0x8a && i + 1 < len && at[i + 1] <= 125 &&
                i + 2 + at[i + 1] <= len);
    strbuf_add(&log->answers, bytes, len);
}

static void on_close(void *owner, int code, bool is_peers)
{
    struct log *log = owner;

    require(log->close_code == STILL_OPEN);
    require(code == 0 || (code >= 1000 && code <= 1014) ||
            (code >= 3000 && code < 5000));
    log->close_code = code;
    log->is_peers = is_peers;
}

static size_t message_bytes_max(void *owner)
{
    (void)owner;
    return MAX_MESSAGE_BYTES;
}

static const struct reader_events events = {may_begin, message_bytes_max, on_message,
                                            on_answer, on_close};

static void read_all(struct log *log, const char *bytes, size_t size, enum way way,
                     bool allow_binary)
{
    struct reader *r = reader_new(&events, MAX_MESSAGE_BYTES, allow_binary);
    size_t done = 0;

    *log = (struct log){.close_code = STILL_OPEN, .stops = way == STOPPED};
    while (done < size && log->close_code == STILL_OPEN) {
        size_t step = way == BYTE_BY_BYTE || way == BORROWED ? 1 : size - done;
        char *copy = malloc(step);
        size_t taken;

        memcpy(copy, bytes + done, step);
        taken = reader_feed(r, log, copy, step);
        free(copy);
        require(taken <= step && (taken == step || log->has_stopped));
        done += taken;
        require(reader_is_done(r) == (log->close_code != STILL_OPEN));
        require(!reader_is_done(r) || !reader_is_at_rest(r));
        if (way == BORROWED && reader_is_at_rest(r)) {
            reader_free(r);
            r = reader_new(&events, MAX_MESSAGE_BYTES, allow_binary);
        }
    }
    reader_free(r);
}

static bool is_same(const struct strbuf *a, const struct strbuf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Bytes read at once may end in a close before the answers to what came first. */
static bool is_start(const struct strbuf *a, const struct strbuf *b)
{
    return a->len <= b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void deinit(struct log *log)
{
    strbuf_deinit(&log->messages);
    strbuf_deinit(&log->answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    bool allow_binary = size > 0 && (data[size - 1] & 1);
    struct log whole, cut;

    read_all(&whole, bytes, size, AT_ONCE, allow_binary);
    for (enum way way = BYTE_BY_BYTE; way <= STOPPED; way++) {
        read_all(&cut, bytes, size, way, allow_binary);
        require(whole.close_code == cut.close_code);
        require(whole.frames == cut.frames);
        require(whole.is_peers == cut.is_peers);
        require(is_same(&whole.messages, &cut.messages));
        require(
            is_same(&whole.answers, &cut.answers) ||
            (whole.close_code != STILL_OPEN && is_start(&whole.answers, &cut.answers)));
        deinit(&cut);
    }
    deinit(&whole);
    return 0;
}
