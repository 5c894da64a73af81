/* fuzz_proxy_header.c - any bytes as the beginning of a connection with a header of the PROXY protocol.
 *
 * Beside what the sanitizers see: a verdict does not change when more bytes follow, a header is no longer
 * than its version allows, and more bytes are never asked for beyond that.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* The first `len` bytes alone, in memory that ends with them. */
static enum proxy_result parse_start(const uint8_t *data, size_t len,
                                     struct proxy_header *out)
{
    char *copy = malloc(len + (len == 0));
    enum proxy_result result;

    memcpy(copy, data, len);
    result = proxy_header_parse(copy, len, out);
    free(copy);
    require((result == PROXY_WHOLE) == (out->len > 0));
    require(out->len <= len);
    require(out->len <= (data[0] == 'P' ? PROXY_V1_BYTES_MAX : PROXY_V2_BYTES_MAX));
    require(!out->has_source || result == PROXY_WHOLE);
    require(result != PROXY_MORE || len < PROXY_V2_BYTES_MAX);
    return result;
}

static void check_print(const struct proxy_header *header)
{
    char text[ADDRESS_TEXT_MAX];
    struct address again;

    address_print(text, &header->source);
    require(address_parse(&again, text, strlen(text)));
    require(memcmp(&again, &header->source, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, early;
    enum proxy_result result;

    if (size == 0)
        return 0;
    result = parse_start(data, size, &whole);
    if (whole.has_source)
        check_print(&whole);
    for (size_t len = 0; len < size && len < PROXY_V2_BYTES_MAX; len++) {
        enum proxy_result start = parse_start(data, len, &early);

        require(start == PROXY_MORE || (start == result && early.len == whole.len));
    }
    return 0;
}
