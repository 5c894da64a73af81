/* fuzz_upgrade.c - any bytes into the upgrade parser.
 *
 * Beside what the sanitizers see: the verdict is one of the contract's, it does not
 * change when more bytes follow, and what it points to lies inside the input.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/strbuf.h"
#include "gateway/forwarded.h"
#include "gateway/origin.h"
#include "gateway/upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

static void require_inside(struct http_text text, const char *bytes, size_t len)
{
    if (!text.base)
        return;
    require(text.base >= bytes && text.base <= bytes + len);
    require(text.len <= (size_t)(bytes + len - text.base));
}

static void check_verdict(int verdict, size_t len)
{
    static const int verdicts[] = {0, 101, 400, 404, 405, 426, 431};
    size_t i = 0;

    while (verdicts[i] != verdict)
        require(++i < sizeof(verdicts) / sizeof(verdicts[0]));
    require(verdict != 0 || len < UPGRADE_MAX_BYTES);
}

/* Nobody who is trusted is found. */
static void check_forwarded(struct http_text lines)
{
    static struct networks trusted;
    struct address found;

    if (trusted.count == 0)
        require(!networks_parse(&trusted, "10.0.0.0/8,::1"));
    if (lines.base && forwarded_find(lines, &trusted, &found))
        require(!networks_have(&trusted, &found));
}

static void check_accepted(const char *bytes, size_t len,
                           const struct upgrade_request *req, size_t used)
{
    struct strbuf answer = {0};

    require(used <= len && used <= UPGRADE_MAX_BYTES);
    require(used >= 4 && memcmp(bytes + used - 4, "\r\n\r\n", 4) == 0);
    require(req->key.len == 24);
    require_inside(req->key, bytes, used);
    require_inside(req->origin, bytes, used);
    require_inside(req->host, bytes, used);
    require_inside(req->forwarded, bytes, used);
    require(req->host.len > 0);
    check_forwarded(req->forwarded);
    origin_is_allowed(req->origin, req->host, "same-host, https://a.example");
    upgrade_print_accept(&answer, req);
    strbuf_deinit(&answer);
}

/* The first `len` bytes alone, in memory that ends with them. */
static int parse_start(const char *bytes, size_t len, size_t *used)
{
    struct upgrade_request req;
    char *copy = malloc(len + 1);
    int verdict;

    memcpy(copy, bytes, len);
    verdict = upgrade_parse(copy, len, &req, used);
    check_verdict(verdict, len);
    if (verdict == 101)
        check_accepted(copy, len, &req, *used);
    free(copy);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    size_t used = 0, used_early = 0;
    int verdict = parse_start(bytes, size, &used);
    int early = parse_start(bytes, size ? size - 1 : 0, &used_early);

    require(early == 0 || (early == verdict && used == used_early));
    early = parse_start(bytes, size / 2, &used_early);
    require(early == 0 || (early == verdict && used == used_early));
    return 0;
}
