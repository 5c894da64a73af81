/* registry.h - how the admin service asks the registry of shard 0 for the fleet's policy. */
#ifndef ADMIN_REGISTRY_H
#define ADMIN_REGISTRY_H

#include "common/registry_calls.h"

struct api;

/* Their owner is a struct api. */
extern const struct registry_calls registry_calls;

/* Asks for a number of rc:policy, by its field's name. */
void registry_ask_rev(struct api *api, const char *name, redis_reply_fn on_reply,
                      void *data);

#endif
