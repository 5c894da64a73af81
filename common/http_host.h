/* http_host.h - whether a text is a host with perhaps a port, as in Host or the authority of a
 * target (RFC 9112, section 3.2; RFC 3986, section 3.2). Pure. */
#ifndef COMMON_HTTP_HOST_H
#define COMMON_HTTP_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* `host`, `host:`, `host:port`, `[address]:port`; a port is at most 65535, `%` has two hex digits
 * after it. Empty is one, too: it stands for no host. */
bool http_host_is(const char *text, size_t len);

#endif
