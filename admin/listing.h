/* listing.h - a page of rooms that is put together for a request (`GET /api/rooms`), out of all
 * shards. Borrowed by the files that go through the indexes (listing_page.c, listing_search.c). */
#ifndef ADMIN_LISTING_H
#define ADMIN_LISTING_H

#include <locale.h>

#include "admin/api.h"
#include "admin/patience.h"

/* A room of the page: what is to be said of it. */
struct listing_room {
    struct listing *listing;
    unsigned shard;
    struct strbuf json; /* empty: it is no more */
};

struct listing {
    struct patience patience;
    void (*hurry)(struct listing *l);
    void (*stop)(struct listing *l);
    struct http_request *req;
    struct api *api;
    char kind; /* of the cursor: r, m or s */
    unsigned limit;
    char *cursor;
    struct strbuf search; /* folded; empty: it is no search */
    locale_t locale;
    struct listing_room *rooms; /* limit of them */
    unsigned found;
    size_t to_answer;
    unsigned asked[SHARD_OF_MAX]; /* rooms of each shard that are not answered */
    struct strbuf next;           /* empty for the end */
    uint64_t total;
    uint64_t missing; /* a bit a shard */
    bool is_answered, is_closed;
    bool has_failed;
    bool is_odd;        /* because an index is of a wrong type, */
    unsigned odd_shard; /* this one's */

    struct listing_page *page;        /* while the shards answer */
    struct listing_search *search_at; /* where it stands */
};

/* Begins one way or the other; the listing is freed once it was answered. */
void listing_start_page(struct listing *l);
void listing_start_search(struct listing *l);

/* For them, first: how long it may take begins. `hurry` gives up what holds it up, `stop` asks for nothing more. */
void listing_begin(struct listing *l, void (*hurry)(struct listing *l),
                   void (*stop)(struct listing *l));

/* Whether a cursor of this kind may be ours. */
bool listing_is_cursor(const char *cursor, char kind);

/* Adds a room to the page: asks what there is to say of it. */
void listing_add(struct listing *l, unsigned shard, struct json_text room);

/* A call to a shard's index has failed. */
void listing_note_failure(struct listing *l, unsigned shard, int status,
                          const redisReply *reply);

/* One of to_answer has come; the last one answers the request. */
void listing_answered(struct listing *l);

/* One that was not started. */
void listing_free(struct listing *l);

#endif
