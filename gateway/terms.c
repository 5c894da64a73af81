/* terms.c - see terms.h. */
#include "gateway/terms.h"

#include <string.h>

#include "common/digits.h"

static struct terms_seen *find(const struct terms *terms, struct token token)
{
    for (unsigned i = 0; i < terms->count; i++)
        if (token_equals(terms->seen[i].token, token))
            return (struct terms_seen *)&terms->seen[i];
    return NULL;
}

void terms_start(struct terms *terms, struct token token, uint64_t seq, uint64_t rev)
{
    *terms = (struct terms){.token = token};
    terms_see(terms, token, seq, rev);
}

void terms_see(struct terms *terms, struct token token, uint64_t seq, uint64_t rev)
{
    struct terms_seen *seen = find(terms, token);

    if (!token_is_known(token))
        return;
    if (!seen && terms->count == TERMS_SEEN_MAX) {
        terms->has_more = true;
        return;
    }
    if (!seen) {
        seen = &terms->seen[terms->count++];
        *seen = (struct terms_seen){.token = token};
    }
    seen->seq = seq > seen->seq ? seq : seen->seq;
    seen->rev = rev > seen->rev ? rev : seen->rev;
}

void terms_continue(struct terms *terms, struct token token, uint64_t rev)
{
    uint64_t seq = 0;

    for (unsigned i = 0; i < terms->count; i++)
        seq = terms->seen[i].seq > seq ? terms->seen[i].seq : seq;
    terms_start(terms, token, seq, rev);
}

bool terms_is_current(const struct terms *terms, struct token token)
{
    return !token_is_known(token) || !token_is_known(terms->token) ||
           token_equals(terms->token, token);
}

bool terms_take_doubt(struct terms *terms, struct token token)
{
    if (token_equals(terms->doubted, token))
        return false;
    terms->doubted = token;
    return true;
}

void terms_refute(struct terms *terms)
{
    terms->is_refuted = true;
}

/* ---- meta's terms ---- */

static struct json_text next_word(struct json_text *text, char end)
{
    const char *stop = text->len > 0 ? memchr(text->base, end, text->len) : NULL;
    struct json_text word = {text->base,
                             stop ? (size_t)(stop - text->base) : text->len};
    size_t used = word.len + (stop ? 1 : 0);

    text->base += used;
    text->len -= used;
    return word;
}

static bool take_number(struct json_text *entry, uint64_t *out)
{
    struct json_text word = next_word(entry, ' ');

    return digits_parse(word.base, word.len, UINT64_MAX, out);
}

/* False: it is no entry. */
static bool take_entry(struct json_text *entries, struct terms_seen *out)
{
    struct json_text entry = next_word(entries, ',');

    return take_number(&entry, &out->token.term) &&
           token_parse_home(next_word(&entry, ' '), &out->token.home) &&
           take_number(&entry, &out->seq) && take_number(&entry, &out->rev) &&
           entry.len == 0;
}

/* Where the server took over that came after the one of `token`. False: it is not told. */
static bool find_successor(struct json_text entries, struct token token,
                           struct terms_seen *out)
{
    struct terms_seen entry = {{0, 0}, 0, 0};

    while (entries.len > 0) {
        if (!take_entry(&entries, &entry))
            return false;
        if (token_equals(entry.token, token))
            return entries.len > 0 && take_entry(&entries, out);
    }
    return false;
}

static bool reaches(const struct terms_seen *there, const struct terms_seen *seen)
{
    return there->seq >= seen->seq && there->rev >= seen->rev;
}

bool terms_holds(const struct terms *terms, const struct terms *sent,
                 const struct terms_seen *answer, struct json_text entries)
{
    if (terms->is_refuted || terms->has_more)
        return false;
    for (unsigned i = 0; i < terms->count; i++) {
        const struct terms_seen *seen = &terms->seen[i];
        struct terms_seen successor;

        if (token_equals(seen->token, answer->token)) {
            /* What was seen since the sync was sent may be newer than its answer. */
            seen = find(sent, answer->token);
            if (seen && !reaches(answer, seen))
                return false;
        } else if (!find_successor(entries, seen->token, &successor) ||
                   !reaches(&successor, seen)) {
            return false;
        }
    }
    return true;
}
