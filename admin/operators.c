/* operators.c - see operators.h.
 *
 *     operators_parse -> parse_line -> take_word -> add
 */
#include "admin/operators.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/digits.h"
#include "common/proto.h"
#include "common/rfc3339.h"
#include "common/xalloc.h"

static const char blanks[] = " \t";

/* The next word of a line; base NULL: there is none. */
static struct json_text take_word(struct json_text *rest)
{
    struct json_text word = {NULL, 0};

    while (rest->len > 0 && memchr(blanks, rest->base[0], strlen(blanks))) {
        rest->base++;
        rest->len--;
    }
    if (rest->len == 0)
        return word;
    word.base = rest->base;
    while (rest->len > 0 && !memchr(blanks, rest->base[0], strlen(blanks))) {
        rest->base++;
        rest->len--;
        word.len++;
    }
    return word;
}

static bool is_name(struct json_text word)
{
    return word.base && proto_is_name(word.base, word.len, OPERATORS_NAME_MAX) &&
           !memchr(word.base, ':', word.len);
}

static bool parse_digest(struct json_text word, unsigned char *out)
{
    if (word.len != 2 * (size_t)OPERATORS_DIGEST)
        return false;
    for (size_t i = 0; i < OPERATORS_DIGEST; i++) {
        int byte = digits_parse_hex(word.base + 2 * i, 2);

        if (byte < 0)
            return false;
        out[i] = (unsigned char)byte;
    }
    return true;
}

/* NULL, or what is wrong with the line. */
static const char *parse_entry(struct json_text line, struct operator_entry *entry)
{
    struct json_text name = take_word(&line), role = take_word(&line);
    struct json_text digest = take_word(&line), until = take_word(&line);

    if (!is_name(name))
        return "a name is 1 to 64 bytes of UTF-8 without control characters, {, } and "
               ":";
    if (!role.base || !role_parse(role, &entry->role))
        return "the second word must be viewer, moderator or admin";
    if (!digest.base || !parse_digest(digest, entry->digest))
        return "the third word must be the SHA-256 of a token, in 64 hex digits";
    if (until.base && !rfc3339_parse(until, &entry->until_ms))
        return "the fourth word must be a time such as 2027-01-31T00:00:00Z";
    if (take_word(&line).base)
        return "a line has four words at most";
    memcpy(entry->name, name.base, name.len);
    return NULL;
}

static const char *add(struct operators *operators, const struct operator_entry *entry)
{
    if (operators_find(operators, entry->digest))
        return "this token is in a line before";
    if (operators->count == OPERATORS_MAX)
        return "there are more than 1000 tokens";
    operators->all =
        xrealloc(operators->all, (operators->count + 1) * sizeof(*operators->all));
    operators->all[operators->count++] = *entry;
    return NULL;
}

static const char *parse_line(struct operators *operators, struct json_text line)
{
    struct operator_entry entry = {.role = ROLE_NONE};
    struct json_text rest = line, first = take_word(&rest);
    const char *why;

    if (!first.base || first.base[0] == '#')
        return NULL;
    why = parse_entry(line, &entry);
    return why ? why : add(operators, &entry);
}

unsigned operators_parse(struct operators *operators, const char *text,
                         const char **why)
{
    struct operators read = {NULL, 0};
    unsigned number = 0;

    *why = NULL;
    while (*text && !*why) {
        size_t len = strcspn(text, "\n"), end = len;

        number++;
        if (end > 0 && text[end - 1] == '\r')
            end--;
        *why = parse_line(&read, (struct json_text){text, end});
        text += len + (text[len] == '\n');
    }
    operators_deinit(*why ? &read : operators);
    if (*why)
        return number;
    *operators = read;
    return 0;
}

const struct operator_entry *
operators_find(const struct operators *operators,
               const unsigned char digest[OPERATORS_DIGEST])
{
    const struct operator_entry *found = NULL;

    for (size_t i = 0; i < operators->count; i++)
        if (CRYPTO_memcmp(digest, operators->all[i].digest, OPERATORS_DIGEST) == 0)
            found = &operators->all[i];
    return found;
}

void operators_deinit(struct operators *operators)
{
    free(operators->all);
    *operators = (struct operators){NULL, 0};
}
