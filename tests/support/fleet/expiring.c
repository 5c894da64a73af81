/* expiring.c - see expiring.h. */
#include "tests/support/fleet/expiring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "tests/support/fleet/chat.h"

enum { PATIENCE_MS = 60000 };

/* All commands that a Redis got, one a line. */
static void count_scripts(redisContext *monitor, unsigned of_room[EXPIRING_ROOMS])
{
    redisReply *line;

    redisSetTimeout(monitor, (struct timeval){.tv_usec = 100000});
    while (redisGetReply(monitor, (void **)&line) == REDIS_OK) {
        const char *at = line->str ? strstr(line->str, "\"room_expired\"") : NULL;

        for (; at && (at = strstr(at, "\"room-")); at++)
            of_room[atoi(at + strlen("\"room-"))]++;
        freeReplyObject(line);
    }
}

static struct chat *make_rooms(const struct expiring *expiring)
{
    struct chat *ann = chat_open(expiring->gateway_port);

    for (int i = 0; i < EXPIRING_ROOMS; i++) {
        char room[24];

        snprintf(room, sizeof(room), "room-%d", i);
        chat_join(ann, room, "ann");
    }
    return ann;
}

void expiring_expect_few_scripts(const struct expiring *expiring)
{
    unsigned of_room[EXPIRING_ROOMS] = {0}, taken = 0;
    redisContext *monitors[EXPIRING_PORTS_MAX];
    struct chat *ann = make_rooms(expiring);

    for (unsigned i = 0; i < expiring->ports_count; i++) {
        monitors[i] = redisConnect("127.0.0.1", expiring->ports[i]);
        assert_int_equal(monitors[i]->err, 0);
        freeReplyObject(redisCommand(monitors[i], "MONITOR"));
    }
    chat_abort(ann);
    assert_true(wait_until(expiring->is_unlisted, NULL, PATIENCE_MS));
    for (unsigned i = 0; i < expiring->ports_count; i++) {
        count_scripts(monitors[i], of_room);
        redisFree(monitors[i]);
    }
    for (int i = 0; i < EXPIRING_ROOMS; i++) {
        assert_in_range(of_room[i], 1, 3);
        taken += of_room[i];
    }
    print_message("    %u scripts named %d rooms\n", taken, EXPIRING_ROOMS);
}
