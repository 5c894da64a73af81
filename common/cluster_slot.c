/* cluster_slot.c - see cluster_slot.h. */
#include "common/cluster_slot.h"

#include <stdint.h>
#include <string.h>

/* CRC16 of one hex digit in the high bits: polynomial 0x1021, so the remainder of digit << 12. */
static const uint16_t remainders[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};

static unsigned crc16(const char *bytes, size_t len)
{
    unsigned crc = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned byte = (unsigned char)bytes[i];

        crc = (crc << 4 ^ remainders[crc >> 12 ^ byte >> 4]) & 0xffff;
        crc = (crc << 4 ^ remainders[crc >> 12 ^ (byte & 15)]) & 0xffff;
    }
    return crc;
}

unsigned cluster_slot_of_key(const char *key, size_t len)
{
    const char *open = memchr(key, '{', len), *close;

    if (open) {
        open++;
        close = memchr(open, '}', len - (size_t)(open - key));
        if (close && close > open)
            return cluster_slot_of_room(open, (size_t)(close - open));
    }
    return cluster_slot_of_room(key, len);
}

unsigned cluster_slot_of_room(const char *room, size_t len)
{
    return crc16(room, len) % CLUSTER_SLOTS;
}
