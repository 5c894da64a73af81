/* class_rules.c - see class_rules.h. A field is a row of the table. */
#include "common/class_rules.h"

#include <stddef.h>
#include <string.h>

#include "common/digits.h"
#include "common/grants.h"
#include "common/json_read.h"

enum { SHOWN_MAX = 64 }; /* bytes of a name that an answer shows */

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
    {"slow_secs", NUMBER, FIELD(slow_secs), 0, 3600},
    {"edit_secs", NUMBER, FIELD(edit_secs), 0, 315360000},
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

/* A name that somebody has sent, not all of it where it is long. */
void class_rules_add_name(struct strbuf *why, struct json_text name)
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
        class_rules_add_name(why, name);
        strbuf_add_text(why, " is no field of a class");
    }
    strbuf_deinit(&text);
    return is_good;
}

bool class_rules_take(struct class_rules *rules, struct json_text json,
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
