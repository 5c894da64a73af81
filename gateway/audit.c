/* audit.c - see audit.h. */
#include "gateway/audit.h"

#include "common/log.h"
#include "common/reply.h"

static void on_written(void *data, int status, const redisReply *reply)
{
    (void)data;
    if (status < 0)
        log_error("audit_failed", "why=\"%.120s\"",
                  reply ? reply_error(reply) : uv_strerror(status));
}

void audit_note(struct shards *shards, struct json_text user,
                const struct audit_entry *entry)
{
    struct store *store = &shards->all[0].store;
    struct args *args = &store->args;
    struct audit_entry whole = *entry;
    struct strbuf who = {NULL, 0, 0};

    strbuf_add_text(&who, "user:");
    strbuf_add(&who, user.base, user.len);
    whole.who = (struct json_text){who.data, who.len};
    scripts_begin(&args->cmd, SCRIPT_AUDIT, 2);
    args_add_fleet_key(args, KEY_AUDIT);
    args_add_fleet_key(args, KEY_FLEET_EVENTS);
    redis_command_add_u64(&args->cmd, (uint64_t)args->config->audit_entries);
    audit_entry_add(&args->cmd, &args->scratch, &whole);
    store_send_script(store, SCRIPT_AUDIT, on_written, NULL);
    strbuf_deinit(&who);
}
