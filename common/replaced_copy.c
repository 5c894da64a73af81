/* replaced_copy.c - see replaced_copy.h. */
#include "common/replaced_copy.h"

void replaced_copy_on_rev(struct replaced_copy *copy, uint64_t rev)
{
    if (rev > REPLACED_REV_MAX) /* nothing that anybody has written */
        rev = 0;
    if (rev == copy->rev)
        return;
    if (copy->is_busy) {
        copy->has_heard = true;
        copy->heard_rev = rev;
        return;
    }
    copy->is_busy = true;
    if (rev > copy->rev)
        copy->start_read(copy->owner);
    else
        copy->start_restore(copy->owner);
}

void replaced_copy_end(struct replaced_copy *copy)
{
    copy->is_busy = false;
    if (copy->has_heard) {
        copy->has_heard = false;
        replaced_copy_on_rev(copy, copy->heard_rev);
    }
}
