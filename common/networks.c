/* networks.c - see networks.h. */
#include "common/networks.h"

#include <stdlib.h>
#include <string.h>

#include "common/digits.h"
#include "common/xalloc.h"

enum { BITS = 8 * ADDRESS_BYTES, V4_BITS = 8 * ADDRESS_V4_BYTES };

static const char refused[] = "must be a comma separated list of addresses and "
                              "networks, as 10.0.0.0/8,2001:db8::1";

/* How many bits an address has as it was written. */
static unsigned bits_of(const char *text, size_t len)
{
    return memchr(text, ':', len) ? BITS : V4_BITS;
}

static bool parse_one(struct network *out, const char *text, size_t len)
{
    const char *slash = memchr(text, '/', len);
    size_t address_len = slash ? (size_t)(slash - text) : len;
    unsigned most = bits_of(text, address_len);
    uint64_t bits = most;

    if (!address_parse(&out->address, text, address_len))
        return false;
    if (slash && !digits_parse(slash + 1, len - address_len - 1, most, &bits))
        return false;
    out->bits = (unsigned)bits + (BITS - most);
    address_cut(&out->address, out->bits);
    return true;
}

static bool parse_trimmed(struct network *out, const char *text, size_t len)
{
    while (len > 0 && *text == ' ') {
        text++;
        len--;
    }
    while (len > 0 && text[len - 1] == ' ')
        len--;
    return parse_one(out, text, len);
}

static void add(struct networks *networks, const struct network *network)
{
    size_t bytes = (networks->count + 1) * sizeof(*networks->all);

    networks->all = xrealloc(networks->all, bytes);
    networks->all[networks->count++] = *network;
}

const char *networks_parse(struct networks *networks, const char *text)
{
    networks_deinit(networks);
    for (;;) {
        struct network network;
        size_t len = strcspn(text, ",");

        if (!parse_trimmed(&network, text, len))
            return refused;
        add(networks, &network);
        if (text[len] == '\0')
            return NULL;
        text += len + 1;
    }
}

static bool has(const struct network *network, const struct address *address)
{
    return (network->bits >= BITS - V4_BITS || !address_is_v4(address)) &&
           address_begins_as(&network->address, address, network->bits);
}

bool networks_have(const struct networks *networks, const struct address *address)
{
    for (size_t i = 0; i < networks->count; i++)
        if (has(&networks->all[i], address))
            return true;
    return false;
}

void networks_deinit(struct networks *networks)
{
    free(networks->all);
    *networks = (struct networks){NULL, 0};
}
