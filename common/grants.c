/* grants.c - see grants.h. A set is one block: the entries, sorted by pattern, then their texts. */
#include "common/grants.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_read.h"
#include "common/proto.h"
#include "common/xalloc.h"

struct grant {
    uint16_t at, len; /* of the pattern, without its `*`, in `text` */
    bool is_beginning;
    uint8_t rights;
};

struct grants {
    struct grants_table *table;
    unsigned refs;
    uint16_t count;
    size_t key_len; /* of what it is found by: entries and texts */
    struct grant all[];
};

/* What is read, until it is known whether the worker has it. */
struct draft {
    struct json_members members;
    struct strbuf text;
    struct grant all[GRANTS_MAX];
    unsigned count;
};

static _Thread_local const char *sorted_text; /* qsort has no argument for it */

bool grants_parse_rights(struct json_text letters, unsigned *rights)
{
    *rights = 0;
    for (size_t i = 0; i < letters.len; i++)
        switch (letters.base[i]) {
        case 'r':
            *rights |= RIGHT_READ;
            break;
        case 'w':
            *rights |= RIGHT_WRITE;
            break;
        case 'm':
            *rights |= RIGHT_READ | RIGHT_WRITE | RIGHT_MODERATE;
            break;
        default:
            return false;
        }
    return true;
}

const char *grants_print_rights(unsigned rights)
{
    if (!(rights & RIGHT_READ))
        return "";
    if (rights & RIGHT_MODERATE)
        return "rwm";
    return rights & RIGHT_WRITE ? "rw" : "r";
}

/* ---- reading ---- */

static const char *text_of(const struct grants *grants)
{
    return (const char *)(grants->all + grants->count);
}

static int compare_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len;
    int order = memcmp(a, b, len);

    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare(const void *left, const void *right)
{
    const struct grant *a = left, *b = right;
    int order = compare_text(sorted_text + a->at, a->len, sorted_text + b->at, b->len);

    return order ? order : a->is_beginning - b->is_beginning;
}

static bool read_rights(struct draft *draft, struct json_text value,
                        struct grant *grant)
{
    size_t at = draft->text.len;
    struct json_text letters;
    unsigned rights;

    if (!json_read_is_string(value))
        return false;
    json_read_text(&draft->text, value);
    letters = (struct json_text){draft->text.data + at, draft->text.len - at};
    if (!grants_parse_rights(letters, &rights))
        return false;
    draft->text.len = at;
    grant->rights = (uint8_t)rights;
    return true;
}

/* The `*` is taken off; alone it is the beginning of all names. */
static bool read_pattern(struct draft *draft, struct json_text key, struct grant *grant)
{
    size_t at = draft->text.len, len;

    json_read_text(&draft->text, key);
    len = draft->text.len - at;
    grant->is_beginning = len > 0 && draft->text.data[draft->text.len - 1] == '*';
    if (grant->is_beginning)
        len--;
    draft->text.len = at + len;
    grant->at = (uint16_t)at;
    grant->len = (uint16_t)len;
    return (len == 0 && grant->is_beginning) ||
           proto_is_name(draft->text.data + at, len, PROTO_ROOM_MAX);
}

/* A key twice, in whichever way it is written. */
static bool has_twice(const struct draft *draft)
{
    for (unsigned i = 1; i < draft->count; i++)
        if (compare(&draft->all[i - 1], &draft->all[i]) == 0)
            return true;
    return false;
}

static bool read_draft(struct draft *draft, struct json_text rooms)
{
    if (rooms.len > UINT16_MAX ||
        json_scan(rooms.base, rooms.len, &draft->members) < 0 ||
        draft->members.count > GRANTS_MAX)
        return false;
    strbuf_reserve(&draft->text, 1);
    for (size_t i = 0; i < draft->members.count; i++) {
        const struct json_member *member = &draft->members.items[i];
        struct grant *grant = &draft->all[draft->count++];

        *grant = (struct grant){0};
        if (!read_rights(draft, member->value, grant) ||
            !read_pattern(draft, member->key, grant))
            return false;
    }
    sorted_text = draft->text.data;
    qsort(draft->all, draft->count, sizeof(draft->all[0]), compare);
    return !has_twice(draft);
}

/* ---- sets ---- */

static size_t entries_bytes(unsigned count)
{
    return count * sizeof(struct grant);
}

/* The texts are put in the order of the entries: equal sets have equal bytes. */
static struct grants *make(struct grants_table *table, const struct draft *draft)
{
    size_t head = sizeof(struct grants) + entries_bytes(draft->count);
    struct grants *set = xcalloc(1, head + draft->text.len);
    char *text = (char *)set + head;
    uint16_t at = 0;

    set->table = table;
    set->refs = 1;
    set->count = (uint16_t)draft->count;
    set->key_len = entries_bytes(draft->count) + draft->text.len;
    for (unsigned i = 0; i < draft->count; i++) {
        struct grant *grant = &set->all[i];

        *grant = draft->all[i];
        memcpy(text + at, draft->text.data + grant->at, grant->len);
        grant->at = at;
        at = (uint16_t)(at + grant->len);
    }
    return set;
}

struct grants *grants_get(struct grants_table *table, struct json_text rooms)
{
    struct draft *draft = xcalloc(1, sizeof(*draft));
    struct grants *set = NULL, *found;

    if (read_draft(draft, rooms)) {
        set = make(table, draft);
        found = map_find(&table->sets, (const char *)set->all, set->key_len);
        if (found) {
            free(set);
            set = found;
            set->refs++;
        } else {
            map_add(&table->sets, (const char *)set->all, set->key_len, set);
        }
    }
    json_members_deinit(&draft->members);
    strbuf_deinit(&draft->text);
    free(draft);
    return set;
}

void grants_unref(struct grants *grants)
{
    if (!grants || --grants->refs > 0)
        return;
    map_remove(&grants->table->sets, (const char *)grants->all, grants->key_len);
    free(grants);
}

void grants_table_deinit(struct grants_table *table)
{
    assert(table->sets.count == 0);
    map_deinit(&table->sets);
}

/* ---- looking up ---- */

static bool fits(const struct grants *grants, const struct grant *grant,
                 struct json_text room)
{
    return (grant->is_beginning ? grant->len <= room.len : grant->len == room.len) &&
           memcmp(text_of(grants) + grant->at, room.base, grant->len) == 0;
}

int grants_find(const struct grants *grants, struct json_text room)
{
    const struct grant *best = NULL;

    for (unsigned i = 0; grants && i < grants->count; i++) {
        const struct grant *grant = &grants->all[i];

        if (!fits(grants, grant, room))
            continue;
        if (!grant->is_beginning)
            return grant->rights;
        if (!best || grant->len > best->len)
            best = grant;
    }
    return best ? best->rights : GRANTS_NONE;
}
