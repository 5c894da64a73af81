/* lines.c - see lines.h.
 *
 * What gateways write begins with the type and the room, and a message with its number behind
 * them, without white space; so those are compared as they stand. Most messages end as
 * expected, too. All else is taken member by member, as are lines in another order: of two
 * members of one name, clients would believe the last.
 */
#include "common/lines.h"

#include <string.h>

#include "common/proto.h"

static const char type_head[] = "{\"type\":\"";

enum { TYPE_HEAD = sizeof(type_head) - 1, NUMBER_HEAD = sizeof(",\"seq\":") - 1 };

enum field {
    FIELD_TYPE,
    FIELD_ROOM,
    FIELD_SEQ,
    FIELD_USER,
    FIELD_TEXT,
    FIELD_TS,
    FIELD_DELETED,
    FIELD_MEMBERS,
    FIELD_REASON,
    FIELD_KIND,
    FIELD_DATA,
    FIELD_EDITED_AT,
    FIELD_REV,
    FIELDS, /* one that the line may have, but nobody looks at */
};

static const struct {
    const char *key;
    size_t len;
} fields[] = {
    [FIELD_TYPE] = {"\"type\"", 6},       [FIELD_ROOM] = {"\"room\"", 6},
    [FIELD_SEQ] = {"\"seq\"", 5},         [FIELD_USER] = {"\"user\"", 6},
    [FIELD_TEXT] = {"\"text\"", 6},       [FIELD_TS] = {"\"ts\"", 4},
    [FIELD_DELETED] = {"\"deleted\"", 9}, [FIELD_MEMBERS] = {"\"members\"", 9},
    [FIELD_REASON] = {"\"reason\"", 8},   [FIELD_KIND] = {"\"kind\"", 6},
    [FIELD_DATA] = {"\"data\"", 6},       [FIELD_EDITED_AT] = {"\"edited_at\"", 11},
    [FIELD_REV] = {"\"rev\"", 5},
};

#define BIT(field) (1u << (field))

/* What each event must have besides its type and room. */
static const struct {
    const char *type;
    unsigned fields;
} needs[] = {
    {"member_joined", BIT(FIELD_USER) | BIT(FIELD_MEMBERS)},
    {"member_left", BIT(FIELD_USER) | BIT(FIELD_MEMBERS) | BIT(FIELD_REASON)},
    {"signal", BIT(FIELD_USER) | BIT(FIELD_KIND) | BIT(FIELD_DATA)},
    {"kicked", BIT(FIELD_REASON)},
    {"room_closed", BIT(FIELD_REASON)},
    {"message_deleted", BIT(FIELD_SEQ)},
    {"message_edited", BIT(FIELD_SEQ) | BIT(FIELD_USER) | BIT(FIELD_TEXT) |
                           BIT(FIELD_EDITED_AT) | BIT(FIELD_REV)},
};

/* What a line must be. `head.base` NULL: of any room. */
struct wanted {
    struct json_text head;
    struct lines_event event;
    unsigned needed; /* fields */
};

/* `,"room":"R"`, as it stands in the head of a message. */
static struct json_text room_part(struct json_text head)
{
    size_t before = TYPE_HEAD + sizeof("message\"") - 1;

    return (struct json_text){head.base + before, head.len - before - NUMBER_HEAD};
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

/* ---- member by member ---- */

static bool is_string(struct json_text token)
{
    return token.base[0] == '"';
}

static bool is_whole(struct json_text token)
{
    for (size_t i = 0; i < token.len; i++)
        if (token.base[i] < '0' || token.base[i] > '9')
            return false;
    return true; /* as JSON has it, it does not begin with a 0 */
}

/* Of what a name may hold, only these are ever written with a backslash. */
static bool take_escaped(struct json_text *text, char name[PROTO_ROOM_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < text->len; i++) {
        if (text->base[i] == '\\' && !memchr("\"\\/", text->base[++i], 3))
            return false;
        if (len == PROTO_ROOM_MAX)
            return false;
        name[len++] = text->base[i];
    }
    *text = (struct json_text){name, len};
    return true;
}

/* A name of at most `max` bytes: this one, if `name.base` is not NULL. */
static bool is_name(struct json_text token, size_t max, struct json_text name)
{
    struct json_text text = {token.base + 1, token.len - 2};
    char bytes[PROTO_ROOM_MAX];

    if (!is_string(token) ||
        (memchr(text.base, '\\', text.len) && !take_escaped(&text, bytes)))
        return false;
    return name.base ? is(text, name.base, name.len)
                     : proto_is_name(text.base, text.len, max);
}

static bool is_room(struct json_text head, struct json_text token)
{
    struct json_text part;
    size_t key = sizeof(",\"room\":") - 1;

    if (!head.base)
        return is_name(token, PROTO_ROOM_MAX, (struct json_text){NULL, 0});
    part = room_part(head);
    return is(token, part.base + key, part.len - key);
}

static bool is_type(const char *type, struct json_text token)
{
    size_t len = strlen(type);

    return is_string(token) && token.len == len + 2 &&
           memcmp(token.base + 1, type, len) == 0;
}

static bool is_value(const struct wanted *wanted, enum field field,
                     struct json_text value)
{
    const struct lines_event *event = &wanted->event;

    switch (field) {
    case FIELD_TYPE:
        return is_type(event->type, value);
    case FIELD_ROOM:
        return is_room(wanted->head, value);
    case FIELD_SEQ:
        return event->seq > 0 ? take_number(&value, event->seq) && value.len == 0
                              : is_whole(value);
    case FIELD_USER:
        return is_name(value, PROTO_USER_MAX, event->user);
    case FIELD_TEXT:
    case FIELD_REASON:
    case FIELD_KIND:
        return is_string(value);
    case FIELD_TS:
    case FIELD_MEMBERS:
    case FIELD_EDITED_AT:
    case FIELD_REV:
        return is_whole(value);
    case FIELD_DELETED:
        return is(value, "true", 4);
    case FIELD_DATA:
    case FIELDS:
        break;
    }
    return true;
}

static enum field field_of(struct json_text key)
{
    enum field field = FIELD_TYPE;

    while (field < FIELDS && !is(key, fields[field].key, fields[field].len))
        field++;
    return field;
}

/* A message that was deleted has neither an author nor a text any more. */
static bool has_needed(const struct wanted *wanted, unsigned seen)
{
    unsigned needed = wanted->needed;

    if (seen & BIT(FIELD_DELETED))
        needed &= ~(BIT(FIELD_USER) | BIT(FIELD_TEXT));
    return (seen & needed) == needed;
}

/* Whether the rest of a line is right, of which the fields `seen` were; `before` as for
 * json_take_member. A key with a backslash in it may be any key. */
static bool is_right(const struct wanted *wanted, struct json_text rest, char before,
                     unsigned seen)
{
    struct json_member member;

    for (; json_take_member(&rest, before, &member); before = ',') {
        enum field field = field_of(member.key);

        if (field == FIELDS && memchr(member.key.base, '\\', member.key.len))
            return false;
        if (field == FIELDS)
            continue;
        if (seen & BIT(field) || !is_value(wanted, field, member.value))
            return false;
        seen |= BIT(field);
    }
    return json_is_end(rest) && has_needed(wanted, seen);
}

/* ---- as gateways write them ---- */

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

/* Whether it is a name without odd characters: none from `{` on, of those in ASCII. Looks at
 * eight bytes at a time, also at some of those behind the name. */
static inline bool is_usual_name(const char *name, size_t len)
{
    uint64_t odd = 0;

    for (size_t i = 0; i < len; i += 8) {
        uint64_t bytes;

        memcpy(&bytes, name + i, 8);
        odd |= bytes + 0x0505050505050505u; /* `{` and 5 is 128 */
    }
    return len > 0 && len <= PROTO_USER_MAX && (odd & 0x8080808080808080u) == 0;
}

/* The last member's number, and the brace. */
static inline bool is_usual_end(struct json_text rest)
{
    const char *at = rest.base, *brace;

    if (rest.len < 2 || (*at == '0' && rest.len > 2))
        return false;
    brace = at + rest.len - 1;
    for (; at < brace; at++)
        if ((unsigned char)(*at - '0') > 9)
            return false;
    return *brace == '}';
}

/* Most messages: `,"user":"…","text":"…","ts":…}`, and no more. */
static bool is_usual_tail(struct json_text rest)
{
    const char *user;
    size_t len;

    if (!take(&rest, ",\"user\":", 8))
        return false;
    user = rest.base;
    if (!take_plain(&rest))
        return false;
    len = (size_t)(rest.base - user) - 2;
    return take(&rest, ",\"text\":", 8) && is_usual_name(user + 1, len) &&
           take_plain(&rest) && take(&rest, ",\"ts\":", 6) && is_usual_end(rest);
}

void lines_add_head(struct strbuf *out, struct json_text room)
{
    strbuf_add_text(out, "{\"type\":\"message\",\"room\":");
    strbuf_add_json(out, room.base, room.len);
    strbuf_add_text(out, ",\"seq\":");
}

static bool is_right_message(struct json_text head, uint64_t seq, struct json_text rest,
                             char before, unsigned seen)
{
    struct wanted wanted = {
        .head = head,
        .event = {.type = "message", .seq = seq},
        .needed = BIT(FIELD_TYPE) | BIT(FIELD_ROOM) | BIT(FIELD_SEQ) | BIT(FIELD_USER) |
                  BIT(FIELD_TEXT) | BIT(FIELD_TS),
    };

    return is_right(&wanted, rest, before, seen);
}

bool lines_is_message(struct json_text head, uint64_t seq, struct json_text line)
{
    struct json_text rest = line;

    if (!take(&rest, head.base, head.len))
        return is_right_message(head, seq, line, '{', 0);
    return take_number(&rest, seq) &&
           (is_usual_tail(rest) ||
            is_right_message(head, seq, rest, ',',
                             BIT(FIELD_TYPE) | BIT(FIELD_ROOM) | BIT(FIELD_SEQ)));
}

static unsigned needed_by(const char *type)
{
    size_t i = 0;

    while (i < sizeof(needs) / sizeof(needs[0]) && strcmp(needs[i].type, type) != 0)
        i++;
    return BIT(FIELD_TYPE) | BIT(FIELD_ROOM) |
           (i < sizeof(needs) / sizeof(needs[0]) ? needs[i].fields : 0);
}

bool lines_is_event(struct json_text head, const struct lines_event *event,
                    struct json_text line)
{
    struct wanted wanted = {head, *event, needed_by(event->type)};
    struct json_text part = room_part(head), rest = line;

    if (take(&rest, type_head, TYPE_HEAD) &&
        take(&rest, event->type, strlen(event->type)) && take(&rest, "\"", 1) &&
        take(&rest, part.base, part.len))
        return is_right(&wanted, rest, ',', BIT(FIELD_TYPE) | BIT(FIELD_ROOM));
    return is_right(&wanted, line, '{', 0);
}

bool lines_is_room_event(const char *type, struct json_text line)
{
    struct wanted wanted = {.event = {.type = type},
                            .needed = BIT(FIELD_TYPE) | BIT(FIELD_ROOM)};

    return is_right(&wanted, line, '{', 0);
}
