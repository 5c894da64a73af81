/* config_address.h - the addresses in settings, `host:port`, taken apart. Text in, parts out;
 * nothing is resolved.
 */
#ifndef COMMON_CONFIG_ADDRESS_H
#define COMMON_CONFIG_ADDRESS_H

/* `0.0.0.0:9001`, `[::]:9001`, `name:9001` -> host and port, both to be freed by the
 * caller. `default_port` is the port where none is given; NULL: one must be. 0 or UV_EINVAL. */
int config_split_address(const char *address, const char *default_port, char **host,
                         char **port) __attribute__((warn_unused_result));

#endif
