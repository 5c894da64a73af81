/* lines.c - see lines.h.
 *
 * What gateways write begins with the type and the room, and a message with its number behind
 * them, without white space; so those are compared as they stand, and only the rest is read.
 * A line in another order is taken apart.
 */
#include "gateway/lines.h"

#include <string.h>

static const char type_head[] = "{\"type\":\"";

enum { TYPE_HEAD = sizeof(type_head) - 1, NUMBER_HEAD = sizeof(",\"seq\":") - 1 };

/* `,"room":"R"`, as it stands in the head of a message. */
static struct json_text room_part(const struct room *room)
{
    size_t before = TYPE_HEAD + sizeof("message\"") - 1;

    return (struct json_text){room->message_head.data + before,
                              room->message_head.len - before - NUMBER_HEAD};
}

static inline bool take(struct json_text *rest, const char *bytes, size_t len)
{
    if (rest->len < len || memcmp(rest->base, bytes, len) != 0)
        return false;
    rest->base += len;
    rest->len -= len;
    return true;
}

/* The digits of `seq`. */
static bool take_number(struct json_text *rest, uint64_t seq)
{
    uint64_t number = 0;
    size_t i = 0;

    while (i < rest->len && i < 19 && rest->base[i] >= '0' && rest->base[i] <= '9')
        number = 10 * number + (uint64_t)(rest->base[i++] - '0');
    if (i == 0 || number != seq || (i > 1 && rest->base[0] == '0'))
        return false;
    rest->base += i;
    rest->len -= i;
    return true;
}

static bool is(struct json_text token, const char *bytes, size_t len)
{
    return token.len == len && memcmp(token.base, bytes, len) == 0;
}

/* The value of the only member of this name; base NULL: there is not just one. */
static struct json_text find(const struct json_members *members, const char *key)
{
    struct json_text found = {NULL, 0};

    for (size_t i = 0; i < members->count; i++) {
        struct json_text name = members->items[i].key;

        if (!is((struct json_text){name.base + 1, name.len - 2}, key, strlen(key)))
            continue;
        if (found.base)
            return (struct json_text){NULL, 0};
        found = members->items[i].value;
    }
    return found;
}

/* `seq` 0: it has no number. */
static bool is_about(const struct room *room, const struct json_members *members,
                     const char *type, uint64_t seq)
{
    struct json_text word = find(members, "type"), name = find(members, "room");
    struct json_text part = room_part(room), number = find(members, "seq");
    size_t key = sizeof(",\"room\":") - 1;

    return word.len == strlen(type) + 2 &&
           memcmp(word.base + 1, type, strlen(type)) == 0 && name.base &&
           is(name, part.base + key, part.len - key) &&
           (seq == 0 || (take_number(&number, seq) && number.len == 0));
}

/* Members in any order. */
static bool is_object(const struct room *room, const char *type, uint64_t seq,
                      struct json_text line)
{
    struct json_members members = {0};
    bool ok = json_is_line(line) && json_scan(line.base, line.len, &members) == 0 &&
              is_about(room, &members, type, seq);

    json_members_deinit(&members);
    return ok;
}

/* A string without anything odd in it, and its quotes. */
static bool take_plain(struct json_text *rest)
{
    size_t len = rest->len > 0 && rest->base[0] == '"'
                     ? 1 + strbuf_plain_len(rest->base + 1, rest->len - 1)
                     : rest->len;

    if (len >= rest->len || rest->base[len] != '"')
        return false;
    rest->base += len + 1;
    rest->len -= len + 1;
    return true;
}

/* Most messages: `,"user":"…","text":"…","ts":…}`, and no more. */
static bool is_usual_tail(struct json_text rest)
{
    size_t digits = 0;

    if (!take(&rest, ",\"user\":", 8) || !take_plain(&rest) ||
        !take(&rest, ",\"text\":", 8) || !take_plain(&rest) ||
        !take(&rest, ",\"ts\":", 6))
        return false;
    while (digits < rest.len && rest.base[digits] >= '0' && rest.base[digits] <= '9')
        digits++;
    return digits > 0 && digits + 1 == rest.len && rest.base[digits] == '}' &&
           (rest.base[0] != '0' || digits == 1);
}

bool lines_is_message(const struct room *room, uint64_t seq, struct json_text line)
{
    struct json_text rest = line;

    return (take(&rest, room->message_head.data, room->message_head.len) &&
            take_number(&rest, seq) && (is_usual_tail(rest) || json_is_rest(rest))) ||
           is_object(room, "message", seq, line);
}

bool lines_is_event(const struct room *room, const char *type, struct json_text line)
{
    struct json_text part = room_part(room), rest = line;

    return (take(&rest, type_head, TYPE_HEAD) && take(&rest, type, strlen(type)) &&
            take(&rest, "\"", 1) && take(&rest, part.base, part.len) &&
            json_is_rest(rest)) ||
           is_object(room, type, 0, line);
}
