/* notice.c - see notice.h. */
#include "gateway/notice.h"

#include "common/digits.h"
#include "common/percent.h"
#include "common/proto.h"

static const char *const words[] = {
#define X(id, word, users, type) [id] = #word,
    NOTICES(X)
#undef X
};

static const enum notice_users whom_of[] = {
#define X(id, word, users, type) [id] = users,
    NOTICES(X)
#undef X
};

static const char *const types[] = {
#define X(id, word, users, type) [id] = type,
    NOTICES(X)
#undef X
};

/* ---- in ---- */

static struct json_text next_word(const char **at, const char *end)
{
    const char *first = *at;
    const char *space = memchr(first, ' ', (size_t)(end - first));

    *at = space ? space + 1 : end;
    return (struct json_text){first, (size_t)((space ? space : end) - first)};
}

static bool parse_number(struct json_text word, uint64_t *out)
{
    return digits_parse(word.base, word.len, UINT64_MAX, out);
}

static bool parse_kind(struct json_text word, enum notice_kind *out)
{
    for (int i = 0; i < NOTICE_KINDS; i++)
        if (word.len == strlen(words[i]) &&
            memcmp(word.base, words[i], word.len) == 0) {
            *out = (enum notice_kind)i;
            return true;
        }
    return false;
}

bool notice_parse(struct json_text text, struct notice *out)
{
    const char *line_end = memchr(text.base, '\n', text.len), *at = text.base;
    struct json_text version;

    if (!line_end)
        return false;
    version = next_word(&at, line_end);
    if (version.len != 1 || version.base[0] != '1')
        return false;
    out->epoch = next_word(&at, line_end);
    if (out->epoch.len != PROTO_EPOCH_LEN ||
        !parse_number(next_word(&at, line_end), &out->rev) ||
        !parse_kind(next_word(&at, line_end), &out->kind) ||
        !parse_number(next_word(&at, line_end), &out->first) ||
        !parse_number(next_word(&at, line_end), &out->last))
        return false;
    out->users = next_word(&at, line_end);
    out->lines =
        (struct json_text){line_end + 1, text.len - (size_t)(line_end + 1 - text.base)};
    return out->users.len > 0;
}

bool notice_take_users(char *text, size_t len, struct json_text *names, size_t count)
{
    char *at = text, *end = text + len;
    size_t taken = 0;

    while (at <= end && taken < count) {
        char *comma = memchr(at, ',', (size_t)(end - at)), *stop = comma ? comma : end;
        size_t name_len;

        if (percent_decode(at, (size_t)(stop - at), &name_len) < 0 ||
            !proto_is_name(at, name_len, PROTO_USER_MAX))
            return false;
        names[taken++] = (struct json_text){at, name_len};
        at = stop + 1;
    }
    return taken == count && at > end;
}

/* ---- what a kind has ---- */

size_t notice_count_users(enum notice_kind kind, size_t lines)
{
    return whom_of[kind] == NOTICE_OF_EACH  ? lines
           : whom_of[kind] == NOTICE_OF_ONE ? 1
                                            : 0;
}

bool notice_may_have(enum notice_kind kind, size_t lines)
{
    return lines == 1 || (lines == 2 && kind == NOTICE_KICKED) ||
           (lines > 0 && whom_of[kind] == NOTICE_OF_EACH);
}

const char *notice_type(enum notice_kind kind, size_t i)
{
    return types[kind == NOTICE_KICKED && i == 1 ? NOTICE_LEFT : kind];
}

/* ---- out ---- */

static void add_word(struct strbuf *out, const char *bytes, size_t len)
{
    strbuf_add(out, bytes, len);
    strbuf_add_char(out, ' ');
}

static void add_number(struct strbuf *out, uint64_t number)
{
    strbuf_add_u64(out, number);
    strbuf_add_char(out, ' ');
}

void notice_add_users(struct strbuf *out, const struct json_text *names, size_t count)
{
    if (count == 0)
        strbuf_add_char(out, '-');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            strbuf_add_char(out, ',');
        strbuf_add_percent(out, names[i].base, names[i].len);
    }
}

void notice_print(struct strbuf *out, const struct notice *notice,
                  const struct json_text *names, size_t count)
{
    add_word(out, "1", 1);
    add_word(out, notice->epoch.base, notice->epoch.len);
    add_number(out, notice->rev);
    add_word(out, words[notice->kind], strlen(words[notice->kind]));
    add_number(out, notice->first);
    add_number(out, notice->last);
    notice_add_users(out, names, count);
    strbuf_add_char(out, '\n');
    strbuf_add(out, notice->lines.base, notice->lines.len);
}
