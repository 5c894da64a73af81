/* notice.c - see notice.h. */
#include "common/notice.h"

#include <stdlib.h>

#include "common/digits.h"
#include "common/percent.h"
#include "common/proto.h"
#include "common/xalloc.h"

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
    struct json_text version, token;

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
    token = next_word(&at, line_end);
    if (!token_parse(token, &out->token) && token.len > 0 &&
        (token.len != 1 || token.base[0] != '-'))
        return false;
    out->text = text;
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
    if (kind == NOTICE_REMADE)
        return lines == 0;
    return lines == 1 || (lines == 2 && kind == NOTICE_KICKED) ||
           (lines > 0 && (kind == NOTICE_MESSAGE || whom_of[kind] == NOTICE_OF_EACH));
}

const char *notice_type(enum notice_kind kind, size_t i)
{
    return types[kind == NOTICE_KICKED && i == 1 ? NOTICE_LEFT : kind];
}

/* ---- what stands under the header ---- */

static size_t count_lines(struct json_text lines)
{
    size_t count = lines.len > 0;

    for (size_t i = 0; i < lines.len; i++)
        count += lines.base[i] == '\n';
    return count;
}

void notice_body_deinit(struct notice_body *body)
{
    free(body->names);
    free(body->text);
    *body = (struct notice_body){0};
}

bool notice_take_body(const struct notice *notice, struct notice_body *out)
{
    struct json_text users = notice->users;

    *out = (struct notice_body){.lines_count = count_lines(notice->lines)};
    out->names_count = notice_count_users(notice->kind, out->lines_count);
    if (!notice_may_have(notice->kind, out->lines_count))
        return false;
    if (out->names_count == 0)
        return true;
    out->text = xmemdup(users.base, users.len);
    out->names = xcalloc(out->names_count, sizeof(*out->names));
    if (notice_take_users(out->text, users.len, out->names, out->names_count))
        return true;
    notice_body_deinit(out);
    return false;
}

/* Whether the numbers of the header are those of as many lines. */
static bool are_numbers(const struct notice *notice, size_t lines)
{
    bool has_numbers = notice->kind == NOTICE_MESSAGE || notice_is_change(notice);

    return !has_numbers || (notice->first > 0 && notice->last >= notice->first &&
                            notice->last - notice->first == lines - 1);
}

static bool is_line(const struct notice *notice, const struct notice_body *body,
                    struct json_text head, size_t i, struct json_text line)
{
    struct lines_event event = {.type = notice_type(notice->kind, i)};

    if (notice->kind == NOTICE_MESSAGE)
        return lines_is_message(head, notice->first + i, line);
    if (notice_is_change(notice))
        event.seq = notice->first;
    if (body->names_count > 0)
        event.user = body->names[body->names_count > 1 ? i : 0];
    return lines_is_event(head, &event, line);
}

bool notice_check(const struct notice *notice, struct json_text head,
                  struct notice_body *out)
{
    const char *at = notice->lines.base, *end = at + notice->lines.len;

    bool ok = notice_take_body(notice, out) && are_numbers(notice, out->lines_count);

    for (size_t i = 0; ok && i < out->lines_count; i++) {
        const char *stop = notice_line_end(at, end);

        ok = is_line(notice, out, head, i, (struct json_text){at, (size_t)(stop - at)});
        at = stop + 1;
    }
    if (!ok)
        notice_body_deinit(out);
    return ok;
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
    if (token_is_known(notice->token))
        strbuf_add_format(out, " %llu.%016llx\n",
                          (unsigned long long)notice->token.term,
                          (unsigned long long)notice->token.home);
    else
        strbuf_add_text(out, " -\n");
    strbuf_add(out, notice->lines.base, notice->lines.len);
}
