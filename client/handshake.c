/* handshake.c - see handshake.h. */
#include "client/handshake.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <uv.h>

#include "common/xalloc.h"

enum { KEY_BYTES = 16, KEY_TEXT = 25 };

/* Sec-WebSocket-Accept for the key, RFC 6455 section 4.2.2. */
static void print_accept(char accept[static HANDSHAKE_ACCEPT], const char *key)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[SHA_DIGEST_LENGTH];
    unsigned char text[KEY_TEXT + sizeof(guid)];
    int len = snprintf((char *)text, sizeof(text), "%s%s", key, guid);

    SHA1(text, (size_t)len, digest);
    EVP_EncodeBlock((unsigned char *)accept, digest, sizeof(digest));
}

void handshake_init(struct handshake *h, struct strbuf *out, const char *host, int port,
                    const char *path, const char *protocol)
{
    unsigned char random[KEY_BYTES];
    char key[KEY_TEXT];
    bool is_ipv6 = strchr(host, ':') != NULL;

    *h = (struct handshake){.protocol = protocol ? xstrdup(protocol) : NULL};
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort();
    EVP_EncodeBlock((unsigned char *)key, random, KEY_BYTES);
    print_accept(h->accept, key);
    strbuf_add_format(out,
                      "GET %s HTTP/1.1\r\nHost: %s%s%s:%d\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: %s\r\n",
                      path, is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port, key);
    if (protocol)
        strbuf_add_format(out, "Sec-WebSocket-Protocol: %s\r\n", protocol);
    strbuf_add_text(out, "\r\n");
}

void handshake_deinit(struct handshake *h)
{
    free(h->protocol);
    h->protocol = NULL;
    strbuf_deinit(&h->head);
}

/* The value of the header `name`, cut out of `line`, or NULL if it is another one. */
static const char *header_value(char *line, const char *name)
{
    size_t len = strlen(name);
    char *value;
    char *end;

    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    value = line + len + 1;
    value += strspn(value, " \t");
    end = value + strlen(value);
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        *--end = '\0';
    return value;
}

static bool has_token(const char *list, const char *token)
{
    size_t len = strlen(token);

    while (*list) {
        size_t item = strcspn(list, ", \t");

        if (item == len && strncasecmp(list, token, len) == 0)
            return true;
        list += item + strspn(list + item, ", \t");
    }
    return false;
}

/* Whether the head, which it takes apart, is the answer we want. */
static bool is_right(struct handshake *h)
{
    static const char status[] = "HTTP/1.1 101 ";
    int upgrades = 0, connections = 0, accepts = 0, protocols = 0;
    const char *value;
    char *rest = NULL;
    char *line = strtok_r(h->head.data, "\r\n", &rest);

    if (!line || strncmp(line, status, strlen(status)) != 0)
        return false;
    /* A wrong value counts twice, so that it is never the one that is wanted. */
    while ((line = strtok_r(NULL, "\r\n", &rest))) {
        if ((value = header_value(line, "Upgrade")))
            upgrades += strcasecmp(value, "websocket") == 0 ? 1 : 2;
        else if ((value = header_value(line, "Connection")))
            connections += has_token(value, "upgrade");
        else if ((value = header_value(line, "Sec-WebSocket-Accept")))
            accepts += strcmp(value, h->accept) == 0 ? 1 : 2;
        else if ((value = header_value(line, "Sec-WebSocket-Protocol")))
            protocols += h->protocol && strcmp(value, h->protocol) == 0 ? 1 : 2;
        else if (header_value(line, "Sec-WebSocket-Extensions"))
            return false; /* none was offered */
    }
    return upgrades == 1 && connections > 0 && accepts == 1 && protocols <= 1;
}

ssize_t handshake_take(struct handshake *h, const char *bytes, size_t len)
{
    size_t before = h->head.len;
    const char *end;
    size_t head_len;

    strbuf_add(&h->head, bytes, len);
    end = memmem(h->head.data, h->head.len, "\r\n\r\n", 4);
    head_len = end ? (size_t)(end + 4 - h->head.data) : h->head.len;
    if (head_len > HANDSHAKE_MAX)
        return UV_EPROTO;
    if (!end)
        return 0;
    h->head.data[head_len - 1] = '\0';
    return is_right(h) ? (ssize_t)(head_len - before) : UV_EPROTO;
}
