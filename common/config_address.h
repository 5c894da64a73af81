/* config_address.h - the addresses in settings, taken apart: `host:port` and the URL of
 * a Redis. Text in, parts out; nothing is resolved.
 */
#ifndef COMMON_CONFIG_ADDRESS_H
#define COMMON_CONFIG_ADDRESS_H

/* `redis://[user:password@]host:port[/db]`, taken apart and percent-decoded. */
struct config_redis {
    char *host, *port;
    char *user, *password; /* NULL: none */
    int db;
};

/* Takes `url` apart into `redis` (zeroed by the caller). Returns NULL, or the reason why it
 * cannot (static, and without anything of the URL, which may hold a password). */
const char *config_parse_redis(struct config_redis *redis, const char *url)
    __attribute__((warn_unused_result));

/* Frees what parse made, also after it failed; may be called twice. */
void config_deinit_redis(struct config_redis *redis);

/* `0.0.0.0:9001`, `[::]:9001`, `name:9001` -> host and port, both to be freed by the
 * caller. 0 or UV_EINVAL. */
int config_split_address(const char *address, char **host, char **port)
    __attribute__((warn_unused_result));

#endif
