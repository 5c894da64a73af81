/* rewind.c - see rewind.h. */
#include "tests/support/fleet/rewind.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/cluster_slot.h"
#include "tests/support/redis/redis_cmd.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/wait.h"

static struct chat *enter(const struct rewind *rewind, unsigned gateway,
                          const char *user)
{
    return chat_enter(rewind->fleet->gateways[gateway].port, "r", user);
}

static void leave(struct chat *chat)
{
    chat_leave(chat, "r");
    chat_close(chat);
}

/* ---- Redis ---- */

static unsigned master_of(const struct rewind *rewind)
{
    return (unsigned)redis_cluster_owner(rewind->cluster, cluster_slot_of_room("r", 1));
}

void rewind_save(const struct rewind *rewind)
{
    redis_cmd(rewind->cluster ? redis_cluster_port(rewind->cluster, master_of(rewind))
                              : rewind->fleet->redis_port,
              "SAVE");
}

void rewind_restart(const struct rewind *rewind)
{
    unsigned master;

    if (!rewind->cluster) {
        fleet_restart_redis(rewind->fleet);
        return;
    }
    master = master_of(rewind);
    redis_cluster_kill(rewind->cluster, master);
    redis_cluster_start(rewind->cluster, master);
    redis_cluster_wait_well(rewind->cluster);
}

/* ---- what is said ---- */

double rewind_say(struct chat *ann, struct chat *bob, const char *text)
{
    double seq = chat_say(ann, "r", text);

    while (bob) {
        chat_expect_skipping(bob, "message");
        if (strcmp(chat_get_text(bob, "text"), text) == 0)
            break;
    }
    return seq;
}

void rewind_say_some(struct chat *ann, struct chat *bob, int count, const char *what)
{
    char text[32];

    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%s-%d", what, i);
        rewind_say(ann, bob, text);
    }
}

void rewind_say_past(struct chat *chat, const char *text, bool *was_reset)
{
    int64_t end_ms = wait_now_ms() + REWIND_PATIENCE_MS;

    for (;;) {
        const char *type;

        assert_true(wait_now_ms() < end_ms);
        chat_send(chat, "{'type':'message','room':'r','text':'%s'}", text);
        do {
            assert_true(chat_recv(chat, REWIND_PATIENCE_MS));
            type = chat_get_text(chat, "type");
            *was_reset = *was_reset || strcmp(type, "reset") == 0;
        } while (strcmp(type, "message_ack") != 0 && strcmp(type, "error") != 0);
        if (strcmp(type, "message_ack") == 0)
            return;
    }
}

void rewind_expect_reset(struct chat *chat, bool was_reset)
{
    if (!was_reset)
        chat_expect_skipping(chat, "reset");
}

/* Reads on to this message. False: a gap was told in its place, because it was published while
 * the client was still being caught up, and there is no history. */
static bool has_heard(const struct rewind *rewind, struct chat *chat, const char *text)
{
    for (;;) {
        const char *type;

        assert_true(chat_recv(chat, REWIND_PATIENCE_MS));
        type = chat_get_text(chat, "type");
        if (strcmp(type, "gap") == 0 && rewind->limit == 0)
            return false;
        if (strcmp(type, "message") == 0 &&
            strcmp(chat_get_text(chat, "text"), text) == 0)
            return true;
    }
}

void rewind_expect_well(const struct rewind *rewind, struct chat *ann, struct chat *bob)
{
    bool ignored = false;

    do
        rewind_say_past(ann, "the end", &ignored);
    while (!has_heard(rewind, bob, "the end"));
    assert_int_equal(
        redis_cmd_number(rewind->fleet->redis_port, "HLEN %s", "rc:{r}:members"), 2);
}

/* ---- whole tests ---- */

void rewind_past_a_tail(const struct rewind *rewind)
{
    struct fleet *fleet = rewind->fleet;
    struct chat *ann = enter(rewind, 0, "ann"), *bob = enter(rewind, 1, "bob");
    bool was_reset = false;

    rewind_say_some(ann, bob, 5, "kept");
    rewind_save(rewind);
    rewind_say_some(ann, bob, 5, "lost");
    process_signal(&fleet->gateways[1].process, SIGSTOP);
    rewind_restart(rewind);
    fleet_wait_ready(fleet, 0);
    for (int i = 0; i < 8; i++)
        rewind_say_past(ann, "past it", &was_reset);
    rewind_expect_reset(ann, was_reset);
    process_signal(&fleet->gateways[1].process, SIGCONT);
    rewind_expect_reset(bob, false);
    fleet_wait_all_ready(fleet);
    rewind_expect_well(rewind, ann, bob);
    leave(ann);
    leave(bob);
}

static void come_and_go(const struct rewind *rewind, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        leave(enter(rewind, 0, "eve"));
}

void rewind_changes(const struct rewind *rewind)
{
    struct chat *ann = enter(rewind, 0, "ann"), *bob;

    rewind_save(rewind);
    come_and_go(rewind, 5);
    bob = enter(rewind, 1, "bob");
    chat_expect_skipping(ann, "member_joined");
    rewind_restart(rewind);
    rewind_expect_reset(bob, false);
    rewind_expect_reset(ann, false);
    fleet_wait_all_ready(rewind->fleet);
    rewind_expect_well(rewind, ann, bob);
    leave(ann);
    leave(bob);
}

static bool bob_is_out(void *data)
{
    const struct rewind *rewind = data;

    return redis_cmd_number(rewind->fleet->redis_port, "HEXISTS %s bob",
                            "rc:{r}:members") == 0;
}

static void expect_out(const struct rewind *rewind)
{
    assert_true(wait_until(bob_is_out, (void *)rewind, REWIND_PATIENCE_MS));
}

/* Each client that was told of the deletion is told `reset`, so it keeps nothing that Redis says
 * otherwise about. */
void rewind_orders(const struct rewind *rewind, struct admin *admin)
{
    struct chat *ann = enter(rewind, 0, "ann"), *bob = enter(rewind, 1, "bob");

    admin_wait_ready(admin);
    rewind_say_some(ann, bob, 3, "kept");
    rewind_save(rewind);
    come_and_go(rewind, 10);
    admin_post(admin, 200, NULL, "/api/rooms/r/kick/bob");
    chat_expect_skipping(bob, "kicked");
    if (rewind->limit > 0) {
        admin_delete(admin, 200, "/api/rooms/r/messages/%.0f",
                     rewind_say(ann, NULL, "a word"));
        chat_expect_skipping(ann, "message_deleted");
    }
    rewind_restart(rewind);
    rewind_expect_reset(ann, false);
    fleet_wait_all_ready(rewind->fleet);
    expect_out(rewind);
    chat_join(bob, "r", "bob");
    rewind_expect_well(rewind, ann, bob);
    leave(ann);
    leave(bob);
}

/* The room goes back, and the gateway that hears of it gives it another epoch. */
static void make_it_be_remade(const struct rewind *rewind, struct chat *ann)
{
    int port = rewind->fleet->redis_port;
    bool was_reset = false;

    redis_cmd(port, "COPY %s %s REPLACE", "rc:{r}:meta", "saved:{r}:meta");
    rewind_say_some(ann, NULL, 3, "lost");
    redis_cmd(port, "EVAL %s 2 %s %s",
              "redis.call('HSET', KEYS[1], 'seq', redis.call('HGET', KEYS[2], 'seq'))",
              "rc:{r}:meta", "saved:{r}:meta");
    redis_cmd(port, "DEL %s", "saved:{r}:meta");
    rewind_say_past(ann, "after", &was_reset);
    rewind_expect_reset(ann, was_reset);
}

void rewind_unheard_orders(const struct rewind *rewind, struct admin *admin)
{
    struct process *deaf = &rewind->fleet->gateways[1].process;
    struct chat *ann = enter(rewind, 0, "ann"), *bob = enter(rewind, 1, "bob");

    admin_wait_ready(admin);
    rewind_say_some(ann, bob, 3, "kept");
    process_signal(deaf, SIGSTOP);
    admin_post(admin, 202, q("{'ban_secs':60}"), "/api/rooms/r/kick/bob");
    make_it_be_remade(rewind, ann);
    process_signal(deaf, SIGCONT);
    chat_expect_skipping(bob, "kicked");
    fleet_wait_all_ready(rewind->fleet);
    expect_out(rewind);
    chat_send(bob, "{'type':'join','room':'r','user':'bob'}");
    chat_expect_skipping(bob, "error");
    assert_string_equal(chat_get_text(bob, "code"), "banned");
    admin_delete(admin, 200, "/api/rooms/r/ban/bob");
    leave(ann);
    chat_close(bob);
}
