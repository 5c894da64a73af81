/* http_request_line.h - the first line of an HTTP/1.1 request (RFC 9112, section 3), to the letter.
 * Pure; http_message.h uses it.
 */
#ifndef COMMON_HTTP_REQUEST_LINE_H
#define COMMON_HTTP_REQUEST_LINE_H

#include <stdbool.h>

#include "common/json.h"

/* All text is borrowed from the line. */
struct http_request_line {
    struct json_text method;
    struct json_text
        target;            /* without the host; empty for `*`; may begin without `/` */
    struct json_text host; /* of a target in absolute form; base NULL: it was none */
    bool is_version_0;     /* HTTP/1.0 */
    int status;            /* where it is refused: 400 or 505 */
    const char *why;       /* likewise; a literal in plain ASCII */
};

/* False: it is refused. */
bool http_request_line_parse(struct json_text line, struct http_request_line *out);

#endif
