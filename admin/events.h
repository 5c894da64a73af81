/* events.h - what happens, told to those who listen (`GET /api/events`, server-sent
 * events), out of the events of the fleet (rc:events) and of each room that somebody listens to.
 */
#ifndef ADMIN_EVENTS_H
#define ADMIN_EVENTS_H

#include "admin/operators.h"

struct api;
struct events;

struct events *events_open(struct api *api);

/* Closes the links and the timer. Listeners end with their connections. */
void events_close(struct events *events);

/* Once the loop has ended. */
void events_free(struct events *events);

/* The fleet was read, or Redis was found away: tells listeners if that is news. */
void events_on_fleet(struct events *events);

/* Somebody has signed out: ends the streams of this session. */
void events_end_session(struct events *events,
                        const unsigned char digest[OPERATORS_DIGEST]);

#endif
