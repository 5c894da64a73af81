/* classes.c - see classes.h. */
#include "common/classes.h"

#include <stdlib.h>
#include <string.h>

#include "common/json_read.h"
#include "common/proto.h"
#include "common/xalloc.h"

/* ---- one class ---- */

static bool is_prefix(struct json_text prefix)
{
    return prefix.len == 0 || proto_is_name(prefix.base, prefix.len, PROTO_ROOM_MAX);
}

static struct class_entry *new_class(struct json_text prefix, struct json_text json,
                                     const struct class_rules *rules)
{
    struct strbuf text = {NULL, 0, 0};
    struct class_entry *class;

    json_add_compact(&text, json);
    class = xcalloc(1, sizeof(*class) + prefix.len + text.len);
    class->rules = *rules;
    class->prefix_len = (uint16_t)prefix.len;
    class->text_len = (uint32_t)text.len;
    if (prefix.len > 0)
        memcpy(class->bytes, prefix.base, prefix.len);
    memcpy(class->bytes + prefix.len, text.data, text.len);
    strbuf_deinit(&text);
    return class;
}

bool classes_add(struct classes *classes, struct json_text prefix,
                 struct json_text json, struct strbuf *why)
{
    struct class_rules rules = classes->fallback;

    strbuf_add_text(why, "class ");
    class_rules_add_name(why, prefix);
    strbuf_add_text(why, ": ");
    if (!is_prefix(prefix)) {
        strbuf_add_text(why, "a prefix is at most 128 bytes of UTF-8 without control "
                             "characters, { and }");
        return false;
    }
    if (!class_rules_take(&rules, json, why))
        return false;
    why->len = 0;
    if (classes->count == classes->cap) {
        classes->cap = classes->cap > 0 ? 2 * classes->cap : 8;
        classes->all =
            xrealloc(classes->all, classes->cap * sizeof(struct class_entry *));
    }
    classes->all[classes->count++] = new_class(prefix, json, &rules);
    return true;
}

/* ---- all ---- */

void classes_init(struct classes *classes, const struct class_rules *fallback)
{
    *classes = (struct classes){.fallback = *fallback};
}

void classes_deinit(struct classes *classes)
{
    for (size_t i = 0; i < classes->count; i++)
        free(classes->all[i]);
    free(classes->all);
    classes->all = NULL;
    classes->count = classes->cap = 0;
}

static int compare_texts(struct json_text a, struct json_text b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.base, b.base, len) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *left, const void *right)
{
    return compare_texts(class_prefix(*(struct class_entry *const *)left),
                         class_prefix(*(struct class_entry *const *)right));
}

static bool begins_with(struct json_text text, const struct class_entry *class)
{
    return text.len >= class->prefix_len &&
           memcmp(text.base, class->bytes, class->prefix_len) == 0;
}

/* What it begins with stands before it, or is outside of what does. */
static const struct class_entry *find_outer(const struct classes *classes, size_t i)
{
    const struct class_entry *outer = i > 0 ? classes->all[i - 1] : NULL;

    while (outer && !begins_with(class_prefix(classes->all[i]), outer))
        outer = outer->outer;
    return outer;
}

bool classes_end(struct classes *classes, struct strbuf *why)
{
    if (classes->count > CLASSES_MAX) {
        strbuf_add_format(why, "there may be at most %d classes", CLASSES_MAX);
        return false;
    }
    if (classes->count > 0)
        qsort(classes->all, classes->count, sizeof(struct class_entry *), compare);
    for (size_t i = 0; i < classes->count; i++) {
        if (i > 0 && compare(&classes->all[i - 1], &classes->all[i]) == 0) {
            strbuf_add_text(why, "class ");
            class_rules_add_name(why, class_prefix(classes->all[i]));
            strbuf_add_text(why, ": it is there twice");
            return false;
        }
        classes->all[i]->outer = find_outer(classes, i);
    }
    return true;
}

static bool add_members(struct classes *classes, const struct json_members *members,
                        struct strbuf *why)
{
    struct strbuf prefix = {NULL, 0, 0};
    bool is_good = true;

    for (size_t i = 0; i < members->count && is_good; i++) {
        strbuf_reset(&prefix, 4096);
        json_read_text(&prefix, members->items[i].key);
        is_good = classes_add(
            classes, (struct json_text){prefix.data ? prefix.data : "", prefix.len},
            members->items[i].value, why);
    }
    strbuf_deinit(&prefix);
    return is_good;
}

bool classes_parse(struct classes *classes, struct json_text json, struct strbuf *why)
{
    struct json_members members = {NULL, 0, 0, 0};
    bool is_good = json_scan(json.base, json.len, &members) == 0;

    if (!is_good)
        strbuf_add_text(why, "the classes are one JSON object");
    is_good =
        is_good && add_members(classes, &members, why) && classes_end(classes, why);
    json_members_deinit(&members);
    return is_good;
}

/* ---- looking for one ---- */

/* How many are not after `text`. All that begin with a class's prefix stand behind it, with nothing else between. */
static size_t count_up_to(const struct classes *classes, struct json_text text)
{
    size_t low = 0, high = classes->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_texts(class_prefix(classes->all[middle]), text) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct class_entry *classes_find(const struct classes *classes,
                                       struct json_text room)
{
    size_t count = count_up_to(classes, room);
    const struct class_entry *class = count > 0 ? classes->all[count - 1] : NULL;

    while (class && !begins_with(room, class))
        class = class->outer;
    return class;
}

const struct class_entry *classes_get(const struct classes *classes,
                                      struct json_text prefix)
{
    const struct class_entry *class = classes_find(classes, prefix);

    return class && class->prefix_len == prefix.len ? class : NULL;
}

void classes_print(struct strbuf *out, const struct classes *classes)
{
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < classes->count; i++) {
        struct json_text prefix = class_prefix(classes->all[i]);
        struct json_text text = class_text(classes->all[i]);

        strbuf_add_text(out, i > 0 ? "," : "");
        strbuf_add_json(out, prefix.base, prefix.len);
        strbuf_add_char(out, ':');
        strbuf_add(out, text.base, text.len);
    }
    strbuf_add_char(out, '}');
}
