/* server_check.c - see server_check.h. */
#include "gateway/server_check.h"

#include <string.h>

#include "common/log.h"
#include "common/reply.h"
#include "common/rights.h"

static void on_memory_info(void *data, int status, const redisReply *reply)
{
    const char *policy;

    (void)data;
    if (status < 0)
        return;
    policy = strstr(reply_string(reply).base, "maxmemory_policy:");
    if (policy && strncmp(policy + 17, "noeviction", 10) != 0)
        log_warn("redis_evicts",
                 "maxmemory_policy=%.*s text=\"rooms would lose keys: set "
                 "noeviction\"",
                 (int)strcspn(policy + 17, "\r\n"), policy + 17);
}

void server_check_start(struct store *store, int db)
{
    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "INFO");
    redis_command_add_text(&store->args.cmd, "memory");
    store_send_command(store, on_memory_info, NULL);
    rights_ask(store->link, db);
}
