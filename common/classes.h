/* classes.h - room classes (SPEC-PUBLIC P5): what holds in the rooms whose names begin with a prefix. Pure.
 *
 *     {"team/": {"users": "rw"}, "": {"guests": "r"}}
 *
 * The longest prefix that a room's name begins with counts; "" is that of all rooms. What its class leaves out, and
 * all of a room without a class, comes from the settings.
 */
#ifndef COMMON_CLASSES_H
#define COMMON_CLASSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/class_rules.h"
#include "common/json.h"
#include "common/strbuf.h"

enum { CLASSES_MAX = 1000 };

struct class_entry {
    struct class_rules rules;
    const struct class_entry
        *outer; /* of the next shorter prefix that this one begins with, or NULL */
    uint16_t prefix_len;
    uint32_t text_len;
    char bytes[]; /* the prefix, then the class's JSON without white space */
};

/* Zeroed is empty, but for `fallback`. */
struct classes {
    struct class_rules fallback;
    struct class_entry **all; /* by prefix, byte for byte */
    size_t count, cap;
};

void classes_init(struct classes *classes, const struct class_rules *fallback);
void classes_deinit(struct classes *classes);

/* Adds one; after the last classes_end, before which none is found. False: the prefix is no beginning of a room's
 * name, or `json` is no class; *why, for people, names the field. */
bool classes_add(struct classes *classes, struct json_text prefix,
                 struct json_text json, struct strbuf *why);

/* False: there are too many, or a prefix is there twice. */
bool classes_end(struct classes *classes, struct strbuf *why);

/* The same of a JSON object, prefix -> class, into `classes`, which classes_init has made. Deinit in any case. */
bool classes_parse(struct classes *classes, struct json_text json, struct strbuf *why);

/* The class of a room, or NULL. */
const struct class_entry *classes_find(const struct classes *classes,
                                       struct json_text room);

/* The class with just this prefix, or NULL. */
const struct class_entry *classes_get(const struct classes *classes,
                                      struct json_text prefix);

/* What holds in a room. */
static inline const struct class_rules *classes_rules(const struct classes *classes,
                                                      struct json_text room)
{
    const struct class_entry *class =
        classes->count > 0 ? classes_find(classes, room) : NULL;

    return class ? &class->rules : &classes->fallback;
}

static inline struct json_text class_prefix(const struct class_entry *class)
{
    return (struct json_text){class->bytes, class->prefix_len};
}

static inline struct json_text class_text(const struct class_entry *class)
{
    return (struct json_text){class->bytes + class->prefix_len, class->text_len};
}

/* Adds `{"team/":{…},…}`. */
void classes_print(struct strbuf *out, const struct classes *classes);

#endif
