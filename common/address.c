/* address.c - see address.h. */
#include "common/address.h"

#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { MAPPED_BYTES = ADDRESS_BYTES - ADDRESS_V4_BYTES };

static const unsigned char mapped[MAPPED_BYTES] = {[10] = 0xff, [11] = 0xff};

void address_from_v4(struct address *out, const unsigned char v4[ADDRESS_V4_BYTES])
{
    memcpy(out->bytes, mapped, MAPPED_BYTES);
    memcpy(out->bytes + MAPPED_BYTES, v4, ADDRESS_V4_BYTES);
}

bool address_is_v4(const struct address *address)
{
    return memcmp(address->bytes, mapped, MAPPED_BYTES) == 0;
}

bool address_parse(struct address *out, const char *text, size_t len)
{
    char copy[ADDRESS_TEXT_MAX];
    unsigned char v4[ADDRESS_V4_BYTES];

    if (len >= sizeof(copy) || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (inet_pton(AF_INET, copy, v4) != 1)
        return inet_pton(AF_INET6, copy, out->bytes) == 1;
    address_from_v4(out, v4);
    return true;
}

bool address_from_socket(struct address *out, const struct sockaddr *socket)
{
    const struct sockaddr_in *in = (const void *)socket;
    const struct sockaddr_in6 *in6 = (const void *)socket;

    if (socket->sa_family == AF_INET)
        address_from_v4(out, (const unsigned char *)&in->sin_addr);
    else if (socket->sa_family == AF_INET6)
        memcpy(out->bytes, &in6->sin6_addr, ADDRESS_BYTES);
    else
        return false;
    return true;
}

bool address_begins_as(const struct address *a, const struct address *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(a->bytes, b->bytes, whole) != 0)
        return false;
    return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest)) == 0;
}

void address_cut(struct address *address, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;

    if (rest > 0) {
        address->bytes[whole] &= (unsigned char)(0xff << (8 - rest));
        whole++;
    }
    memset(address->bytes + whole, 0, ADDRESS_BYTES - whole);
}

void address_print(char out[ADDRESS_TEXT_MAX], const struct address *address)
{
    if (address_is_v4(address))
        inet_ntop(AF_INET, address->bytes + MAPPED_BYTES, out, ADDRESS_TEXT_MAX);
    else
        inet_ntop(AF_INET6, address->bytes, out, ADDRESS_TEXT_MAX);
}
