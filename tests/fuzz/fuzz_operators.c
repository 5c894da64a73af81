/* fuzz_operators.c - any text as the file of ROOMCAST_ADMIN_TOKENS_FILE.
 *
 * What is taken are names, roles and digests that are each found again; what is refused names one of
 * the text's lines, and changes nothing.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "admin/operators.h"
#include "common/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static unsigned count_lines(const char *text)
{
    unsigned lines = 1;

    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static void check(const struct operators *operators, const struct operator_entry *entry)
{
    size_t len = strnlen(entry->name, sizeof(entry->name));

    require(proto_is_name(entry->name, len, OPERATORS_NAME_MAX));
    require(!strchr(entry->name, ':'));
    require(entry->role >= ROLE_VIEWER && entry->role <= ROLE_ADMIN);
    require(operators_find(operators, entry->digest) == entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct operators operators = {NULL, 0};
    struct strbuf text = {NULL, 0, 0};
    const char *why;
    unsigned line;

    strbuf_add(&text, data, size);
    line = operators_parse(&operators, text.data, &why);
    require(line <= count_lines(text.data));
    require((line > 0) == (why != NULL));
    require(line == 0 || operators.count == 0);
    for (size_t i = 0; i < operators.count; i++)
        check(&operators, &operators.all[i]);
    operators_deinit(&operators);
    strbuf_deinit(&text);
    return 0;
}
