/* store.c - see store.h. */
#include "admin/store.h"

void store_begin(struct store *store, const char *verb)
{
    redis_command_begin(&store->cmd);
    redis_command_add_text(&store->cmd, verb);
}

void store_begin_script(struct store *store, enum script script, unsigned keys)
{
    scripts_begin(&store->cmd, script, keys);
}

void store_send(struct store *store, redis_reply_fn on_reply, void *data)
{
    int rc = redis_link_send(store->link, &store->cmd, on_reply, data);

    if (rc < 0 && on_reply)
        on_reply(data, rc, NULL);
}

void store_send_script(struct store *store, enum script script, redis_reply_fn on_reply,
                       void *data)
{
    int rc = scripts_send(store->link, script, &store->cmd, on_reply, data);

    if (rc < 0 && on_reply)
        on_reply(data, rc, NULL);
}

void store_deinit(struct store *store)
{
    redis_command_deinit(&store->cmd);
}
