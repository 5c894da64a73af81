/* registry.c - see registry.h. */
#include "admin/registry.h"

#include "admin/api.h"

static struct db *db_of(void *owner)
{
    return &((struct api *)owner)->db;
}

static struct redis_command *begin(void *owner, const char *verb)
{
    db_begin(db_of(owner), 0, verb);
    return &db_of(owner)->cmd;
}

static struct redis_command *begin_script(void *owner, enum script script,
                                          unsigned keys)
{
    db_begin_script(db_of(owner), 0, script, keys);
    return &db_of(owner)->cmd;
}

static void add_key(void *owner, enum fleet_key key)
{
    command_add_fleet_key(&db_of(owner)->cmd, 0, key);
}

static void send_it(void *owner, redis_reply_fn on_reply, void *data)
{
    db_send(db_of(owner), on_reply, data);
}

static void send_script(void *owner, enum script script, redis_reply_fn on_reply,
                        void *data)
{
    db_send_script(db_of(owner), script, on_reply, data);
}

const struct registry_calls registry_calls = {
    .begin = begin,
    .begin_script = begin_script,
    .add_key = add_key,
    .send = send_it,
    .send_script = send_script,
};

void registry_ask_rev(struct api *api, const char *name, redis_reply_fn on_reply,
                      void *data)
{
    struct redis_command *cmd = begin(api, "HGET");

    add_key(api, KEY_POLICY);
    redis_command_add_text(cmd, name);
    send_it(api, on_reply, data);
}
