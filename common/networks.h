/* networks.h - a list of addresses and networks, as ROOMCAST_TRUSTED_PROXIES (SPEC-PUBLIC P4). Pure.
 *
 *     10.0.0.0/8, 192.0.2.1, 2001:db8::/32
 *
 * IPv4 and IPv6 are apart: ::/0 has no IPv4 address, however that came in.
 */
#ifndef COMMON_NETWORKS_H
#define COMMON_NETWORKS_H

#include "common/address.h"

struct network {
    struct address address;
    unsigned bits; /* of `address`: 0 to 128, of IPv4 96 and more */
};

/* Zeroed: none. */
struct networks {
    struct network *all; /* owned */
    size_t count;
};

/* NULL, or why the text is none: static. Replaces what was there. */
const char *networks_parse(struct networks *networks, const char *text);

bool networks_have(const struct networks *networks, const struct address *address);

void networks_deinit(struct networks *networks);

#endif
