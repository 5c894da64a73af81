/* renewal.c - see renewal.h.
 *
 *     renewals_run -> renewals_renew -> on_renewed -> deliver_position
 *                                         |  |
 *                                         |  +-> room_needs_sync: Redis has another room than we
 *                                         v
 *                          a silent node: report.lua -> on_reported -> reaper_start, or `sync ROOM`
 */
#include "gateway/renewal.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/fnv.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/announce.h"
#include "gateway/args.h"
#include "gateway/deliver.h"

enum {
    USERS_MAX = 100, /* a call */
    FIRST_SILENT = 8 /* in renew.lua's answer */
};

struct call {
    struct renewals *renewals;
    struct room *room;
    char epoch[PROTO_EPOCH_LEN + 1]; /* what was known when it was sent */
    struct token token;
    uint64_t seq, rev, told, users;
};

static uint64_t lease_ms(const struct renewals *renewals)
{
    return (uint64_t)renewals->store->config->lease_ms;
}

/* ---- silent nodes ---- */

struct report {
    struct renewals *renewals;
    char node[STORE_NODE_MAX];
    unsigned char len;
    char room[PROTO_ROOM_MAX];
};

static void order_sync(struct store *store, const struct report *report)
{
    struct strbuf *text = &store->args.scratch;

    strbuf_reset(text, 4096);
    strbuf_add_text(text, "sync ");
    strbuf_add_percent(text, report->room, report->len);
    args_begin_publish(&store->args);
    args_add_node_key(&store->args, report->node, KEY_NODE_CANARY);
    redis_command_add(&store->args.cmd, text->data, text->len);
    store_send_command(store, NULL, NULL);
}

static void on_reported(void *data, int status, const redisReply *reply)
{
    struct report *report = data;
    struct renewals *renewals = report->renewals;
    struct json_text node = {report->node, strlen(report->node)};

    if (status == 0 && reply_is_value(reply, 1))
        order_sync(renewals->store, report);
    else if (status == 0 && reply_is_value(reply, 0))
        reaper_start(renewals->reaper, node, lease_ms(renewals));
    free(report);
}

static void report_silent(struct renewals *renewals, const struct room *room,
                          struct json_text node)
{
    struct store *store = renewals->store;
    struct report *report;

    if (!intake_node(store->metrics, "room_nodes", node))
        return;
    report = xcalloc(1, sizeof(*report));
    report->renewals = renewals;
    memcpy(report->node, node.base, node.len);
    report->len = room->name_len;
    memcpy(report->room, room->name, room->name_len);
    scripts_begin(&store->args.cmd, SCRIPT_REPORT, 3);
    args_add_fleet_key(&store->args, KEY_NODES);
    args_add_node_key(&store->args, report->node, KEY_NODE_ROOMS);
    args_add_fleet_key(&store->args, KEY_FLEET_EVENTS);
    redis_command_add_text(&store->args.cmd, report->node);
    redis_command_add(&store->args.cmd, room->name, room->name_len);
    redis_command_add_u64(&store->args.cmd, lease_ms(renewals));
    store_send_script(store, SCRIPT_REPORT, on_reported, report);
}

static bool may_report(const struct renewals *renewals)
{
    return renewals->unbroken_ms && renewals->now_ms - renewals->unbroken_ms >=
                                        args_renew_ms(renewals->store->config);
}

/* ---- a renewal ---- */

/* Redis has been told of the user, and nothing is under way. */
static bool is_told(const struct room_user *user)
{
    return user->is_in && !user->is_leaving && user->joins_in_flight == 0;
}

static uint64_t count_told(const struct room *room)
{
    const struct room_user *user;
    uint64_t count = 0;
    uint32_t at = 0;

    while ((user = map_next(&room->users, &at)))
        count += is_told(user);
    return count;
}

/* The next users in turn, so that a large room is gone through from renewal to renewal. */
static unsigned add_some_told(struct args *args, struct room *room)
{
    const struct room_user *user;
    unsigned count = 0;

    while (count < USERS_MAX && (user = map_next(&room->users, &room->renewal.at))) {
        if (!is_told(user))
            continue;
        redis_command_add(&args->cmd, user->name, user->name_len);
        count++;
    }
    if (count < USERS_MAX)
        room->renewal.at = 0;
    return count;
}

/* Redis had as much when the call was sent, so it has gone back since then. */
static bool has_gone_back(const struct call *call, const char *epoch,
                          struct token token, uint64_t seq, uint64_t rev)
{
    return epoch[0] && strcmp(epoch, call->epoch) == 0 &&
           token_equals(call->token, token) && (seq < call->seq || rev < call->rev);
}

static void take_answer(struct call *call, const redisReply *reply)
{
    struct renewals *renewals = call->renewals;
    struct room *room = call->room;
    uint64_t seq = reply_number(reply, 1), users = reply_number(reply, 3);
    struct token token = reply_token(reply, 6);
    char epoch[PROTO_EPOCH_LEN + 1] = "";

    (void)reply_take_epoch(epoch, reply, 0);
    deliver_position(room, epoch, token, seq);
    if (strcmp(epoch, room_log_epoch(&room->log)) == 0 &&
        terms_is_current(&room->terms, token))
        room_log_note_change(&room->log, reply_number(reply, 7),
                             reply_number(reply, 2));
    if (has_gone_back(call, epoch, token, seq, reply_number(reply, 2)) ||
        users < call->told || users > call->users ||
        reply_number(reply, 4) < call->told || reply_number(reply, 5) > 0)
        room_needs_sync(room); /* it looks closer (gateway/sync.c, lua/sync.lua) */
    for (size_t i = FIRST_SILENT; i < reply_count(reply) && may_report(renewals); i++)
        report_silent(renewals, room, reply_text(reply, i));
}

static void on_renewed(void *data, int status, const redisReply *reply)
{
    struct call *call = data;
    struct renewals *renewals = call->renewals;
    bool ok = status == 0 && reply_is_array(reply, FIRST_SILENT);

    store_note_refusal(renewals->store, call->room, status, reply);
    if (ok) {
        take_answer(call, reply);
        if (!renewals->unbroken_ms)
            renewals->unbroken_ms = renewals->now_ms;
    } else if (status != UV_EREMOTEIO) { /* a broken room says nothing of the others */
        renewals->unbroken_ms = 0;
    }
    room_unref(call->room);
    free(call);
}

void renewals_renew(struct renewals *renewals, struct room *room)
{
    struct store *store = renewals->store;
    struct args *args = &store->args;
    struct call *call = xcalloc(1, sizeof(*call));

    call->renewals = renewals;
    call->room = room_ref(room);
    strcpy(call->epoch, room_log_epoch(&room->log));
    call->token = terms_token(&room->terms);
    call->seq = room_log_seq(&room->log);
    call->rev = announce_rev(room);
    call->told = count_told(room);
    call->users = room->users.count;
    scripts_begin(&args->cmd, SCRIPT_RENEW, 7);
    args_add_key(args, room, KEY_META);
    args_add_key(args, room, KEY_MEMBERS);
    args_add_own_on(args, room);
    args_add_key(args, room, KEY_HISTORY);
    args_add_key(args, room, KEY_ROOM_NODES);
    args_add_key(args, room, KEY_EVENTS);
    args_add_key(args, room, KEY_CHANGED);
    args_add_keep_ms(args, room->rules);
    args_add_stamp(args);
    redis_command_add_u64(&args->cmd, 2 * lease_ms(renewals));
    if (add_some_told(args, room) == 0)
        (void)add_some_told(args, room); /* the round had ended exactly there */
    store_send_script(store, SCRIPT_RENEW, on_renewed, call);
}

/* ---- whose turn it is ---- */

/* A room's turn follows from its name and the wall clock, so that all nodes ask for it at about
 * the same time and the first one spares the others most of the work (lua/renew.lua), and
 * a crowd of rooms is spread evenly. */
static unsigned slot_of(const struct room *room)
{
    return fnv_stir(fnv_add(FNV_START, room->name, room->name_len)) >> 24;
}

/* A clock that is put forward or back only makes a room's turn come sooner. */
static unsigned slot_now(const struct renewals *renewals)
{
    uint64_t round_ms = args_renew_ms(renewals->store->config);

    return (unsigned)(clock_ms() % round_ms * RENEWAL_SLOTS / round_ms);
}

void renewals_init(struct renewals *renewals, struct store *store,
                   struct reaper *reaper)
{
    *renewals = (struct renewals){.store = store, .reaper = reaper};
    for (int i = 0; i < RENEWAL_SLOTS; i++)
        list_init(&renewals->slots[i]);
    renewals->slot = slot_now(renewals);
}

void renewals_keep(struct renewals *renewals, struct room *room)
{
    if (list_is_empty(&room->renewal.link))
        list_add(&renewals->slots[slot_of(room)], &room->renewal.link);
}

void renewals_run(struct renewals *renewals, uint64_t now_ms)
{
    unsigned until = slot_now(renewals);

    renewals->now_ms = now_ms;
    while (renewals->slot != until) {
        renewals->slot = (renewals->slot + 1) % RENEWAL_SLOTS;
        list_each(link, &renewals->slots[renewals->slot]) {
            renewals_renew(renewals, list_entry(link, struct room, renewal.link));
        }
    }
}

void renewals_break(struct renewals *renewals)
{
    renewals->unbroken_ms = 0;
}
