/* world_clients.c - see world.h: what each client has been given, and whether that is right. */
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- what a client is given ---- */

struct client *world_client(const struct rig_client *rig_client)
{
    return &world.clients[rig_client - rig.clients];
}

/* Redis went back in this epoch: its numbers mean two things, until that is found out. */
static bool is_odd(const struct client *c)
{
    return strcmp(c->epoch, world.odd_epoch) == 0;
}

static bool is_of_now(const struct client *c)
{
    return world.redis.exists && strcmp(c->epoch, world.redis.epoch) == 0 && !is_odd(c);
}

static void take_message(struct client *c, const char *text, size_t len)
{
    bool is_tombstone = memmem(text, len, q("'deleted':true"), 14) != NULL;
    uint64_t seq = rig_number(text, len, "seq");

    world_check(c->has_ack && !c->is_fresh);
    world_check(seq == c->cursor + 1);
    world_check(is_tombstone || c->view[seq] != TOMBSTONE || is_odd(c));
    c->view[seq] = is_tombstone ? TOMBSTONE : ORIGINAL;
    c->cursor = seq;
}

static void take_gap(struct client *c, uint64_t from, uint64_t to)
{
    world_check(c->has_ack && !c->is_fresh);
    world_check(from == c->cursor + 1 && to >= from);
    world_check(!is_of_now(c) || to < world.redis.oldest);
    for (uint64_t seq = from; seq <= to; seq++)
        c->view[seq] = MISSING;
    c->cursor = to;
}

static void take_reset(struct client *c, const char *text, size_t len)
{
    char epoch[64];

    rig_text(text, len, "epoch", epoch);
    world_check(strcmp(epoch, c->epoch) != 0);
    strcpy(c->epoch, epoch);
    c->cursor = rig_number(text, len, "seq");
    c->is_fresh = c->in_batches = false;
    c->rev = c->last_rev = c->rig->member.rev;
    memset(c->view, UNSEEN, sizeof(c->view));
    memset(c->got, 0, sizeof(c->got));
}

/* `members` of such an event is its rev. */
static void take_presence(struct client *c, const char *text, size_t len, bool is_join)
{
    uint64_t rev = rig_number(text, len, "members");
    char name[64];
    unsigned user;

    rig_text(text, len, "user", name);
    user = plain_user(name, strlen(name));
    world_check(user != c->user);
    world_check(is_odd(c) || (rev > c->rig->member.rev && rev > c->last_rev));
    if (is_of_now(c)) {
        const struct plain_change *change = &world.redis.changes[rev];

        world_check(change->user == user);
        world_check(is_join
                        ? change->kind == NOTICE_JOINED
                        : change->kind == NOTICE_LEFT || change->kind == NOTICE_KICKED);
    }
    c->last_rev = rev;
    c->got[rev] = true;
}

static void on_event(struct rig_client *rig_client, const char *text, size_t len)
{
    struct client *c = world_client(rig_client);
    char type[64];

    world_trace("    client %td (u%u): %.*s", c - world.clients, c->user,
                (int)(len < 90 ? len : 90), text);
    world_check(c->has_ack);
    world_check(!c->was_told_why);
    rig_text(text, len, "type", type);
    if (strcmp(type, "message") == 0) {
        world_check(!c->in_batches);
        take_message(c, text, len);
    } else if (strcmp(type, "gap") == 0) {
        take_gap(c, rig_number(text, len, "from"), rig_number(text, len, "to"));
    } else if (strcmp(type, "reset") == 0) {
        take_reset(c, text, len);
    } else if (strcmp(type, "message_deleted") == 0) {
        c->view[rig_number(text, len, "seq")] = TOMBSTONE;
    } else if (strcmp(type, "kicked") == 0 || strcmp(type, "room_closed") == 0) {
        c->was_told_why = true;
    } else {
        take_presence(c, text, len, strcmp(type, "member_joined") == 0);
    }
}

static void on_ack(struct rig_client *rig_client, uint64_t until, bool recovered)
{
    struct client *c = world_client(rig_client);

    world_trace("    client %td (u%u): ack %llu%s, rev %llu", c - world.clients,
                c->user, (unsigned long long)until, recovered ? ", recovered" : "",
                (unsigned long long)rig_client->member.rev);
    if (!c->has_ack || strcmp(c->epoch, room_log_epoch(&world_room()->log)) != 0) {
        memset(c->view, UNSEEN, sizeof(c->view));
        memset(c->got, 0, sizeof(c->got));
        c->last_rev = 0;
    }
    c->has_ack = true;
    c->rev = c->rig->member.rev;
    strcpy(c->epoch, room_log_epoch(&world_room()->log));
    c->until = until;
    c->in_batches = true;
    c->is_fresh = !recovered;
    c->cursor = recovered ? c->rig->since : until;
}

static void on_batch(struct rig_client *rig_client, const struct history_batch *batch)
{
    struct client *c = world_client(rig_client);

    world_trace("    client %td (u%u): %zu in a batch%s", c - world.clients, c->user,
                batch->count, batch->more ? ", more" : "");
    world_check(c->in_batches);
    if (c->is_fresh && batch->count > 0) {
        uint64_t first = rig_number(batch->lines[0].base, batch->lines[0].len, "seq");

        world_check(!is_of_now(c) || first <= world.redis.oldest);
        c->cursor = first - 1;
    }
    c->is_fresh = false;
    for (size_t i = 0; i < batch->count; i++)
        take_message(c, batch->lines[i].base, batch->lines[i].len);
    world_check(c->cursor <= c->until);
    c->in_batches = batch->more;
}

/* ---- what it does ---- */

void world_join(struct client *c)
{
    if (!world.is_up || c->rig->member.room)
        return;
    c->life++;
    c->rig->has_since = c->epoch[0] && !c->is_fresh && world_pick(2);
    c->rig->since = c->cursor;
    strcpy(c->since_epoch, c->epoch);
    c->rig->since_epoch = c->since_epoch;
    c->has_ack = c->in_batches = c->was_told_why = false;
    rig_join(c->rig);
}

void world_leave(struct client *c)
{
    if (c->rig->member.room)
        rig_leave(c->rig, world_pick(2) ? LEAVE_ASKED : LEAVE_SOCKET_CLOSED);
}

void world_rejoin(struct client *c)
{
    if (!c->rig->member.room || !c->has_ack || c->rig->member.join || c->in_batches ||
        !room_is_ready(c->rig->member.room))
        return;
    c->rig->has_since = false;
    rig_rejoin(c->rig);
}

void world_turn_slow(struct client *c)
{
    c->rig->is_slow = !c->rig->is_slow;
    if (!c->rig->is_slow)
        catchup_go_on(&c->rig->member);
}

/* ---- the end ---- */

void world_check_client(const struct client *c)
{
    const struct plain_redis *r = &world.redis;
    const struct member *member = &c->rig->member;

    if (!member->room) {
        world_check(!c->rig->is_removed || c->was_told_why);
        return;
    }
    if (is_odd(c))
        return; /* it may have read what Redis has not any more */
    world_check(member->state == MEMBER_LIVE);
    world_check(c->has_ack && !c->is_fresh && !c->in_batches && !c->was_told_why);
    world_check(r->exists && strcmp(c->epoch, r->epoch) == 0);
    world_check(c->cursor == r->seq);
    world_check(r->members[c->user] == 1 && strcmp(r->on[c->user], r->epoch) == 0);
    /* A kick that was not heard is found by a sync, unless the user has joined again since. */
    world_check(
        r->kicked_rev[c->user] <=
        (r->changes[r->kicked_rev[c->user]].is_lost ? member->user->rev : c->rev));
    for (uint64_t seq = r->oldest; seq <= r->seq; seq++)
        if (c->view[seq] != UNSEEN && c->view[seq] != MISSING && !world.is_untold[seq])
            world_check(c->view[seq] == (r->is_deleted[seq] ? TOMBSTONE : ORIGINAL));
    for (uint64_t rev = c->rev + 1; rev <= r->rev; rev++) {
        const struct plain_change *change = &r->changes[rev];
        bool is_presence = change->kind == NOTICE_JOINED ||
                           change->kind == NOTICE_LEFT || change->kind == NOTICE_KICKED;

        if (is_presence && !change->is_lost && change->user != c->user)
            world_check(c->got[rev]);
    }
}

void world_open_clients(void)
{
    static const char *const names[PLAIN_LOCAL] = {"u0", "u1", "u2", "u3"};

    for (unsigned i = 0; i < WORLD_CLIENTS; i++) {
        struct client *c = &world.clients[i];

        c->user = i % PLAIN_LOCAL;
        c->rig = rig_client(names[c->user]);
        c->rig->on_event = on_event;
        c->rig->on_ack = on_ack;
        c->rig->on_batch = on_batch;
    }
}
