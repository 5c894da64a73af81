/* upgrade.c - see upgrade.h.
 *
 * One pass over the bytes from left to right:
 *
 *     parse_request_line -> parse_header, once a line -> check_request
 *
 * Each step takes its bytes from the cursor and gives one of three: GO_ON, MORE (the
 * bytes ended too early) or the status of a refusal. The first refusal on the way is
 * the verdict, and it depends on nothing after it; so a verdict once given does not
 * change when more bytes come, and the caller may parse again from the start. To do so with
 * each line and each doubling is cheap enough: bytes and lines are bounded.
 *
 * Stricter than RFC 9112 asks of a server, because nobody who means well sends such
 * things: a bare LF, a folded header, an empty line before the request.
 *
 * Over 400 lines because each line and field of the request is a few of them.
 */
#include "gateway/upgrade.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>
#include <openssl/sha.h>

#include "common/http_chars.h"
#include "common/http_host.h"
#include "common/percent.h"

enum { MORE = 0, GO_ON = 100, UPGRADE = 101 };

enum { KEY_CHARS = 24, ACCEPT_CHARS = 28 };

struct cursor {
    const char *at, *end;
};

/* What the headers have said so far. */
struct parse {
    struct upgrade_request *out;
    bool has_host, has_version, has_authorization;
    unsigned headers;
    bool upgrade_is_websocket, connection_is_upgrade;
};

static bool is_target_char(char c)
{
    return c > ' ' && c < 0x7f;
}

static bool is_base64_char(char c)
{
    return http_is_alnum(c) || c == '+' || c == '/';
}

static int on_host(struct parse *p, struct http_text value)
{
    if (p->has_host || value.len == 0 || !http_host_is(value.base, value.len))
        return 400;
    p->has_host = true;
    if (!p->out->host.base) /* a target in absolute form counts more */
        p->out->host = value;
    return GO_ON;
}

static int on_upgrade(struct parse *p, struct http_text value)
{
    p->upgrade_is_websocket |= http_text_has_word(value, http_text_from("websocket"));
    return GO_ON;
}

static int on_connection(struct parse *p, struct http_text value)
{
    p->connection_is_upgrade |= http_text_has_word(value, http_text_from("upgrade"));
    return GO_ON;
}

static int on_key(struct parse *p, struct http_text value)
{
    struct http_text digits = {value.base, KEY_CHARS - 2};

    if (p->out->key.base || value.len != KEY_CHARS ||
        !http_has_only(digits.base, digits.len, is_base64_char) ||
        value.base[22] != '=' || value.base[23] != '=')
        return 400;
    p->out->key = value;
    return GO_ON;
}

static int on_version(struct parse *p, struct http_text value)
{
    if (p->has_version)
        return 400;
    if (!http_text_is(value, http_text_from("13")))
        return 426;
    p->has_version = true;
    return GO_ON;
}

static int on_protocol(struct parse *p, struct http_text value)
{
    p->out->wants_v1 |= http_text_has(value, http_text_from("roomcast.v1"));
    return GO_ON;
}

static int on_origin(struct parse *p, struct http_text value)
{
    if (p->out->origin.base)
        return 400;
    p->out->origin = value;
    return GO_ON;
}

/* `Bearer` and a token (RFC 6750 section 2.1). Other schemes are nobody's here, but of two lines a balancer
 * may have looked at the other one. */
static int on_authorization(struct parse *p, struct http_text value)
{
    static const char scheme[] = "Bearer";
    size_t len = sizeof(scheme) - 1;

    if (p->has_authorization)
        return 400;
    p->has_authorization = true;
    if (value.len < len || strncasecmp(value.base, scheme, len) != 0 ||
        (value.len > len && value.base[len] != ' '))
        return GO_ON;
    p->out->token =
        http_text_trimmed((struct http_text){value.base + len, value.len - len});
    return GO_ON;
}

/* However many lines it is, it is one list. */
static int on_forwarded(struct parse *p, struct http_text value)
{
    struct http_text *all = &p->out->forwarded;

    if (all->base)
        all->len = (size_t)(value.base + value.len - all->base);
    else
        *all = value;
    return GO_ON;
}

/* A request with a body is none for us, and where it ends would be in doubt. */
static int on_content_length(struct parse *p, struct http_text value)
{
    (void)p;
    return http_text_is(value, http_text_from("0")) ? GO_ON : 400;
}

static int on_transfer_encoding(struct parse *p, struct http_text value)
{
    (void)p;
    (void)value;
    return 400;
}

/* Other headers are only looked at for their form. */
static const struct {
    const char *name;
    int (*on_value)(struct parse *p, struct http_text value);
} headers[] = {
    {"Host", on_host},
    {"Upgrade", on_upgrade},
    {"Connection", on_connection},
    {"Sec-WebSocket-Key", on_key},
    {"Sec-WebSocket-Version", on_version},
    {"Sec-WebSocket-Protocol", on_protocol},
    {"Origin", on_origin},
    {"Authorization", on_authorization},
    {"X-Forwarded-For", on_forwarded},
    {"Content-Length", on_content_length},
    {"Transfer-Encoding", on_transfer_encoding},
};

/* Takes at least one allowed byte and the `stop` right behind them. */
static int take_word(struct cursor *c, bool (*is_allowed)(char), char stop,
                     struct http_text *word)
{
    const char *start = c->at;

    while (c->at < c->end && is_allowed(*c->at))
        c->at++;
    *word = (struct http_text){start, (size_t)(c->at - start)};
    if (c->at == c->end)
        return MORE;
    if (word->len == 0 || *c->at != stop)
        return 400;
    c->at++;
    return GO_ON;
}

static int take_literal(struct cursor *c, const char *literal)
{
    for (; *literal; literal++, c->at++) {
        if (c->at == c->end)
            return MORE;
        if (*c->at != *literal)
            return 400;
    }
    return GO_ON;
}

static int take_value(struct cursor *c, struct http_text *value)
{
    const char *start = c->at;

    while (c->at < c->end && http_is_value_char(*c->at))
        c->at++;
    *value = http_text_trimmed((struct http_text){start, (size_t)(c->at - start)});
    return take_literal(c, "\r\n");
}

/* The target without its scheme and host, if it has them (RFC 9112, section 3.2.2). */
static int take_authority(struct parse *p, struct http_text *target)
{
    static const char *const schemes[] = {"http://", "https://"};

    for (size_t i = 0; i < 2; i++) {
        size_t skip = strlen(schemes[i]);
        const char *host = target->base + skip, *end = target->base + target->len;
        const char *slash;

        if (target->len < skip || strncasecmp(target->base, schemes[i], skip) != 0)
            continue;
        slash = memchr(host, '/', (size_t)(end - host));
        if (!slash)
            return 404;
        p->out->host = (struct http_text){host, (size_t)(slash - host)};
        *target = (struct http_text){slash, (size_t)(end - slash)};
        return p->out->host.len > 0 && http_host_is(p->out->host.base, p->out->host.len)
                   ? GO_ON
                   : 400;
    }
    return GO_ON;
}

/* In either case, and with any of it percent-encoded. */
static bool is_token_name(const char *text, size_t len)
{
    static const char *const names[] = {"token", "access_token", "jwt"};
    char name[3 * sizeof("access_token")];

    if (len > sizeof(name))
        return false;
    memcpy(name, text, len);
    if (percent_decode(name, len, &len) != 0)
        return false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (len == strlen(names[i]) && strncasecmp(name, names[i], len) == 0)
            return true;
    return false;
}

/* A token in a query would be kept in logs and histories. */
static bool has_token(const char *query, const char *end)
{
    while (query < end) {
        const char *next = memchr(query, '&', (size_t)(end - query));
        size_t len = (size_t)((next ? next : end) - query);
        const char *equals = memchr(query, '=', len);

        if (is_token_name(query, equals ? (size_t)(equals - query) : len))
            return true;
        query = next ? next + 1 : end;
    }
    return false;
}

static int parse_request_line(struct cursor *c, struct parse *p)
{
    struct http_text method, target;
    const char *query;
    int rc = take_word(c, http_is_token_char, ' ', &method);

    if (rc == GO_ON)
        rc = take_word(c, is_target_char, ' ', &target);
    if (rc == GO_ON)
        rc = take_literal(c, "HTTP/1.1\r\n");
    if (rc == GO_ON)
        rc = take_authority(p, &target);
    if (rc != GO_ON)
        return rc;

    query = memchr(target.base, '?', target.len);
    p->out->has_token_in_url = query && has_token(query + 1, target.base + target.len);
    target.len = query ? (size_t)(query - target.base) : target.len;
    if (!http_text_is(target, http_text_from("/ws")))
        return 404;
    return http_text_is(method, http_text_from("GET")) ? GO_ON : 405;
}

static int parse_header(struct cursor *c, struct parse *p)
{
    struct http_text name, value;
    int rc = take_word(c, http_is_token_char, ':', &name);

    if (rc == GO_ON)
        rc = take_value(c, &value);
    if (rc != GO_ON)
        return rc;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (http_text_is_word(name, http_text_from(headers[i].name)))
            return headers[i].on_value(p, value);
    return GO_ON;
}

/* The answer to a request that is well-formed. Upgrade counts only where Connection
 * names it (RFC 9110, 7.8), so without either this is an ordinary GET. */
static int check_request(const struct parse *p)
{
    if (!p->has_host || p->out->has_token_in_url)
        return 400;
    if (!p->upgrade_is_websocket || !p->connection_is_upgrade || !p->has_version)
        return 426;
    return p->out->key.base ? UPGRADE : 400;
}

static int parse(struct cursor *c, struct parse *p)
{
    int rc = parse_request_line(c, p);

    while (rc == GO_ON) {
        if (c->at == c->end)
            return MORE;
        if (*c->at != '\r') {
            rc = p->headers++ < UPGRADE_MAX_HEADERS ? parse_header(c, p) : 431;
            continue;
        }
        rc = take_literal(c, "\r\n");
        return rc == GO_ON ? check_request(p) : rc;
    }
    return rc;
}

int upgrade_parse(const char *bytes, size_t len, struct upgrade_request *out,
                  size_t *used)
{
    size_t seen = len < UPGRADE_MAX_BYTES ? len : UPGRADE_MAX_BYTES;
    struct cursor c = {bytes, bytes + seen};
    struct parse p = {.out = out};
    int rc;

    *out = (struct upgrade_request){0};
    rc = parse(&c, &p);
    if (rc == MORE && seen == UPGRADE_MAX_BYTES)
        return 431;
    if (rc == UPGRADE)
        *used = (size_t)(c.at - bytes);
    return rc;
}

/* ---- answers ---- */

void upgrade_print_accept(struct strbuf *out, const struct upgrade_request *req)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char joined[KEY_CHARS + sizeof(guid) - 1];
    unsigned char digest[SHA_DIGEST_LENGTH];
    unsigned char accept[ACCEPT_CHARS + 1];

    assert(req->key.len == KEY_CHARS);
    memcpy(joined, req->key.base, KEY_CHARS);
    memcpy(joined + KEY_CHARS, guid, sizeof(guid) - 1);
    SHA1(joined, sizeof(joined), digest);
    EVP_EncodeBlock(accept, digest, sizeof(digest));

    strbuf_add_text(out, "HTTP/1.1 101 Switching Protocols\r\n"
                         "Upgrade: websocket\r\n"
                         "Connection: Upgrade\r\n"
                         "Sec-WebSocket-Accept: ");
    strbuf_add(out, accept, ACCEPT_CHARS);
    if (req->wants_v1)
        strbuf_add_text(out, "\r\nSec-WebSocket-Protocol: roomcast.v1");
    strbuf_add_text(out, "\r\n\r\n");
}

/* `connection` and `extra` as RFC 9110 wants them with that status. */
static const struct refusal {
    int status;
    const char *reason, *connection, *extra, *text;
} refusals[] = {
    {400, "Bad Request", "close", "", "This is not a WebSocket handshake.\n"},
    {401, "Unauthorized", "close", "WWW-Authenticate: Bearer\r\n",
     "The token is not accepted.\n"},
    {403, "Forbidden", "close", "", "This origin is not allowed.\n"},
    {404, "Not Found", "close", "", "Only /ws is here.\n"},
    {405, "Method Not Allowed", "close", "Allow: GET\r\n", "Only GET.\n"},
    {408, "Request Timeout", "close", "", "The handshake took too long.\n"},
    {426, "Upgrade Required", "close, upgrade",
     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
     "This is a WebSocket, version 13.\n"},
    {429, "Too Many Requests", "close", "Retry-After: 5\r\n",
     "Too many connections from this address.\n"},
    {431, "Request Header Fields Too Large", "close", "", "The request is too long.\n"},
    {503, "Service Unavailable", "close", "Retry-After: 1\r\n",
     "No more connections now.\n"},
};

void upgrade_print_refusal(struct strbuf *out, int status, const char *text)
{
    const struct refusal *r = refusals;

    while (r->status != status) {
        r++;
        assert(r < refusals + sizeof(refusals) / sizeof(refusals[0]));
    }
    text = text ? text : r->text;
    strbuf_add_format(out,
                      "HTTP/1.1 %d %s\r\n"
                      "Connection: %s\r\n"
                      "%s"
                      "Content-Type: text/plain; charset=utf-8\r\n"
                      "Content-Length: %zu\r\n"
                      "\r\n"
                      "%s",
                      r->status, r->reason, r->connection, r->extra, strlen(text),
                      text);
}
