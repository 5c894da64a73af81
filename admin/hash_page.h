/* hash_page.h - a page of a Redis hash as the answer to a request, with `limit` and `cursor` of the query
 * (common/page.h, lua/members.lua).
 */
#ifndef ADMIN_HASH_PAGE_H
#define ADMIN_HASH_PAGE_H

#include <stdbool.h>

#include "common/http.h"
#include "common/json.h"
#include "common/metrics.h"
#include "common/reply.h"
#include "common/strbuf.h"

/* What the hash holds. */
struct hash_page_kind {
    const char *list; /* how it is called in the answer */
    bool with_count;  /* of all entries */
    /* Whether it can be the name of an entry; what is none is counted and left out. */
    bool (*is_name)(struct metrics *metrics, struct json_text name);
    /* Answers where the hash could not be read. */
    void (*failed)(struct http_request *req, int status, const redisReply *reply);
    /* Adds an entry as JSON. False: it is not told, and what was added does not count. */
    bool (*add)(struct strbuf *out, struct json_text name, struct json_text value);
};

struct hash_page;

/* NULL: the request was answered, as its query is wrong. */
struct hash_page *hash_page_open(struct http_request *req,
                                 const struct hash_page_kind *kind);

/* Gives up a page that is not sent. */
void hash_page_free(struct hash_page *page);

/* Sends the question in api.db.cmd, SCRIPT_MEMBERS with the hash as its one key, and answers the request. */
void hash_page_send(struct hash_page *page);

#endif
