/* world_link.c - see world.h: what the room asks of Redis, and what Redis tells.
 *
 *     hooks.… -> call -> Redis takes it -> answer    in order; the link may break anywhere
 *     history_read -> read -> Redis takes it -> answer    in any order
 *     notes -> deliver_notice    in order, but for messages
 */
#include "tests/support/unit/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/deliver.h"
#include "tests/support/unit/history_rig.h"
#include "tests/support/unit/quotes.h"
#include "tests/support/unit/room_world.h"

enum { BATCH_MAX = 5, FILL_MAX = 40 };

/* ---- reads of the history ---- */

static void on_history(void *data, const struct history *history)
{
    struct reader *reader = data;
    struct client *c = reader->client;
    struct member *member = &c->rig->member;
    struct room *room = member->room;

    if (reader->life == c->life && room) {
        room_ref(room);
        if (history)
            catchup_on_history(member, history);
        else if (!member->has_ack)
            rig_leave(c->rig, LEAVE_JOIN_FAILED);
        else
            catchup_on_failed(member);
        room_unref(room);
    }
    free(reader);
}

void world_read(struct member *member, uint64_t after)
{
    struct reader *reader = calloc(1, sizeof(*reader));

    *reader = (struct reader){world_client((struct rig_client *)member), 0};
    reader->life = reader->client->life;
    if (world.shape->has_cache)
        history_cache_read(&world.cache, member->room,
                           &(struct history_wish){after, member->progress.until},
                           rig.now_ms, on_history, reader);
    else
        history_read(
            &store_rig.store, member->room,
            &(struct history_range){.after = after, .limit = PROTO_BATCH_MESSAGES},
            on_history, reader);
}

static void on_backfill(void *data, const struct history *history)
{
    deliver_backfill(data, history);
}

static void backfill_hook(struct room *room, uint64_t after)
{
    const struct history_range range = {.after = after, .limit = PROTO_BATCH_MESSAGES};

    history_read(&store_rig.store, room, &range, on_backfill, room);
}

void world_note_reads(void)
{
    while (world.reads_count < history_rig.count)
        memset(&world.reads[world.reads_count++], 0, sizeof(world.reads[0]));
}

/* As lua/history.lua, but often with less than was asked for. */
static void execute_read(unsigned i)
{
    const struct plain_redis *r = &world.redis;
    struct read *read = &world.reads[i];
    uint64_t after = history_rig.reads[i].after;

    world_trace("redis answers read %u after %llu, redis at rev %llu", i,
                (unsigned long long)after, (unsigned long long)r->rev);
    read->is_executed = true;
    read->exists = r->exists;
    read->seq = r->seq;
    read->changed = r->changed;
    read->oldest = r->oldest;
    read->first = after != UINT64_MAX && after + 1 > r->oldest ? after + 1 : r->oldest;
    read->count = read->first <= r->seq ? (size_t)(r->seq + 1 - read->first) : 0;
    if (after != UINT64_MAX && read->count > 0) {
        size_t most = 1 + world_pick(BATCH_MAX);

        read->count = read->count < most ? read->count : most;
    } else if (read->count > FILL_MAX) {
        read->first = r->seq + 1 - FILL_MAX;
        read->count = FILL_MAX;
    }
    strcpy(read->epoch, r->epoch);
    memcpy(read->is_deleted, r->is_deleted, sizeof(read->is_deleted));
}

static void add_line(struct strbuf *out, uint64_t seq, bool is_deleted)
{
    size_t from = out->len;

    strbuf_add_format(out, q("{'type':'message','room':'r','seq':%llu,%s'text':'"),
                      (unsigned long long)seq,
                      is_deleted ? q("'deleted':true,") : q("'user':'u',"));
    while (out->len - from < PLAIN_LINE - 10)
        strbuf_add_char(out, 'x');
    strbuf_add_text(out, q("','ts':1}"));
    world_check(out->len - from == PLAIN_LINE - 1); /* and its line end */
}

/* As history_read.c: what is older than a known deletion is read again. */
static bool is_older(unsigned i)
{
    struct room_log *log = &history_rig.reads[i].room->log;
    const struct read *read = &world.reads[i];

    if (!read->is_executed || !read->exists ||
        strcmp(read->epoch, room_log_epoch(log)) != 0)
        return false;
    if (read->changed < room_log_changed(log) && !read->was_outdated)
        return true;
    room_log_note_change(log, read->changed, read->was_outdated ? UINT64_MAX : 0);
    return false;
}

static void answer_read(unsigned i, bool ok)
{
    static struct strbuf text;
    static struct json_text lines[PLAIN_MAX];
    static struct read read;
    struct history history;

    read = world.reads[i];
    if (ok && is_older(i)) {
        world.reads[i] = (struct read){.was_outdated = true};
        return;
    }
    world_trace("read %u comes back%s: %llu and %zu", i, ok ? "" : " badly",
                (unsigned long long)read.first, read.count);
    history = (struct history){.epoch = read.epoch,
                               .seq = read.seq,
                               .oldest = read.oldest,
                               .first = read.first,
                               .lines = lines,
                               .count = read.count};
    strbuf_reset(&text, SIZE_MAX);
    for (size_t k = 0; k < read.count; k++)
        add_line(&text, read.first + k, read.is_deleted[read.first + k]);
    for (size_t k = 0; k < read.count; k++)
        lines[k] = (struct json_text){text.data + k * (PLAIN_LINE - 1), PLAIN_LINE - 1};
    world.reads_count--;
    memmove(&world.reads[i], &world.reads[i + 1],
            (world.reads_count - i) * sizeof(read));
    history_rig_answer(i, ok && read.is_executed && read.exists ? &history : NULL);
}

/* ---- calls ---- */

static struct call *add_call(enum rig_kind kind, struct room *room)
{
    struct call *call = &world.calls[world.calls_count++];

    world_check(world.calls_count <= WORLD_CALLS_MAX);
    memset(call, 0, sizeof(*call));
    call->kind = kind;
    call->room = room;
    return call;
}

static void subscribe_hook(struct room *room)
{
    add_call(RIG_SUBSCRIBE, room);
}

static void unsubscribe_hook(struct room *room)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < world.calls_count; i++) {
        world_check(world.calls[i].kind == RIG_SUBSCRIBE ||
                    world.calls[i].room != room);
        if (world.calls[i].room != room)
            world.calls[kept++] = world.calls[i];
    }
    world.calls_count = kept;
    plain_set_heard(&world.redis, false);
}

static void register_hook(struct room *room)
{
    add_call(RIG_REGISTER, room);
}

static unsigned who_is(const struct room_user *user)
{
    return plain_user(user->name, user->name_len);
}

static void join_hook(struct room *room, struct join *join)
{
    struct call *call = add_call(RIG_JOIN, room);

    call->join = join;
    call->who = who_is(join->user);
    for (struct call *other = world.calls; other < call;
         other++) /* room.c keeps it back */
        world_check(other->kind != RIG_LEAVE || other->who != call->who);
}

static void leave_hook(struct room *room, struct room_user *user)
{
    struct call *call = add_call(RIG_LEAVE, room);

    call->user = user;
    call->who = who_is(user);
    call->is_counted = leave_reason_is_counted(user->reason);
    for (struct call *other = world.calls; other < call; other++)
        world_check((other->kind != RIG_LEAVE && other->kind != RIG_JOIN) ||
                    other->who != call->who);
}

static void sync_hook(struct room *room)
{
    struct call *call = add_call(RIG_SYNC, room);
    struct room_user *user;
    uint32_t at = 0;

    strcpy(call->known, room_log_epoch(&room->log));
    call->seq = room_log_seq(&room->log);
    call->rev = announce_rev(room);
    call->told = announce_told(room);
    while ((user = map_next(&room->users, &at)))
        if (user->is_in && !user->is_leaving)
            call->users[call->users_count++] =
                (struct plain_user){who_is(user), user->rev};
}

static void close_hook(struct room *room)
{
    add_call(RIG_CLOSE, room);
}

static struct room_joined state_of_redis(void)
{
    struct room_joined state = {
        .seq = world.redis.seq,
        .rev = world.redis.rev,
        .members = 1,
        .changed = world.redis.changed,
        .epoch_seq = world.redis.epoch_seq,
    };

    strcpy(state.epoch, world.redis.epoch);
    return state;
}

static void execute_sync(struct call *call)
{
    const struct plain_redis *r = &world.redis;

    call->is_closed = !plain_sync(&world.redis, call->known, call->seq, call->rev,
                                  call->users, &call->users_count);
    call->has_moved = r->rev > call->told;
    world_trace("sync: known %s seq %llu rev %llu told %llu", call->known,
                (unsigned long long)call->seq, (unsigned long long)call->rev,
                (unsigned long long)call->told);
    for (uint64_t seq = r->oldest; seq <= r->seq; seq++)
        if (r->is_deleted[seq] && seq <= call->seq)
            call->deleted[call->deleted_count++] = seq;
        else if (r->is_deleted[seq])
            world.is_untold[seq] = true;
}

static const char *const kinds[] = {"subscribe", "unsubscribe", "register", "join",
                                    "leave",     "sync",        "close"};

static void execute_call(struct call *call)
{
    world_trace("redis takes %s of u%u", kinds[call->kind], call->who);
    call->is_executed = true;
    switch (call->kind) {
    case RIG_SUBSCRIBE:
        plain_set_heard(&world.redis, world.is_up);
        break;
    case RIG_JOIN:
        plain_join(&world.redis, call->who);
        break;
    case RIG_LEAVE:
        plain_leave(&world.redis, call->who, call->is_counted);
        break;
    case RIG_SYNC:
        execute_sync(call);
        break;
    case RIG_CLOSE:
        plain_reap(&world.redis);
        break;
    default:
        break;
    }
    call->state = state_of_redis();
}

static void tell_deleted(struct room *room, uint64_t seq)
{
    struct strbuf event = {NULL, 0, 0};

    room_begin_event(room, &event, "message_deleted");
    proto_add_number(&event, "seq", seq);
    strbuf_add_char(&event, '}');
    announce_changed(room, seq, (struct json_text){event.data, event.len});
    strbuf_deinit(&event);
}

/* As sync.c ends. */
static void end_sync(const struct call *call)
{
    struct room_joined state = call->state;
    struct json_text none = {"", 0};

    for (unsigned i = 0; i < call->users_count; i++) {
        char name[8];

        plain_name(call->users[i].user, name);
        announce_kick(call->room, (struct json_text){name, strlen(name)}, none,
                      rig.now_ms);
    }
    if (call->is_closed) {
        announce_closing(call->room, none, rig.now_ms);
        strcpy(state.epoch, room_log_epoch(&call->room->log));
    } else if (call->has_moved && strcmp(call->known, state.epoch) == 0) {
        for (unsigned i = 0; i < call->deleted_count; i++)
            tell_deleted(call->room, call->deleted[i]);
    }
    room_on_synced(call->room, true, &state);
}

static void answer_first_call(bool ok)
{
    static struct call call;
    bool is_done;

    call = world.calls[0];
    is_done = ok && call.is_executed;
    world.calls_count--;
    memmove(&world.calls[0], &world.calls[1], world.calls_count * sizeof(call));
    world_trace("%s of u%u is answered%s, %s rev %llu", kinds[call.kind], call.who,
                is_done ? "" : " badly", call.state.epoch,
                (unsigned long long)call.state.rev);
    switch (call.kind) {
    case RIG_SUBSCRIBE:
        room_on_subscribed(call.room);
        break;
    case RIG_REGISTER:
        room_on_registered(call.room, is_done);
        break;
    case RIG_JOIN:
        room_on_joined(call.join, is_done ? PROTO_OK : PROTO_UNAVAILABLE,
                       is_done ? &call.state : NULL, 0);
        break;
    case RIG_LEAVE:
        if (is_done)
            room_on_left(call.room, call.user, true);
        else
            room_on_leave_unanswered(call.room, call.user);
        break;
    case RIG_SYNC:
        if (is_done)
            end_sync(&call);
        else
            room_on_synced(call.room, false, &call.state);
        break;
    default:
        room_on_closed(call.room, is_done);
        break;
    }
}

/* A call is taken by Redis in order, and its answer comes later, in order, too. */
void world_run_calls(void)
{
    unsigned i = 0;

    if (world.calls_count == 0)
        return;
    while (i < world.calls_count && world.calls[i].is_executed)
        i++;
    if (!world.is_linked && world.calls[0].kind != RIG_SUBSCRIBE)
        answer_first_call(false);
    else if (i < world.calls_count && (i == 0 || world_pick(2)))
        execute_call(&world.calls[i]);
    else
        answer_first_call(world_pick(1000) >= world.shape->refusals);
}

void world_run_reads(void)
{
    unsigned i;

    world_note_reads();
    if (world.reads_count == 0)
        return;
    i = world_pick(world.reads_count);
    if (world.is_linked && !world.reads[i].is_executed)
        execute_read(i);
    else
        answer_read(i, world.is_linked && world_pick(1000) >= world.shape->refusals);
}

/* ---- notices ---- */

static void add_event(struct strbuf *out, const struct plain_note *note, unsigned i)
{
    char name[8];
    uint64_t rev = note->rev;

    if (note->users_count > 1)
        rev = note->rev + 1 + i - note->users_count;
    plain_name(note->users[note->kind == NOTICE_KICKED ? 0 : i], name);
    strbuf_add_format(out, q("{'type':'%s','room':'r'"), notice_type(note->kind, i));
    if (note->kind == NOTICE_DELETED)
        strbuf_add_format(out, q(",'seq':%llu}"), (unsigned long long)note->first);
    else if (note->kind == NOTICE_CLOSED || (note->kind == NOTICE_KICKED && i == 0))
        strbuf_add_text(out, q(",'reason':''}"));
    else
        strbuf_add_format(out, q(",'user':'%s','reason':'','members':%llu}"), name,
                          (unsigned long long)rev);
}

static void deliver_note(const struct plain_note *note)
{
    struct strbuf lines = {NULL, 0, 0}, users = {NULL, 0, 0};
    struct room *room = world_room();
    unsigned count = note->kind == NOTICE_KICKED ? 2
                     : note->users_count > 0     ? note->users_count
                                                 : 1;

    world_trace("notice %s %s rev %llu, %llu to %llu, u%u and %u users", note->epoch,
                notice_type(note->kind, 0), (unsigned long long)note->rev,
                (unsigned long long)note->first, (unsigned long long)note->last,
                note->users[0], note->users_count);
    if (note->kind == NOTICE_MESSAGE)
        count = (unsigned)(note->last - note->first + 1);
    for (unsigned i = 0; i < count; i++) {
        if (i > 0)
            strbuf_add_char(&lines, '\n');
        if (note->kind == NOTICE_MESSAGE)
            add_line(&lines, note->first + i, false);
        else
            add_event(&lines, note, i);
    }
    for (unsigned i = 0; i < note->users_count; i++)
        strbuf_add_format(&users, "%su%u", i > 0 ? "," : "", note->users[i]);
    if (room && room_log_is_known(&room->log) &&
        strcmp(room_log_epoch(&room->log), note->epoch) != 0)
        plain_lose_note(&world.redis, note); /* the room must be compared first */
    if (room)
        rig_notice(note->epoch, note->kind, note->rev, note->first, note->last,
                   users.len > 0 ? users.data : "-", lines.data);
    strbuf_deinit(&lines);
    strbuf_deinit(&users);
}

/* A message comes no more as it was after its deletion: notices are in order, but that those of
 * messages may be lost, doubled or late here. */
static void lose_messages(uint64_t seq)
{
    for (unsigned i = world.redis.notes_count; i-- > 0;) {
        const struct plain_note *note = &world.redis.notes[i];
        struct plain_note lost;

        if (note->kind == NOTICE_MESSAGE && note->first <= seq && seq <= note->last)
            plain_take_note(&world.redis, i, &lost);
    }
}

/* Of the notices of messages that may come next: any of those before the first of another
 * kind. */
void world_run_notes(void)
{
    struct plain_redis *r = &world.redis;
    struct plain_note note;
    unsigned messages = 0, i = 0;

    if (r->notes_count == 0)
        return;
    while (messages < r->notes_count && r->notes[messages].kind == NOTICE_MESSAGE)
        messages++;
    if (messages > 0 && world_pick(4) == 0)
        i = world_pick(messages);
    plain_take_note(r, i, &note);
    if (note.kind == NOTICE_DELETED)
        lose_messages(note.first);
    if (note.kind == NOTICE_MESSAGE && world_pick(10) == 0)
        return;
    deliver_note(&note);
    if (note.kind == NOTICE_MESSAGE && r->is_heard && world_pick(10) == 0)
        r->notes[r->notes_count++] = note;
}

/* ---- all of it ---- */

void world_run_all_notes(void)
{
    while (world.redis.notes_count > 0) {
        struct plain_note note;

        plain_take_note(&world.redis, 0, &note);
        if (note.kind == NOTICE_DELETED)
            lose_messages(note.first);
        deliver_note(&note);
    }
}

void world_run_first_call(void)
{
    if (world.calls_count > 0 && world.calls[0].is_executed)
        answer_first_call(true);
    else if (world.calls_count > 0)
        execute_call(&world.calls[0]);
}

void world_run_first_read(void)
{
    world_note_reads();
    if (world.reads_count > 0 && world.reads[0].is_executed)
        answer_read(0, true);
    else if (world.reads_count > 0)
        execute_read(0);
}

void world_break_link(void)
{
    world.is_linked = false;
    world_note_reads();
    for (unsigned i = 0; i < world.calls_count && world_pick(3) > 0; i++)
        if (!world.calls[i].is_executed)
            execute_call(&world.calls[i]);
}

void world_fail_all(void)
{
    while (world.calls_count > 0 || world.reads_count > 0) {
        while (world.calls_count > 0)
            answer_first_call(world.calls[0].kind == RIG_SUBSCRIBE);
        while (world.reads_count > 0)
            answer_read(0, false);
        world_note_reads();
    }
}

void world_open_link(void)
{
    rig.on_read = world_read;
    rig.rooms.hooks = (struct room_hooks){.subscribe = subscribe_hook,
                                          .unsubscribe = unsubscribe_hook,
                                          .register_ = register_hook,
                                          .join = join_hook,
                                          .leave = leave_hook,
                                          .sync = sync_hook,
                                          .close = close_hook,
                                          .backfill = backfill_hook};
}
