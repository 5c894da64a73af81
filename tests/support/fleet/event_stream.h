/* event_stream.h - a listener of /api/events: curl -N, its output read as server-sent
 * events.
 *
 *     struct event_stream s = {0};
 *     event_stream_open(&s, &admin, "?room=lobby");
 *     event_stream_expect_text(&s, "room_opened", "room", "lobby");
 *     event_stream_close(&s);
 *
 * The last event stays until the next one is read.
 */
#ifndef TESTS_SUPPORT_FLEET_EVENT_STREAM_H
#define TESTS_SUPPORT_FLEET_EVENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/strbuf.h"
#include "tests/support/fleet/admin.h"
#include "tests/support/redis/process.h"

enum { EVENT_STREAM_DEADLINE_MS = 30000 };

/* Zeroed is closed. */
struct event_stream {
    struct process process;
    char path[256];     /* what curl writes to */
    struct strbuf read; /* all of it so far */
    size_t taken;       /* of that */
    unsigned comments;  /* seen on the way */
    char name[64];      /* of the last event */
    struct strbuf text; /* its data as it came */
    cJSON *data;        /* its data */
};

/* Starts to listen and waits until nothing is missed any more. The answer must be 200 and
 * text/event-stream. `query` is "" or begins with '?'. */
void event_stream_open(struct event_stream *s, struct admin *admin, const char *query);

/* Ends curl and frees. */
void event_stream_close(struct event_stream *s);

/* Reads the next event. False: the deadline is over, or the stream has ended. */
bool event_stream_next(struct event_stream *s, long deadline_ms);

/* The next event of this name; others are dropped. Fails if none comes. */
void event_stream_expect(struct event_stream *s, const char *name);

/* The next event of this name whose data has `text` at `path`. */
void event_stream_expect_text(struct event_stream *s, const char *name,
                              const char *path, const char *text);

/* Of the last event's data. */
const char *event_stream_get_text(const struct event_stream *s, const char *path);
double event_stream_get_number(const struct event_stream *s, const char *path);

#endif
