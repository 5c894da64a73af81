/* db.c - see db.h. */
#include "admin/db.h"

void db_begin(struct db *db, const char *verb)
{
    redis_command_begin(&db->cmd);
    redis_command_add_text(&db->cmd, verb);
}

void db_begin_script(struct db *db, enum script script, unsigned keys)
{
    scripts_begin(&db->cmd, script, keys);
}

void db_send(struct db *db, redis_reply_fn on_reply, void *data)
{
    int rc = redis_link_send(db->link, &db->cmd, on_reply, data);

    if (rc < 0 && on_reply)
        on_reply(data, rc, NULL);
}

void db_send_script(struct db *db, enum script script, redis_reply_fn on_reply,
                    void *data)
{
    int rc = scripts_send(db->link, script, &db->cmd, on_reply, data);

    if (rc < 0 && on_reply)
        on_reply(data, rc, NULL);
}

void db_deinit(struct db *db)
{
    redis_command_deinit(&db->cmd);
}
