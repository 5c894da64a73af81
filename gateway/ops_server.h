/* ops_server.h - the gateway's port for operators: /metrics, /healthz, /readyz. */
#ifndef GATEWAY_OPS_SERVER_H
#define GATEWAY_OPS_SERVER_H

#include <uv.h>

#include "gateway/worker.h"

struct ops_server;

/* Serves on the bound socket `fd` (taken); `workers` is borrowed. */
struct ops_server *ops_server_open(uv_loop_t *loop, int fd, struct worker **workers,
                                   struct worker_shared *shared);

/* From now on /readyz is 503. */
void ops_server_drain(struct ops_server *server);

void ops_server_close(struct ops_server *server);
void ops_server_free(struct ops_server *server); /* once the loop has ended */

#endif
