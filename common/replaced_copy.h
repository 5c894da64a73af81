/* replaced_copy.h - a copy of one kind of the fleet's policy of which the higher number replaces the lower one
 * (SPEC-PUBLIC P14): when it is read, and when it is put back. Pure.
 *
 *     IDLE -> a higher number  -> start_read    -> replaced_copy_end -> IDLE
 *          -> a smaller number -> start_restore -> replaced_copy_end -> IDLE
 */
#ifndef COMMON_REPLACED_COPY_H
#define COMMON_REPLACED_COPY_H

#include <stdbool.h>
#include <stdint.h>

/* Numbers are of 15 digits at most. */
#define REPLACED_REV_MAX UINT64_C(999999999999999)

struct replaced_copy {
    void (*start_read)(void *owner);
    void (*start_restore)(void *owner);
    void *owner;
    uint64_t rev;       /* of the copy; 0: there is none */
    uint64_t heard_rev; /* meanwhile */
    bool is_busy;       /* a call is in flight */
    bool has_heard;
};

/* The number that Redis has. */
void replaced_copy_on_rev(struct replaced_copy *copy, uint64_t rev);

/* Whether what was read under this number replaces the copy. */
static inline bool replaced_copy_wants(const struct replaced_copy *copy, uint64_t rev)
{
    return rev > copy->rev && rev <= REPLACED_REV_MAX;
}

/* What was started has come back. */
void replaced_copy_end(struct replaced_copy *copy);

#endif
