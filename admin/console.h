/* console.h - the web console: the files of a directory, read once at the start and served
 * from memory, so that no request touches the disk and no path leads anywhere else.
 *
 * Without an index.html there a placeholder page is served.
 */
#ifndef ADMIN_CONSOLE_H
#define ADMIN_CONSOLE_H

#include "common/config.h"
#include "common/http.h"
#include "common/map.h"
#include "common/strbuf.h"

struct console {
    const struct config *config;
    struct map files; /* path -> struct file */
};

/* Reads config->console_dir, or where that is empty what is installed with the program, or
 * frontend/dist. What cannot be read is logged and left out. */
void console_init(struct console *console, const struct config *config);
void console_deinit(struct console *console);

/* Answers a GET or HEAD: a file, the index for a path of the console's own (one without a
 * dot in its last segment), 404 for others; 405 for other methods. */
void console_serve(struct console *console, struct http_request *req);

/* Adds the addresses that the console's chat connects to, comma separated: the setting, or
 * port 9001 of the page's host. */
void console_add_ws_urls(struct strbuf *out, const struct config *config,
                         struct json_text host);

#endif
