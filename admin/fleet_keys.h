/* fleet_keys.h - the keys of issuers, from the issuers into Redis (`keys` of rc:policy), from where gateways
 * have them (SPEC-PUBLIC P3).
 *
 * Each replica reads them by itself (issuers.h) and writes what has changed. Which issuers there are
 * says the replica that started last; the others write the keys of those. Where Redis lost them, or
 * went back to former ones, what was there last is put back. Without ROOMCAST_JWT_ISSUERS nothing of it is touched.
 */
#ifndef ADMIN_FLEET_KEYS_H
#define ADMIN_FLEET_KEYS_H

#include "common/json.h"
#include "common/strbuf.h"

struct api;
struct fleet_keys;

struct fleet_keys *fleet_keys_open(struct api *api);
void fleet_keys_close(struct fleet_keys *keys);

/* Once the loop has ended. */
void fleet_keys_free(struct fleet_keys *keys);

/* The fleet was read, or Redis was found away. */
void fleet_keys_on_fleet(struct fleet_keys *keys);

/* A gateway has met a key of this issuer that it does not know. */
void fleet_keys_want(struct fleet_keys *keys, struct json_text issuer);

/* Adds the JSON of /api/keys; the metrics. */
void fleet_keys_print(struct fleet_keys *keys, struct strbuf *out);
void fleet_keys_print_metrics(const struct fleet_keys *keys, struct strbuf *out);

#endif
