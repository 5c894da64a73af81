/* leaving.h - those who listen to the events and may no longer, because their token has ended. */
#ifndef ADMIN_LEAVING_H
#define ADMIN_LEAVING_H

#include "admin/api.h"
#include "admin/listeners.h"

struct leaving {
    struct api *api;             /* borrowed, like the listeners */
    struct listeners *listeners; /* their streams are ended */
    uint64_t ask_at_ms;
    unsigned char ended[OPERATORS_DIGEST]; /* the session that ended last */
};

/* Once a second: tokens that are over, or not in the file any more. Each 15 s sessions are asked for, because
 * another replica may have been told that they ended. */
void leaving_tick(struct leaving *leaving);

/* Somebody has signed out here. */
void leaving_end_session(struct leaving *leaving,
                         const unsigned char digest[OPERATORS_DIGEST]);

#endif
