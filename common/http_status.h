/* http_status.h - the statuses that are answered: their reason, and the code of their error object. */
#ifndef COMMON_HTTP_STATUS_H
#define COMMON_HTTP_STATUS_H

#include "common/strbuf.h"

/* Those of 500 for one that is not known. */
const char *http_status_reason(int status);
const char *http_status_code(int status);

/* The error object {"error":{"code","message"}}; both are plain ASCII without quotes. */
void http_status_print(struct strbuf *out, const char *code, const char *message);

#endif
