/* sync.c - see sync.h.
 *
 *     sync_start -> start_page -> on_page -> start_page, while there are users
 *                                         -> start_extras -> on_extras -> joins_leaves_send_ghost
 *                -> compare -> look_for_changes -> on_changes -> room_on_synced
 *                        |
 *                        +-> start_remake, and all over again
 *
 * Redis must have all that was seen of the room (terms.h). If it has not, acked messages or
 * changes are lost: then the room gets a new epoch, once (lua/remake.lua), and members are
 * told by `reset`. So it is where the history has another message as the last one that was seen, and
 * where a key of the room was lost and its counts of members tell nothing any more (lua/sync.lua,
 * torn), and where it stands under an epoch again that members were led away from by a `reset`, or of a
 * room that was closed.
 *
 * Where the room's rev has moved beyond what members were told of, a deletion or an edit may have been
 * missed: then those after it are read (changes.h), and members are told, perhaps once more.
 *
 * The users, or the epoch, may change between two pages; then the walk begins again, which
 * does no harm.
 */
#include "gateway/sync.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/sha.h>

#include "common/digits.h"
#include "common/intake.h"
#include "common/log.h"
#include "common/reply.h"
#include "common/xalloc.h"
#include "gateway/announce.h"
#include "gateway/args.h"
#include "gateway/changes.h"
#include "gateway/deliver.h"
#include "gateway/joins_leaves.h"

enum { SYNC_USERS = 500 };

struct sync {
    struct store *store;
    struct room *room;
    char known[PROTO_EPOCH_LEN + 1];
    uint32_t at;    /* in the walk over the users */
    uint32_t seen;  /* how many there were: another number begins again */
    unsigned users; /* sent so far */
    struct room_joined state;
    uint64_t told;       /* announce_told at the beginning, then what was found */
    struct terms sent;   /* what was seen when the walk began */
    struct strbuf terms; /* what meta says, of the last answer */
    char cursor[REPLY_CURSOR_BYTES]; /* of the HSCAN over on:<node> */
};

static void start_page(struct sync *sync);
static void start_extras(struct sync *sync);
static void compare(struct sync *sync);

static void end_sync(struct sync *sync, bool ok)
{
    struct room *room = sync->room;
    struct room_joined state = sync->state;

    strbuf_deinit(&sync->terms);
    free(sync);
    room_on_synced(room, ok, &state);
}

/* A user that Redis has on this node, and this node has not. */
static void send_extra(struct sync *sync, struct json_text name)
{
    struct room_user *ghost = xcalloc(1, sizeof(*ghost) + name.len + 1);

    ghost->name_len = (unsigned char)name.len;
    memcpy(ghost->name, name.base, name.len);
    joins_leaves_send_ghost(sync->store, sync->room, ghost);
    free(ghost);
}

/* Under the empty name stands the mark of a closing. */
static bool is_extra(const struct sync *sync, struct json_text name)
{
    return (name.len == 0 || intake_user(sync->store->metrics, "on", name)) &&
           !map_find(&sync->room->users, name.base, name.len);
}

static void on_extras(void *data, int status, const redisReply *reply)
{
    struct sync *sync = data;
    const redisReply *page = reply_at(reply, 1);

    if (status < 0 || !reply_is_array(page, 0) ||
        !reply_take_cursor(sync->cursor, reply, 0)) {
        end_sync(sync, false);
        return;
    }
    for (size_t i = 0; i + 1 < reply_count(page); i += 2) {
        struct json_text name = reply_text(page, i);

        if (is_extra(sync, name))
            send_extra(sync, name);
    }
    if (strcmp(sync->cursor, "0") == 0)
        compare(sync);
    else
        start_extras(sync);
}

static void start_extras(struct sync *sync)
{
    struct store *store = sync->store;

    redis_command_begin(&store->args.cmd);
    redis_command_add_text(&store->args.cmd, "HSCAN");
    args_add_own_on(&store->args, sync->room);
    redis_command_add_text(&store->args.cmd, sync->cursor);
    redis_command_add_text(&store->args.cmd, "COUNT");
    redis_command_add_u64(&store->args.cmd, SYNC_USERS);
    store_send_command(store, on_extras, sync);
}

/* ---- has Redis what was seen here? ---- */

static void start_over(struct sync *sync)
{
    sync->at = sync->users = 0;
    sync->state.epoch[0] = '\0';
    strcpy(sync->cursor, "0");
    start_page(sync);
}

static void on_remade(void *data, int status, const redisReply *reply)
{
    struct sync *sync = data;

    (void)reply;
    if (status < 0)
        end_sync(sync, false);
    else
        start_over(sync);
}

static void start_remake(struct sync *sync, const char *epoch)
{
    struct store *store = sync->store;

    scripts_begin(&store->args.cmd, SCRIPT_REMAKE, 4);
    args_add_key(&store->args, sync->room, KEY_META);
    args_add_key(&store->args, sync->room, KEY_MEMBERS);
    args_add_key(&store->args, sync->room, KEY_EVENTS);
    args_add_key(&store->args, sync->room, KEY_CHANGED);
    redis_command_add_text(&store->args.cmd, epoch);
    args_add_new_epoch(&store->args);
    store_send_script(store, SCRIPT_REMAKE, on_remade, sync);
}

static void look_for_changes(struct sync *sync);

static void on_changes(void *data, const struct changes *changes)
{
    struct sync *sync = data;

    if (!changes || !token_equals(changes->token, sync->state.token)) {
        end_sync(sync, false);
        return;
    }
    if (changes->is_cut) { /* more than Redis remembers: members read all of it again */
        start_remake(sync, sync->known);
        return;
    }
    for (size_t i = 0; i < changes->count; i++)
        announce_changed(sync->room, changes->items[i].seq, changes->items[i].event);
    sync->told = changes->rev;
    if (changes->has_more)
        look_for_changes(sync);
    else
        end_sync(sync, true);
}

static void look_for_changes(struct sync *sync)
{
    struct changes_range range = {sync->told, room_log_seq(&sync->room->log)};

    changes_read(sync->store, sync->room, &range, on_changes, sync);
}

/* What was delivered counts as seen under the room's token. */
static void see_delivered(struct room *room)
{
    terms_see(&room->terms, terms_token(&room->terms), room_log_seq(&room->log),
              announce_rev(room));
}

static void compare(struct sync *sync)
{
    struct room *room = sync->room;
    struct terms_seen answer = {sync->state.token, sync->state.seq, sync->state.rev};
    struct json_text entries = {sync->terms.data, sync->terms.len};

    see_delivered(room);
    if (room_log_has_given_up(&room->log, sync->state.epoch))
        start_remake(sync, sync->state.epoch); /* Redis has gone back to it */
    else if (strcmp(sync->known, sync->state.epoch) != 0)
        end_sync(sync, true);
    else if (!terms_holds(&room->terms, &sync->sent, &answer, entries))
        start_remake(sync, sync->known);
    else if (sync->state.rev > sync->told && room_log_seq(&room->log) > 0 &&
             !deliver_withholds_all(room, sync->state.token))
        look_for_changes(sync);
    else
        end_sync(sync, true);
}

/* ---- pages of users ---- */

static void take_kicks(struct sync *sync, const redisReply *reply)
{
    for (size_t i = 10; i + 1 < reply_count(reply); i += 2)
        if (intake_user(sync->store->metrics, "kicks", reply_text(reply, i)))
            announce_kick(sync->room, reply_text(reply, i), reply_text(reply, i + 1),
                          0);
}

static void take_terms(struct sync *sync, struct json_text terms)
{
    strbuf_reset(&sync->terms, 4096);
    strbuf_add(&sync->terms, terms.base, terms.len);
}

static void on_page(void *data, int status, const redisReply *reply)
{
    struct sync *sync = data;
    struct room *room = sync->room;
    char before[PROTO_EPOCH_LEN + 1]; /* of the page before, if there was one */

    strcpy(before, sync->state.epoch);
    store_note_refusal(sync->store, room, status, reply);
    if (status == 0 && reply_is_array(reply, 2) && reply_is_text(reply, 0, "closed")) {
        announce_closing(room, reply_text(reply, 1), 0);
        strcpy(sync->state.epoch, room_log_epoch(&room->log));
        end_sync(sync, true);
        return;
    }
    if (status < 0 || !reply_is_array(reply, 2) ||
        !reply_take_epoch(sync->state.epoch, reply, 1)) {
        end_sync(sync, false);
        return;
    }
    if (reply_is_text(reply, 0, "torn")) {
        log_warn("room_torn",
                 "room=%s text=\"a key of it was lost, or its history is another: it "
                 "is remade\"",
                 log_name(room->name, room->name_len));
        start_remake(sync, sync->state.epoch);
        return;
    }
    if (!reply_is_array(reply, 10)) {
        end_sync(sync, false);
        return;
    }
    sync->state.seq = reply_number(reply, 2);
    sync->state.rev = reply_number(reply, 3);
    sync->state.members = reply_number(reply, 4);
    sync->state.token = reply_token(reply, 6);
    sync->state.changed = reply_number(reply, 8);
    sync->state.epoch_seq = reply_number(reply, 9);
    take_terms(sync, reply_text(reply, 7));
    store_touched(sync->store, room, false);
    take_kicks(sync, reply);
    if (sync->seen != room->users.count ||
        (before[0] && strcmp(before, sync->state.epoch) != 0))
        sync->at = sync->users = 0;
    if (sync->at < room->users.cap)
        start_page(sync);
    else if (reply_number(reply, 5) > sync->users)
        start_extras(sync);
    else
        compare(sync);
}

/* The number of the last message that was seen, and the SHA-1 of its line. */
static void add_last_line(struct sync *sync)
{
    struct redis_command *cmd = &sync->store->args.cmd;
    struct frame *last = room_log_last(&sync->room->log);
    unsigned char raw[SHA_DIGEST_LENGTH];
    char digest[2 * SHA_DIGEST_LENGTH + 1] = "";
    const char *text;
    size_t len;

    if (last) {
        text = frame_text(last, &len);
        SHA1((const unsigned char *)text, len, raw);
        digits_print_hex(digest, raw, sizeof(raw));
    }
    redis_command_add_u64(cmd, room_log_seq(&sync->room->log));
    redis_command_add_text(cmd, digest);
}

static void add_token(struct sync *sync)
{
    struct token token = terms_token(&sync->room->terms);
    char text[48] = "";

    if (token_is_known(token))
        snprintf(text, sizeof(text), "%llu.%016llx", (unsigned long long)token.term,
                 (unsigned long long)token.home);
    redis_command_add_text(&sync->store->args.cmd, text);
}

static void start_page(struct sync *sync)
{
    struct store *store = sync->store;
    struct room *room = sync->room;
    struct room_user *user;
    unsigned count = 0;

    sync->seen = room->users.count;
    scripts_begin(&store->args.cmd, SCRIPT_SYNC, 10);
    args_add_key(&store->args, room, KEY_META);
    args_add_key(&store->args, room, KEY_MEMBERS);
    args_add_own_on(&store->args, room);
    args_add_key(&store->args, room, KEY_HISTORY);
    args_add_key(&store->args, room, KEY_EVENTS);
    args_add_key(&store->args, room, KEY_KICKS);
    args_add_key(&store->args, room, KEY_CLOSED);
    args_add_key(&store->args, room, KEY_BANS);
    args_add_key(&store->args, room, KEY_ROOM_NODES);
    args_add_key(&store->args, room, KEY_CHANGED);
    redis_command_add_text(&store->args.cmd, sync->known);
    args_add_new_epoch(&store->args);
    args_add_keep_ms(&store->args, room->rules);
    args_add_shard(&store->args);
    args_add_events_max(&store->args, room->rules);
    args_add_presence_head(&store->args, "member_joined", room->name, room->name_len,
                           NULL);
    redis_command_add_u64(&store->args.cmd, room->is_told);
    add_last_line(sync);
    args_add_stamp(&store->args);
    add_token(sync);
    while (count < SYNC_USERS && (user = map_next(&room->users, &sync->at))) {
        if (!user->is_in || user->is_leaving)
            continue;
        redis_command_add(&store->args.cmd, user->name, user->name_len);
        args_add_percent(&store->args, user->name, user->name_len);
        redis_command_add_u64(&store->args.cmd, user->rev);
        count++;
    }
    sync->users += count;
    store_send_script(store, SCRIPT_SYNC, on_page, sync);
}

void sync_start(struct store *store, struct room *room)
{
    struct sync *sync = xcalloc(1, sizeof(*sync));

    sync->store = store;
    sync->room = room;
    strcpy(sync->known, room_log_epoch(&room->log));
    sync->told = announce_told(room);
    see_delivered(room);
    sync->sent = room->terms;
    strcpy(sync->cursor, "0");
    start_page(sync);
}
