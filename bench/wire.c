/* wire.c - see wire.h. */
#include "bench/wire.h"

#include <stdint.h>
#include <string.h>

void wire_add_upgrade(struct strbuf *out, const char *path)
{
    strbuf_add_format(out, "GET %s HTTP/1.1\r\n", path);
    strbuf_add_text(out, "Host: 127.0.0.1\r\n"
                         "Upgrade: websocket\r\n"
                         "Connection: Upgrade\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                         "Sec-WebSocket-Version: 13\r\n"
                         "\r\n");
}

ssize_t wire_take_upgrade(const char *bytes, size_t len)
{
    static const char status[] = "HTTP/1.1 101 ";
    static const char accept[] =
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);

    if (!end)
        return 0;
    if (memcmp(bytes, status, sizeof(status) - 1) != 0 ||
        !memmem(bytes, len, accept, sizeof(accept) - 1))
        return -1;
    return end + 4 - bytes;
}

void wire_add(struct strbuf *out, enum wire_opcode opcode, const char *text, size_t len)
{
    unsigned char header[14] = {(unsigned char)(0x80 | opcode)};
    size_t size = 2;

    if (len < 126) {
        header[1] = (unsigned char)(0x80 | len);
    } else {
        unsigned bytes = len < 65536 ? 2 : 8;

        header[1] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
        for (unsigned i = 0; i < bytes; i++)
            header[size++] = (unsigned char)((uint64_t)len >> 8 * (bytes - 1 - i));
    }
    strbuf_add(out, header, size + 4); /* a mask of zeros */
    strbuf_add(out, text, len);
}

ssize_t wire_take(const char *bytes, size_t len, struct wire_frame *out)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t size = 2;

    if (len < 2)
        return 0;
    out->opcode = at[0] & 0x0f;
    out->len = at[1];
    if ((at[0] & 0xf0) != 0x80 || (at[1] & 0x80) ||
        (out->opcode != WIRE_TEXT && out->opcode < WIRE_CLOSE))
        return -1;
    if (out->len > 125) {
        unsigned count = out->len == 126 ? 2 : 8;

        if (len < size + count)
            return 0;
        out->len = 0;
        for (unsigned i = 0; i < count; i++)
            out->len = out->len << 8 | at[size++];
    }
    if (len - size < out->len)
        return 0;
    out->text = bytes + size;
    return (ssize_t)(size + out->len);
}
