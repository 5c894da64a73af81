/* fnv.h - FNV-1a, 32 and 64 bits: a hash that is the same everywhere and always, for what several processes
 * must agree on. Not for maps of names that strangers choose: those are common/map.h's.
 */
#ifndef COMMON_FNV_H
#define COMMON_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START 2166136261u
#define FNV64_START 14695981039346656037u

/* Goes on from `hash`, FNV_START at first. */
static inline uint32_t fnv_add(uint32_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    return hash;
}

/* The same with 64 bits; goes on from `hash`, FNV64_START at first. */
static inline uint64_t fnv64_add(uint64_t hash, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211u;
    return hash;
}

/* Spreads the hashes of similar names over all 32 bits. */
static inline uint32_t fnv_stir(uint32_t hash)
{
    return (hash ^ hash >> 15) * 0x2c1b3c6du;
}

#endif
