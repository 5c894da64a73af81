/* drain.c - see drain.h. Clients leave in the order in which they stand in the list of
 * connections, the i-th of n at i/n of the spread; nobody comes in meanwhile. */
#include "gateway/drain.h"

uint64_t drain_spread_ms(uint64_t drain_ms, uint64_t grace_ms)
{
    return drain_ms >= 2 * grace_ms ? drain_ms - grace_ms : drain_ms;
}

static uint64_t due_ms(const struct drain *drain, unsigned i)
{
    return drain->spread_ms * i / drain->total;
}

void drain_start(struct drain *drain, struct session_env *env, uint64_t now_ms)
{
    const struct config *config = env->conn.config;
    unsigned i = 0;

    drain->env = env;
    drain->started_ms = now_ms;
    drain->spread_ms = drain_spread_ms((uint64_t)config->drain_ms,
                                       (uint64_t)config->presence_grace_ms);
    env->conn.draining = true;
    list_each(link, &env->conn.all) {
        drain->total += conn_is_open(list_entry(link, struct conn, all));
    }
    list_each(link, &env->conn.all) {
        struct session *session = session_of_conn(list_entry(link, struct conn, all));
        struct strbuf *out = &env->reply;

        if (!conn_is_open(&session->conn))
            continue;
        strbuf_reset(out, 64 * 1024);
        proto_begin(out, "reconnect", (struct json_text){NULL, 0});
        proto_add_number(out, "after_ms", due_ms(drain, i++));
        proto_add_text(out, "reason", "draining", 8);
        strbuf_add_char(out, '}');
        session_send(session, out);
    }
}

void drain_step(struct drain *drain, uint64_t now_ms)
{
    uint64_t since = now_ms - drain->started_ms;
    unsigned gone = 0, open = 0;

    list_each(link, &drain->env->conn.all) {
        open += conn_is_open(list_entry(link, struct conn, all));
    }
    gone = drain->total > open ? drain->total - open : 0;
    list_each(link, &drain->env->conn.all) {
        struct conn *conn = list_entry(link, struct conn, all);

        if (gone >= drain->total || due_ms(drain, gone) > since)
            return;
        if (!conn_is_open(conn))
            continue;
        conn_close(conn, CONN_END_DRAINING);
        gone++;
    }
}
