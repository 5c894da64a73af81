/* address.h - addresses of peers: IPv6, and IPv4 as mapped into it (::ffff:192.0.2.1), so that an
 * address has one form however it was written. Pure. */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

enum { ADDRESS_BYTES = 16, ADDRESS_V4_BYTES = 4, ADDRESS_TEXT_MAX = 46 };

struct address {
    unsigned char bytes[ADDRESS_BYTES];
};

/* Exactly an address: no port, no brackets, no zone. */
bool address_parse(struct address *out, const char *text, size_t len);

void address_from_v4(struct address *out, const unsigned char v4[ADDRESS_V4_BYTES]);

/* False: it is none of IPv4 or IPv6. */
bool address_from_socket(struct address *out, const struct sockaddr *socket);

bool address_is_v4(const struct address *address);

/* Whether the first `bits` are the same. */
bool address_begins_as(const struct address *a, const struct address *b, unsigned bits);

/* Clears all but the first `bits`. */
void address_cut(struct address *address, unsigned bits);

/* IPv4 with dots; NUL-terminated. */
void address_print(char out[ADDRESS_TEXT_MAX], const struct address *address);

#endif
