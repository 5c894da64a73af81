/* fetch.h - HTTP from the loop: small answers, from https, or from http on loopback.
 *
 * Redirects of a GET are followed within the scheme, three at most; those of a POST, which may hold
 * secrets, are not. For http each address that is connected to
 * must be loopback, whatever DNS and redirects say. An answer has FETCH_BYTES_MAX and
 * FETCH_MS at most. The only module that includes libcurl.
 */
#ifndef ADMIN_FETCH_H
#define ADMIN_FETCH_H

#include <uv.h>

#include "common/json.h"
#include "common/strbuf.h"

enum { FETCH_BYTES_MAX = 256 * 1024, FETCH_MS = 10000 };

struct fetch;

/* Why there is no body that could be used. */
enum fetch_result { FETCH_OK, FETCH_UNREACHABLE, FETCH_STATUS, FETCH_TOO_LARGE };

/* Borrowed for the call. */
struct fetch_answer {
    enum fetch_result result;
    long status; /* 0: none came */
    struct json_text body;
    const char *why; /* for people; empty for FETCH_OK */
};

typedef void (*fetch_fn)(void *data, const struct fetch_answer *answer);

struct fetch *fetch_open(uv_loop_t *loop);

/* on_answer is called once, later; not after fetch_close. `url` is one for which https_url_is holds; copied. */
void fetch_get(struct fetch *fetch, const char *url, fetch_fn on_answer, void *data);

/* The same, with a body of application/x-www-form-urlencoded; `user`, NULL: without one, is "name:password" of
 * Authorization: Basic. All copied. */
void fetch_post(struct fetch *fetch, const char *url, const struct strbuf *body,
                const char *user, fetch_fn on_answer, void *data);

void fetch_close(struct fetch *fetch);

#endif
