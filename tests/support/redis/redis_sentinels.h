/* redis_sentinels.h - Sentinels of a test's own, on free ports of 127.0.0.1, that watch one master.
 *
 *     redis_sentinels_open(&sentinels, &(struct redis_sentinels_opts){.count = 3,
 *                                                                     .master_port = port});
 *     redis_sentinels_wait_well(&sentinels, 1);
 *     redis_cmd(redis_sentinels_port(&sentinels, 0), "SENTINEL FAILOVER mymaster");
 *
 * They are redis-server --sentinel. The master is called mymaster, and is down for them after a
 * second of silence.
 */
#ifndef TESTS_SUPPORT_REDIS_REDIS_SENTINELS_H
#define TESTS_SUPPORT_REDIS_REDIS_SENTINELS_H

#include "tests/support/redis/redis_server.h"

enum { REDIS_SENTINELS_MAX = 3 };

#define REDIS_SENTINELS_MASTER "mymaster"

/* All borrowed. */
struct redis_sentinels_opts {
    unsigned count; /* the quorum is half of them and one */
    int master_port;
    const char *lines; /* more for their configuration; NULL: none */
};

struct redis_sentinels {
    struct redis_server servers[REDIS_SENTINELS_MAX];
    unsigned count;
    char dir[64];
    char *confs[REDIS_SENTINELS_MAX];
};

void redis_sentinels_open(struct redis_sentinels *sentinels,
                          const struct redis_sentinels_opts *opts);
void redis_sentinels_close(struct redis_sentinels *sentinels);

int redis_sentinels_port(const struct redis_sentinels *sentinels, unsigned i);

/* Waits until each that runs knows all others, the master and so many replicas. */
void redis_sentinels_wait_well(struct redis_sentinels *sentinels, unsigned replicas);

/* The port of the master that a Sentinel names. */
int redis_sentinels_master_port(const struct redis_sentinels *sentinels, unsigned i);

/* "redis+sentinel://…/mymaster" with `login` ("", or "user:password@") and all of them; to be
 * freed. */
char *redis_sentinels_url(const struct redis_sentinels *sentinels, const char *scheme,
                          const char *login);

#endif
