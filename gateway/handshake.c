/* handshake.c - see handshake.h. */
#include "gateway/handshake.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "gateway/origin.h"

void handshake_deinit(struct handshake *handshake)
{
    if (!handshake->head)
        return;
    strbuf_deinit(handshake->head);
    free(handshake->head);
    handshake->head = NULL;
}

/* Whether the head is looked at now: not with each byte of a long line, but with each line, and
 * when it has doubled, or nearly so; with each byte where a header of the PROXY protocol may end. */
static bool is_worth_parsing(size_t before, size_t len, const char *bytes, size_t more,
                             const struct config *config)
{
    return (config->proxy_protocol && before < PROXY_V2_BYTES_MAX) ||
           memchr(bytes, '\n', more) || (len ^ before) >= before ||
           len >= UPGRADE_MAX_BYTES;
}

static int check(const struct upgrade_request *req, const struct config *config,
                 bool is_full)
{
    if (is_full)
        return 503;
    return origin_is_allowed(req->origin, req->host, config->allowed_origins) ? 101
                                                                              : 403;
}

/* Fills in what the `len` bytes since the beginning say. */
static void parse(struct handshake_verdict *verdict, const char *bytes, size_t len,
                  const struct config *config)
{
    size_t used = 0;

    if (config->proxy_protocol) {
        enum proxy_result result = proxy_header_parse(bytes, len, &verdict->proxy);

        if (result != PROXY_WHOLE) {
            verdict->status = result == PROXY_MORE ? 0 : HANDSHAKE_DROPPED;
            return;
        }
    }
    bytes += verdict->proxy.len;
    len -= verdict->proxy.len;
    verdict->status = upgrade_parse(bytes, len, &verdict->req, &used);
    verdict->rest = bytes + used;
    verdict->rest_len = len - used;
}

struct handshake_verdict handshake_take(struct handshake *handshake, const char *bytes,
                                        size_t len, const struct config *config,
                                        bool is_full)
{
    struct handshake_verdict verdict = {.status = 0};
    struct strbuf *head = handshake->head;

    if (head) {
        size_t before = head->len;

        strbuf_add(head, bytes, len);
        if (!is_worth_parsing(before, head->len, bytes, len, config))
            return verdict;
        bytes = head->data;
        len = head->len;
    }
    parse(&verdict, bytes, len, config);
    if (verdict.status == 0 && !head) {
        handshake->head = xcalloc(1, sizeof(*handshake->head));
        strbuf_add(handshake->head, bytes, len);
    }
    if (verdict.status == 101)
        verdict.status = check(&verdict.req, config, is_full);
    return verdict;
}

/* ---- refusals ---- */

static void print_what_to_set(struct strbuf *text, const struct upgrade_request *req)
{
    static struct log_limit lines = {.per_sec = 1};
    const char *origin = log_name(req->origin.base, req->origin.len);
    const char *host = log_name(req->host.base, req->host.len);

    log_limited(LOG_WARN, &lines, "origin_refused",
                "origin=%s host=%s setting=ROOMCAST_ALLOWED_ORIGINS", origin, host);
    strbuf_add_format(text,
                      "Origin \"%s\" may not connect to Host \"%s\": "
                      "ROOMCAST_ALLOWED_ORIGINS does not allow it.\n",
                      origin, host);
}

static enum upgrade_refusal refusal_of(int status)
{
    static const int statuses[] = {
#define X(id, status) [id] = status,
        UPGRADE_REFUSALS(X)
#undef X
    };
    unsigned refusal = 0;

    while (statuses[refusal] != status) {
        refusal++;
        assert(refusal < UPGRADE_REFUSALS_COUNT);
    }
    return (enum upgrade_refusal)refusal;
}

void handshake_print_refusal(struct strbuf *out, int status,
                             const struct upgrade_request *req, struct metrics *metrics)
{
    struct strbuf text = {NULL, 0, 0};

    metric_add(&metrics->refused_upgrades_total[refusal_of(status)], 1);
    if (status == 403)
        print_what_to_set(&text, req);
    if (status == 400 && req && req->has_token_in_url) {
        metric_add(&metrics->refused_connects_total[REFUSED_TOKEN_IN_URL], 1);
        strbuf_add_text(&text,
                        "A token does not belong into a URL: send it as the first "
                        "message, or as Authorization: Bearer.\n");
    }
    upgrade_print_refusal(out, status, text.data);
    strbuf_deinit(&text);
}
