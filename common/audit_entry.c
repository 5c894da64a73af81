/* audit_entry.c - see audit_entry.h. */
#include "common/audit_entry.h"

#include <string.h>

#include "common/command.h"
#include "common/proto.h"

static const char *const words[] = {
#define X(id, word) [id] = #word,
    AUDIT_ACTIONS(X)
#undef X
};

struct field {
    const char *name;
    struct json_text value;
};

void audit_entry_add(struct redis_command *cmd, struct strbuf *scratch,
                     const struct audit_entry *entry)
{
    const char *what = words[entry->what];
    char seq[STRBUF_U64_DIGITS];
    const char *first = strbuf_print_u64(seq, entry->seq);
    const struct json_text number = {entry->seq ? first : NULL,
                                     (size_t)(seq + sizeof(seq) - first)};
    const struct field fields[] = {
        {"who", entry->who},   {"what", {what, strlen(what)}},
        {"room", entry->room}, {"user", entry->user},
        {"seq", number},       {"detail", entry->detail},
        {"from", entry->from},
    };

    strbuf_reset(scratch, 4096);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct json_text value = fields[i].value;

        if (!value.base || value.base == first) {
            strbuf_add_format(scratch, ",\"%s\":", fields[i].name);
            strbuf_add(scratch, value.base ? value.base : "null",
                       value.base ? value.len : 4);
        } else {
            proto_add_text(scratch, fields[i].name, value.base, value.len);
        }
    }
    strbuf_add_char(scratch, '}');
    redis_command_add(cmd, scratch->data, scratch->len);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!fields[i].value.base)
            continue;
        redis_command_add_text(cmd, fields[i].name);
        command_add(cmd, fields[i].value);
    }
}
