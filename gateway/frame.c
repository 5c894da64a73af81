/* frame.c - see frame.h. The header is RFC 6455 section 5.2, without a mask. */
#include "gateway/frame.h"

#include <assert.h>
#include <string.h>

#include "gateway/pool.h"

struct frame {
    uint32_t refs;
    uint32_t len;
    unsigned char bytes[];
};

static struct frame *new_sized(size_t len)
{
    struct frame *f = pool_alloc(sizeof(*f) + len);

    assert(len <= UINT32_MAX);
    f->refs = 1;
    f->len = (uint32_t)len;
    return f;
}

static size_t put_header(unsigned char *out, enum frame_opcode opcode, size_t len)
{
    out[0] = (unsigned char)(0x80 | opcode);
    if (len < 126) {
        out[1] = (unsigned char)len;
        return 2;
    }
    if (len <= 0xffff) {
        out[1] = 126;
        out[2] = (unsigned char)(len >> 8);
        out[3] = (unsigned char)len;
        return 4;
    }
    out[1] = 127;
    for (int i = 0; i < 8; i++)
        out[2 + i] = (unsigned char)(len >> (56 - 8 * i));
    return 10;
}

struct frame *frame_new(enum frame_opcode opcode, const void *payload, size_t len)
{
    unsigned char header[10];
    size_t header_len = put_header(header, opcode, len);
    struct frame *f = new_sized(header_len + len);

    memcpy(f->bytes, header, header_len);
    if (len > 0)
        memcpy(f->bytes + header_len, payload, len);
    return f;
}

struct frame *frame_new_text(const char *text, size_t len)
{
    return frame_new(FRAME_TEXT, text, len);
}

/* Where the line at `at` ends. */
static const char *line_end(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));

    return stop ? stop : end;
}

struct frame *frame_new_texts(const char *text, size_t len)
{
    const char *end = text + len, *stop;
    unsigned char header[10], *out;
    struct frame *f;
    size_t size = 0;

    for (const char *at = text; at < end; at = stop + 1) {
        stop = line_end(at, end);
        size +=
            put_header(header, FRAME_TEXT, (size_t)(stop - at)) + (size_t)(stop - at);
    }
    f = new_sized(size);
    out = f->bytes;
    for (const char *at = text; at < end; at = stop + 1) {
        stop = line_end(at, end);
        out += put_header(out, FRAME_TEXT, (size_t)(stop - at));
        out = mempcpy(out, at, (size_t)(stop - at));
    }
    return f;
}

struct frame *frame_new_raw(const void *bytes, size_t len)
{
    struct frame *f = new_sized(len);

    memcpy(f->bytes, bytes, len);
    return f;
}

struct frame *frame_ref(struct frame *f)
{
    f->refs++;
    return f;
}

void frame_unref(struct frame *f)
{
    if (f && --f->refs == 0)
        pool_recycle(f, sizeof(*f) + f->len);
}

uv_buf_t frame_bytes(const struct frame *f)
{
    return uv_buf_init((char *)f->bytes, f->len);
}

size_t frame_len(const struct frame *f)
{
    return f->len;
}

const char *frame_text(const struct frame *f, size_t *len)
{
    size_t header = f->bytes[1] < 126 ? 2 : f->bytes[1] == 126 ? 4 : 10;

    *len = f->len - header;
    return (const char *)f->bytes + header;
}

bool frame_is_text(const struct frame *f, const char *text, size_t len)
{
    size_t header = len < 126 ? 2 : len <= 0xffff ? 4 : 10;

    return f->len == header + len && memcmp(f->bytes + header, text, len) == 0;
}
