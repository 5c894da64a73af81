/* proxy.h - a TCP connection that can be made bad: between a gateway and its Redis.
 *
 *     struct proxy *p = proxy_open(port, redis_port);
 *     proxy_set(p, PROXY_NOTICES, (struct proxy_weather){.bytes_per_s = 10000});
 *     proxy_cut(p, PROXY_ALL);
 *     proxy_close(p);
 *
 * It runs in a thread of its own. A gateway's two connections are told apart by the name
 * that they give to Redis.
 */
#ifndef TESTS_SUPPORT_FLEET_PROXY_H
#define TESTS_SUPPORT_FLEET_PROXY_H

#include <stdbool.h>

struct proxy;

enum proxy_which { PROXY_COMMANDS = 1, PROXY_NOTICES = 2, PROXY_ALL = 3 };

/* Zeroed: fair. */
struct proxy_weather {
    unsigned delay_ms;    /* of each byte, each way */
    unsigned bytes_per_s; /* each way; 0: as many as there are */
    bool is_half_open;    /* nothing passes, nothing ends, and nobody is let in */
    bool is_closed;       /* who comes is cut off as soon as it is known */
};

/* Listens on 127.0.0.1:`port` and passes everything on to 127.0.0.1:`to`. */
struct proxy *proxy_open(int port, int to);

/* What the connections of this kind go through from now on. */
void proxy_set(struct proxy *proxy, enum proxy_which which,
               struct proxy_weather weather);

/* Cuts the connections there are, on the gateway's side only: what is on its way to Redis
 * arrives there, and Redis takes the connection for alive. */
void proxy_cut(struct proxy *proxy, enum proxy_which which);

/* Whether `text` is on its way to Redis, and still here. */
bool proxy_holds(struct proxy *proxy, const char *text);

void proxy_close(struct proxy *proxy);

#endif
