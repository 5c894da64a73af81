/* audit_entry.c - see audit_entry.h. */
#include "common/audit_entry.h"

#include <string.h>

#include "common/command.h"
#include "common/log.h"
#include "common/proto.h"
#include "common/reply.h"

static const char *const words[] = {
#define X(id, word) [id] = #word,
    AUDIT_ACTIONS(X)
#undef X
};

struct field {
    const char *name;
    struct json_text value;
};

/* ARGV of audit.lua from the event on. */
static void add_entry(struct redis_command *cmd, const struct audit_entry *entry)
{
    struct strbuf event = {NULL, 0, 0};
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

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct json_text value = fields[i].value;

        if (!value.base || value.base == first) {
            strbuf_add_format(&event, ",\"%s\":", fields[i].name);
            strbuf_add(&event, value.base ? value.base : "null",
                       value.base ? value.len : 4);
        } else {
            proto_add_text(&event, fields[i].name, value.base, value.len);
        }
    }
    strbuf_add_char(&event, '}');
    redis_command_add(cmd, event.data, event.len);
    strbuf_deinit(&event);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!fields[i].value.base)
            continue;
        redis_command_add_text(cmd, fields[i].name);
        command_add(cmd, fields[i].value);
    }
}

static void on_written(void *data, int status, const redisReply *reply)
{
    (void)data;
    if (status < 0)
        log_error("audit_failed", "why=\"%.120s\"",
                  reply ? reply_error(reply) : uv_strerror(status));
}

void audit_entry_write(const struct registry_calls *calls, void *owner,
                       const struct audit_entry *entry, long keep)
{
    struct redis_command *cmd = calls->begin_script(owner, SCRIPT_AUDIT, 2);

    calls->add_key(owner, KEY_AUDIT);
    calls->add_key(owner, KEY_FLEET_EVENTS);
    redis_command_add_u64(cmd, (uint64_t)keep);
    add_entry(cmd, entry);
    calls->send_script(owner, SCRIPT_AUDIT, on_written, NULL);
}
