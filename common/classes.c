/* classes.c - see classes.h. */
#include "common/classes.h"

#include <stdlib.h>
#include <string.h>

#include "common/digits.h"
#include "common/grants.h"
#include "common/json_read.h"
#include "common/proto.h"
#include "common/xalloc.h"

enum { SHOWN_MAX = 64 }; /* bytes of a name that an answer shows */

/* ---- the fields ---- */

enum kind { RIGHTS, CREATE, NUMBER, MS, FLAG };

/* Sorted as SPEC-PUBLIC P5 has them. */
static const struct field {
    const char *name;
    enum kind kind;
    size_t offset;
    uint64_t min, max; /* of numbers; of MS in seconds */
} fields[] = {
#define FIELD(f) offsetof(struct class_rules, f)
    {"users", RIGHTS, FIELD(users), 0, 0},
    {"guests", RIGHTS, FIELD(guests), 0, 0},
    {"create", CREATE, FIELD(create), 0, 0},
    {"history", NUMBER, FIELD(history), 0, 10000},
    {"ttl_secs", MS, FIELD(ttl_ms), 1, 2592000},
    {"members_max", NUMBER, FIELD(members_max), 0, 1000000},
    {"presence", FLAG, FIELD(presence), 0, 0},
#undef FIELD
};

enum { FIELDS = sizeof(fields) / sizeof(fields[0]) };

static bool take_rights(unsigned *rights, struct json_text value)
{
    static const char *const words[] = {"", "r", "rw"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (json_read_is_string(value) && json_read_is(value, words[i]))
            return grants_parse_rights((struct json_text){words[i], strlen(words[i])},
                                       rights);
    return false;
}

static bool take_create(unsigned *right, struct json_text value)
{
    *right = json_read_is(value, "m") ? RIGHT_MODERATE : RIGHT_READ;
    return json_read_is_string(value) &&
           (json_read_is(value, "r") || json_read_is(value, "m"));
}

static bool take_number(uint64_t *out, const struct field *field,
                        struct json_text value)
{
    return digits_parse(value.base, value.len, field->max, out) && *out >= field->min;
}

static bool take_flag(bool *flag, struct json_text value)
{
    *flag = json_text_is(value, "true");
    return *flag || json_text_is(value, "false");
}

static bool take_value(struct class_rules *rules, const struct field *field,
                       struct json_text value)
{
    void *at = (char *)rules + field->offset;
    uint64_t number = 0;

    switch (field->kind) {
    case RIGHTS:
        return take_rights(at, value);
    case CREATE:
        return take_create(at, value);
    case NUMBER:
        if (!take_number(&number, field, value))
            return false;
        *(unsigned *)at = (unsigned)number;
        return true;
    case MS:
        if (!take_number(&number, field, value))
            return false;
        *(uint64_t *)at = 1000 * number;
        return true;
    case FLAG:
        return take_flag(at, value);
    }
    return false;
}

static void explain(struct strbuf *why, const struct field *field)
{
    strbuf_add_format(why, "%s must be ", field->name);
    switch (field->kind) {
    case RIGHTS:
        strbuf_add_text(why, "\"\", \"r\" or \"rw\"");
        break;
    case CREATE:
        strbuf_add_text(why, "\"r\" or \"m\"");
        break;
    case NUMBER:
    case MS:
        strbuf_add_format(why, "a whole number from %llu to %llu",
                          (unsigned long long)field->min,
                          (unsigned long long)field->max);
        break;
    case FLAG:
        strbuf_add_text(why, "true or false");
        break;
    }
}

/* Settings may have a fraction. */
static void print_secs(struct strbuf *out, uint64_t ms)
{
    strbuf_add_u64(out, ms / 1000);
    if (ms % 1000 > 0)
        strbuf_add_format(out, ".%03u", (unsigned)(ms % 1000));
}

static void print_value(struct strbuf *out, const struct class_rules *rules,
                        const struct field *field)
{
    const void *at = (const char *)rules + field->offset;

    switch (field->kind) {
    case RIGHTS:
        strbuf_add_format(out, "\"%s\"", grants_print_rights(*(const unsigned *)at));
        break;
    case CREATE:
        strbuf_add_text(out,
                        *(const unsigned *)at == RIGHT_MODERATE ? "\"m\"" : "\"r\"");
        break;
    case NUMBER:
        strbuf_add_u64(out, *(const unsigned *)at);
        break;
    case MS:
        print_secs(out, *(const uint64_t *)at);
        break;
    case FLAG:
        strbuf_add_text(out, *(const bool *)at ? "true" : "false");
        break;
    }
}

void class_rules_print(struct strbuf *out, const struct class_rules *rules)
{
    strbuf_add_char(out, '{');
    for (size_t i = 0; i < FIELDS; i++) {
        strbuf_add_format(out, "%s\"%s\":", i > 0 ? "," : "", fields[i].name);
        print_value(out, rules, &fields[i]);
    }
    strbuf_add_char(out, '}');
}

void class_rules_of_settings(struct class_rules *rules, const struct config *config)
{
    const char *letters = config->default_rights ? config->default_rights : "";
    bool is_on = config->auth && strcmp(config->auth, "jwt") == 0;

    *rules = (struct class_rules){
        .ttl_ms = (uint64_t)config->room_ttl_ms,
        .create = RIGHT_READ,
        .history = (unsigned)config->history_limit,
        .presence = true,
    };
    if (!is_on && !letters[0])
        letters = "rw";
    (void)grants_parse_rights((struct json_text){letters, strlen(letters)},
                              &rules->users); /* config has checked it */
}

/* ---- one class ---- */

/* A name that somebody has sent, not all of it where it is long. */
static void add_name(struct strbuf *why, struct json_text name)
{
    bool is_long = name.len > SHOWN_MAX;
    size_t len = is_long ? SHOWN_MAX : name.len;

    while (is_long && len > 0 && ((unsigned char)name.base[len] & 0xc0) == 0x80)
        len--;
    strbuf_add_char(why, '"');
    strbuf_add(why, name.base, len);
    strbuf_add_text(why, is_long ? "…\"" : "\"");
}

static const struct field *find_field(struct json_text name)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (json_text_is(name, fields[i].name))
            return &fields[i];
    return NULL;
}

static bool take_field(struct class_rules *rules, const struct json_member *member,
                       struct strbuf *why)
{
    struct strbuf text = {NULL, 0, 0};
    const struct field *field;
    struct json_text name;
    bool is_good;

    json_read_text(&text, member->key);
    name = (struct json_text){text.data ? text.data : "", text.len};
    field = find_field(name);
    is_good = field && take_value(rules, field, member->value);
    if (field && !is_good) {
        explain(why, field);
    } else if (!field) {
        add_name(why, name);
        strbuf_add_text(why, " is no field of a class");
    }
    strbuf_deinit(&text);
    return is_good;
}

static bool take_rules(struct class_rules *rules, struct json_text json,
                       struct strbuf *why)
{
    struct json_members members = {NULL, 0, 0, 0};
    bool is_class =
        json_scan(json.base, json.len, &members) == 0 && !json_read_has_twice(&members);

    if (!is_class)
        strbuf_add_text(why, "a class is one JSON object, each field of it once");
    for (size_t i = 0; i < members.count && is_class; i++)
        is_class = take_field(rules, &members.items[i], why);
    json_members_deinit(&members);
    return is_class;
}

static bool is_prefix(struct json_text prefix)
{
    return prefix.len == 0 || proto_is_name(prefix.base, prefix.len, PROTO_ROOM_MAX);
}

static struct class *new_class(struct json_text prefix, struct json_text json,
                               const struct class_rules *rules)
{
    struct strbuf text = {NULL, 0, 0};
    struct class *class;

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
    add_name(why, prefix);
    strbuf_add_text(why, ": ");
    if (!is_prefix(prefix)) {
        strbuf_add_text(why, "a prefix is at most 128 bytes of UTF-8 without control "
                             "characters, { and }");
        return false;
    }
    if (!take_rules(&rules, json, why))
        return false;
    why->len = 0;
    if (classes->count == classes->cap) {
        classes->cap = classes->cap > 0 ? 2 * classes->cap : 8;
        classes->all = xrealloc(classes->all, classes->cap * sizeof(struct class *));
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
    return compare_texts(class_prefix(*(struct class *const *)left),
                         class_prefix(*(struct class *const *)right));
}

static bool begins_with(struct json_text text, const struct class *class)
{
    return text.len >= class->prefix_len &&
           memcmp(text.base, class->bytes, class->prefix_len) == 0;
}

/* What it begins with stands before it, or is outside of what does. */
static const struct class *find_outer(const struct classes *classes, size_t i)
{
    const struct class *outer = i > 0 ? classes->all[i - 1] : NULL;

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
        qsort(classes->all, classes->count, sizeof(struct class *), compare);
    for (size_t i = 0; i < classes->count; i++) {
        if (i > 0 && compare(&classes->all[i - 1], &classes->all[i]) == 0) {
            strbuf_add_text(why, "class ");
            add_name(why, class_prefix(classes->all[i]));
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

const struct class *classes_find(const struct classes *classes, struct json_text room)
{
    size_t count = count_up_to(classes, room);
    const struct class *class = count > 0 ? classes->all[count - 1] : NULL;

    while (class && !begins_with(room, class))
        class = class->outer;
    return class;
}

const struct class *classes_get(const struct classes *classes, struct json_text prefix)
{
    const struct class *class = classes_find(classes, prefix);

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
