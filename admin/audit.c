/* audit.c - see audit.h. Who it was is the name of the token. AUTH_TOKEN may be that of several
 * people: as long as it is the only one, who it was is what the client says in X-Operator (a console
 * signs with a name), else `admin`. */
#include "admin/audit.h"

#include <string.h>

#include "admin/api.h"
#include "common/log.h"

static const char *const words[] = {
#define X(id, word) [id] = #word,
    AUDIT_ACTIONS(X)
#undef X
};

void audit_origin_of(struct audit_origin *origin, const struct http_request *req)
{
    const struct api *api = api_of(req);
    const struct auth_who *who = http_kept(req);
    struct json_text said = http_header(req, "x-operator");

    strcpy(origin->who, who->name);
    if (!auth_names_are_proven(&api->auth) && said.base &&
        proto_is_name(said.base, said.len, OPERATORS_NAME_MAX)) {
        memcpy(origin->who, said.base, said.len);
        origin->who[said.len] = '\0';
    }
    http_peer(req, origin->from);
}

static void on_written(void *data, int status, const redisReply *reply)
{
    (void)data;
    if (status < 0)
        log_error("audit_failed", "why=\"%.120s\"",
                  reply ? reply_error(reply) : uv_strerror(status));
}

struct field {
    const char *name;
    struct json_text value;
};

static struct json_text text(const char *value)
{
    return (struct json_text){value, strlen(value)};
}

void audit_add(struct api *api, const struct audit_origin *origin,
               const struct audit_entry *entry)
{
    char seq[24];
    const struct field fields[] = {
        {"who", text(origin->who)},
        {"what", text(words[entry->what])},
        {"room", entry->room},
        {"user", entry->user},
        {"seq", {entry->seq ? seq : NULL, 0}},
        {"detail", entry->detail},
        {"from", text(origin->from)},
    };
    struct strbuf *out = &api->out;

    snprintf(seq, sizeof(seq), "%llu", (unsigned long long)entry->seq);
    metric_add(&api->metrics->admin_actions_total[entry->what], 1);
    strbuf_reset(out, 4096);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!fields[i].value.base)
            proto_add_raw(out, fields[i].name, "null");
        else if (fields[i].value.base == seq)
            proto_add_raw(out, fields[i].name, seq);
        else
            proto_add_text(out, fields[i].name, fields[i].value.base,
                           fields[i].value.len);
    }
    strbuf_add_char(out, '}');
    db_begin_script(&api->db, 0, SCRIPT_AUDIT, 2);
    command_add_fleet_key(&api->db.cmd, 0, KEY_AUDIT);
    command_add_fleet_key(&api->db.cmd, 0, KEY_FLEET_EVENTS);
    redis_command_add_u64(&api->db.cmd, (uint64_t)api->config->audit_entries);
    redis_command_add(&api->db.cmd, out->data, out->len);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (!fields[i].value.base)
            continue;
        redis_command_add_text(&api->db.cmd, fields[i].name);
        if (fields[i].value.base == seq)
            redis_command_add_text(&api->db.cmd, seq);
        else
            command_add(&api->db.cmd, fields[i].value);
    }
    db_send_script(&api->db, SCRIPT_AUDIT, on_written, NULL);
}
