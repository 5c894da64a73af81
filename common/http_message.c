/* http_message.c - see http_message.h.
 *
 *     feed -> take_line -> on_line, by state:   request line -> headers -> finish_head
 *          -> take_body (BODY, CHUNK)                             |
 *                                       no body: WHOLE <----------+--> BODY -> WHOLE
 *                                                                 +--> SIZE -> CHUNK -> BREAK
 *                                                                       |  ^------------+
 *                                                                       +-> TRAILER -> WHOLE
 *
 * Every byte is looked at once. Everything that is wrong ends in refuse().
 */
#include "common/http_message.h"

#include <string.h>

#include "common/digits.h"
#include "common/http_chars.h"
#include "common/http_host.h"
#include "common/http_request_line.h"

enum { KEEP_BYTES = 4096 };

static void refuse(struct http_message *m, int status, const char *why)
{
    m->state = HTTP_MESSAGE_REFUSED;
    m->status = status;
    m->why = why;
}

static bool has_only(struct json_text text, bool (*is_allowed)(char))
{
    return http_has_only(text.base, text.len, is_allowed);
}

static struct json_text trimmed(struct json_text text)
{
    while (text.len > 0 && (text.base[0] == ' ' || text.base[0] == '\t')) {
        text.base++;
        text.len--;
    }
    while (text.len > 0 &&
           (text.base[text.len - 1] == ' ' || text.base[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* What stands before the first `stop`, which is cut off `rest` with it. False: there is
 * no `stop`. */
static bool cut(struct json_text *rest, char stop, struct json_text *before)
{
    const char *at = memchr(rest->base, stop, rest->len);

    if (!at)
        return false;
    *before = (struct json_text){rest->base, (size_t)(at - rest->base)};
    *rest = (struct json_text){at + 1, rest->len - before->len - 1};
    return true;
}

static void on_request_line(struct http_message *m, struct json_text text)
{
    struct http_request_line line;

    if (!http_request_line_parse(text, &line)) {
        refuse(m, line.status, line.why);
        return;
    }
    m->is_version_0 = line.is_version_0;
    m->is_absolute = line.host.base;
    strbuf_add(&m->host, line.host.base, line.host.len);
    strbuf_add(&m->out, line.method.base, line.method.len);
    strbuf_add_char(&m->out, ' ');
    if (line.target.len == 0 || line.target.base[0] != '/')
        strbuf_add_char(&m->out, '/');
    strbuf_add(&m->out, line.target.base, line.target.len);
    strbuf_add_text(&m->out, m->is_version_0 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    m->state = HTTP_MESSAGE_HEAD;
}

/* ---- headers ---- */

static void on_host(struct http_message *m, struct json_text value)
{
    if (m->has_host || !http_host_is(value.base, value.len)) {
        refuse(m, 400, "there must be one Host, with a host and perhaps a port");
        return;
    }
    m->has_host = true;
    if (!m->is_absolute)
        strbuf_add(&m->host, value.base, value.len);
}

static bool is_digits(struct json_text text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.base[i] < '0' || text.base[i] > '9')
            return false;
    return text.len > 0;
}

static void on_content_length(struct http_message *m, struct json_text value)
{
    if (m->has_length || m->is_chunked || !is_digits(value)) {
        refuse(m, 400,
               "there must be one Content-Length, of digits, or "
               "Transfer-Encoding: chunked, not both");
        return;
    }
    m->has_length = true;
    while (value.len > 1 && value.base[0] == '0') {
        value.base++;
        value.len--;
    }
    if (!digits_parse(value.base, value.len, m->max_body_bytes, &m->left))
        refuse(m, 413, "the body is too large");
}

static void on_transfer_encoding(struct http_message *m, struct json_text value)
{
    if (m->has_length || m->is_chunked || m->is_version_0 ||
        !json_text_is_caseless(value, "chunked")) {
        refuse(m, 400,
               "Transfer-Encoding must be chunked, once, in HTTP/1.1, and "
               "without Content-Length");
        return;
    }
    m->is_chunked = true;
}

static void on_expect(struct http_message *m, struct json_text value)
{
    if (json_text_is_caseless(value, "100-continue"))
        m->wants_continue = !m->is_version_0;
    else
        refuse(m, 417, "Expect must be 100-continue");
}

/* A proxy before this may have looked at the other one. */
static void on_authorization(struct http_message *m, struct json_text value)
{
    if (m->has_authorization) {
        refuse(m, 400, "there must be one Authorization");
        return;
    }
    m->has_authorization = true;
    strbuf_add_text(&m->out, "Authorization: ");
    strbuf_add(&m->out, value.base, value.len);
    strbuf_add_text(&m->out, "\r\n");
}

/* Others are handed on as they stand. */
static const struct {
    const char *name;
    void (*on_value)(struct http_message *m, struct json_text value);
} known[] = {
    {"Host", on_host},
    {"Content-Length", on_content_length},
    {"Transfer-Encoding", on_transfer_encoding},
    {"Expect", on_expect},
    {"Authorization", on_authorization},
};

/* `name: value`. False: it is not. */
static bool split_header(struct json_text line, struct json_text *name,
                         struct json_text *value)
{
    *value = line;
    if (!cut(value, ':', name) || name->len == 0 ||
        !has_only(*name, http_is_token_char) || !has_only(*value, http_is_value_char))
        return false;
    *value = trimmed(*value);
    return true;
}

static void on_header(struct http_message *m, struct json_text line)
{
    struct json_text name, value;

    if (!split_header(line, &name, &value)) {
        refuse(m, 400, "a header is not a name, a colon and a value in one line");
        return;
    }
    if (++m->headers > HTTP_MESSAGE_HEADERS) {
        refuse(m, 431, "there are too many headers");
        return;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (json_text_is_caseless(name, known[i].name)) {
            known[i].on_value(m, value);
            return;
        }
    strbuf_add(&m->out, name.base, name.len);
    strbuf_add_text(&m->out, ": ");
    strbuf_add(&m->out, value.base, value.len);
    strbuf_add_text(&m->out, "\r\n");
}

/* ---- the end of the head, and the body ---- */

static void finish(struct http_message *m)
{
    if (m->has_host || m->is_absolute) {
        strbuf_add_text(&m->out, "Host: ");
        strbuf_add(&m->out, m->host.data ? m->host.data : "", m->host.len);
        strbuf_add_text(&m->out, "\r\n");
    }
    if (m->has_length || m->is_chunked)
        strbuf_add_format(&m->out, "Content-Length: %zu\r\n", m->body.len);
    strbuf_add_text(&m->out, "\r\n");
    if (m->body.len > 0)
        strbuf_add(&m->out, m->body.data, m->body.len);
    m->state = HTTP_MESSAGE_WHOLE;
}

static void finish_head(struct http_message *m)
{
    m->head_bytes = 0; /* from now on of the trailers and chunk lines */
    if (!m->has_host && !m->is_version_0)
        refuse(m, 400, "there is no Host");
    else if (m->is_chunked)
        m->state = HTTP_MESSAGE_SIZE;
    else if (m->left > 0)
        m->state = HTTP_MESSAGE_BODY;
    else
        finish(m);
}

/* Hex digits, and perhaps extensions behind a semicolon, which are ignored (section 7.1.1). */
static void on_size(struct http_message *m, struct json_text line)
{
    struct json_text size = line, extensions = line;
    uint64_t value = 0;

    if (cut(&extensions, ';', &size))
        size = trimmed(size);
    if (size.len == 0 || !has_only(line, http_is_value_char)) {
        refuse(m, 400, "a chunk has no size");
        return;
    }
    for (size_t i = 0; i < size.len; i++) {
        int digit = digits_parse_hex(size.base + i, 1);

        if (digit < 0) {
            refuse(m, 400, "the size of a chunk must be hex digits");
            return;
        }
        value = value * 16 + (uint64_t)digit;
        if (value > m->max_body_bytes - m->body.len) {
            refuse(m, 413, "the body is too large");
            return;
        }
    }
    m->left = value;
    m->state = value > 0 ? HTTP_MESSAGE_CHUNK : HTTP_MESSAGE_TRAILER;
}

static void on_trailer(struct http_message *m, struct json_text line)
{
    struct json_text name, value;

    if (line.len == 0)
        finish(m);
    else if (!split_header(line, &name, &value))
        refuse(m, 400, "a trailer is not a name, a colon and a value in one line");
}

/* ---- lines and bytes ---- */

static void on_line(struct http_message *m, struct json_text line)
{
    switch (m->state) {
    case HTTP_MESSAGE_START:
        if (line.len > 0) /* an empty one is left over from something (section 2.2) */
            on_request_line(m, line);
        break;
    case HTTP_MESSAGE_HEAD:
        if (line.len > 0)
            on_header(m, line);
        else
            finish_head(m);
        break;
    case HTTP_MESSAGE_SIZE:
        on_size(m, line);
        break;
    case HTTP_MESSAGE_BREAK:
        m->state = HTTP_MESSAGE_SIZE;
        if (line.len > 0)
            refuse(m, 400, "a chunk is longer than its size");
        break;
    default:
        on_trailer(m, line);
    }
}

/* Whether a CR stands where no LF follows; the last byte so far may yet be followed by one. */
static bool has_stray_cr(const struct http_message *m, const char *bytes, size_t len)
{
    bool is_end = bytes[len - 1] == '\n';
    const char *cr = memchr(bytes, '\r', len);

    if (m->line.len > 0 && m->line.data[m->line.len - 1] == '\r')
        return !(is_end && len == 1);
    return cr && cr + (is_end ? 2 : 1) != bytes + len;
}

/* Up to the next line end. */
static size_t take_line(struct http_message *m, const char *bytes, size_t len)
{
    const char *end = memchr(bytes, '\n', len);
    size_t taken = end ? (size_t)(end - bytes) + 1 : len;
    size_t line_len;

    if (m->head_bytes + taken > HTTP_MESSAGE_HEAD_BYTES) {
        refuse(m, 431, "the head of the request is too long");
        return len;
    }
    if (has_stray_cr(m, bytes, taken)) {
        refuse(m, 400, "a CR is not followed by LF");
        return len;
    }
    m->head_bytes += taken;
    strbuf_add(&m->line, bytes, taken);
    if (!end)
        return taken;
    line_len = m->line.len;
    m->line.len = 0;
    if (line_len < 2 || m->line.data[line_len - 2] != '\r')
        refuse(m, 400, "a line must end in CR LF");
    else
        on_line(m, (struct json_text){m->line.data, line_len - 2});
    return taken;
}

static size_t take_body(struct http_message *m, const char *bytes, size_t len)
{
    size_t taken = m->left < len ? (size_t)m->left : len;

    strbuf_add(&m->body, bytes, taken);
    m->left -= taken;
    if (m->left == 0 && m->state == HTTP_MESSAGE_CHUNK)
        m->state = HTTP_MESSAGE_BREAK;
    else if (m->left == 0)
        finish(m);
    return taken;
}

size_t http_message_feed(struct http_message *m, const char *bytes, size_t len)
{
    size_t taken = 0;

    while (taken < len && m->state != HTTP_MESSAGE_WHOLE &&
           m->state != HTTP_MESSAGE_REFUSED)
        taken += m->state == HTTP_MESSAGE_BODY || m->state == HTTP_MESSAGE_CHUNK
                     ? take_body(m, bytes + taken, len - taken)
                     : take_line(m, bytes + taken, len - taken);
    return taken;
}

void http_message_next(struct http_message *m)
{
    struct http_message fresh = {.max_body_bytes = m->max_body_bytes,
                                 .out = m->out,
                                 .line = m->line,
                                 .host = m->host,
                                 .body = m->body};

    strbuf_reset(&fresh.out, KEEP_BYTES);
    strbuf_reset(&fresh.line, KEEP_BYTES);
    strbuf_reset(&fresh.host, KEEP_BYTES);
    strbuf_reset(&fresh.body, KEEP_BYTES);
    *m = fresh;
}

void http_message_deinit(struct http_message *m)
{
    strbuf_deinit(&m->out);
    strbuf_deinit(&m->line);
    strbuf_deinit(&m->host);
    strbuf_deinit(&m->body);
}
