/* hash_page.c - see hash_page.h.
 *
 *     hash_page_open -> hash_page_send -> on_page -> answer
 */
#include "admin/hash_page.h"

#include <stdlib.h>
#include <string.h>

#include "admin/api.h"
#include "common/page.h"
#include "common/xalloc.h"

struct hash_page {
    struct http_request *req;
    struct api *api;
    const struct hash_page_kind *kind;
    char *cursor;
    unsigned limit;
    struct strbuf out;
    size_t count;
};

void hash_page_free(struct hash_page *page)
{
    free(page->cursor);
    strbuf_deinit(&page->out);
    free(page);
}

static void add_entry(struct hash_page *page, struct json_text name,
                      struct json_text value)
{
    size_t len = page->out.len;

    strbuf_add_text(&page->out, page->count > 0 ? "," : "");
    if (page->kind->add(&page->out, name, value))
        page->count++;
    else
        page->out.len = len;
}

static bool is_name(const struct hash_page *page, struct json_text name)
{
    return page->kind->is_name(page->api->metrics, name);
}

/* The names of the reply that are some, each with its value. */
static struct json_text *collect(const struct hash_page *page, const redisReply *reply,
                                 size_t *total)
{
    struct json_text *pairs = xcalloc(reply_count(reply), sizeof(*pairs));

    *total = 0;
    for (size_t i = 2; i + 1 < reply_count(reply); i += 2) {
        if (!is_name(page, reply_text(reply, i)))
            continue;
        pairs[2 * *total] = reply_text(reply, i);
        pairs[2 * (*total)++ + 1] = reply_text(reply, i + 1);
    }
    return pairs;
}

/* `scan`: Redis's cursor behind these; NULL: they are all. */
static void answer(struct hash_page *page, const redisReply *reply, const char *scan)
{
    struct page cut = {
        .stride = 2,
        .cursor = {page->cursor, page->cursor ? strlen(page->cursor) : 0},
        .next = scan,
        .limit = page->limit};
    struct strbuf next = {NULL, 0, 0};
    size_t from, count;

    cut.names = collect(page, reply, &cut.total);
    count = page_cut(&cut, &from, &next);
    for (size_t i = from; i < from + count; i++)
        add_entry(page, cut.names[2 * i], cut.names[2 * i + 1]);
    strbuf_add_text(&page->out, "],");
    api_add_next(&page->out, next.data, next.len);
    if (page->kind->with_count)
        proto_add_number(&page->out, "count", reply_number(reply, 0));
    strbuf_add_char(&page->out, '}');
    api_reply(page->req, 200, &page->out);
    strbuf_deinit(&next);
    free(cut.names);
}

static void on_page(void *data, int status, const redisReply *reply)
{
    struct hash_page *page = data;
    char scan[REPLY_CURSOR_BYTES];

    if (status < 0 || !reply_is_array(reply, 2))
        page->kind->failed(page->req, status, reply);
    else if (reply_is_text(reply, 1, "all") || !reply_take_cursor(scan, reply, 1))
        answer(page, reply, NULL);
    else
        answer(page, reply, scan);
    hash_page_free(page);
}

void hash_page_send(struct hash_page *page)
{
    struct db *db = &page->api->db;
    struct json_text cursor = {page->cursor, page->cursor ? strlen(page->cursor) : 0};
    char *scan = page_scan_of(cursor);

    redis_command_add_text(&db->cmd, scan ? scan : "");
    redis_command_add_u64(&db->cmd, page->limit);
    redis_command_add_u64(&db->cmd, PAGE_EXACT_MAX);
    redis_command_add_u64(&db->cmd, 1); /* with the values */
    free(scan);
    db_send_script(db, SCRIPT_MEMBERS, on_page, page);
}

struct hash_page *hash_page_open(struct http_request *req,
                                 const struct hash_page_kind *kind)
{
    struct hash_page *page;
    unsigned limit;
    char *cursor;

    if (!api_take_limit(req, &limit) || !api_take_cursor(req, &cursor))
        return NULL;
    if (cursor && !page_is_cursor((struct json_text){cursor, strlen(cursor)})) {
        free(cursor);
        api_bad_request(req, "not a cursor that was given here");
        return NULL;
    }
    page = xcalloc(1, sizeof(*page));
    page->req = req;
    page->api = api_of(req);
    page->kind = kind;
    page->limit = limit;
    page->cursor = cursor;
    strbuf_add_format(&page->out, "{\"%s\":[", kind->list);
    return page;
}
