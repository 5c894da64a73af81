/* enter_on.c - see enter_on.h. */
#include "tests/support/fleet/enter_on.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/redis/redis_cmd.h"

enum { TRIES_MAX = 400 };

/* As the name of its node tells. */
static int worker_of(const struct fleet *fleet, const char *room, const char *user)
{
    char members[256];
    redisReply *keys;
    int port, worker = -1;

    snprintf(members, sizeof(members), "rc:{%s}:members", room);
    port = redis_cmd_port_of(fleet->redis_port, members);
    keys = redis_cmd_reply(port, "KEYS rc:{%s}:on:*", room);
    for (size_t i = 0; i < keys->elements; i++)
        if (redis_cmd_number(port, "HEXISTS %s %s", keys->element[i]->str, user))
            worker = atoi(strrchr(keys->element[i]->str, '.') + 1);
    freeReplyObject(keys);
    return worker;
}

struct chat *enter_on(const struct fleet *fleet, unsigned gateway, int worker,
                      const char *room, const char *user)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        struct chat *chat = chat_enter(fleet->gateways[gateway].port, room, user);

        if (worker_of(fleet, room, user) == worker)
            return chat;
        chat_leave(chat, room);
        chat_close(chat);
    }
    fail_msg("no connection comes to worker %d", worker);
    return NULL;
}
