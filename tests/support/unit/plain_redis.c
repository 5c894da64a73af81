/* plain_redis.c - see plain_redis.h. */
#include "tests/support/unit/plain_redis.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void plain_name(unsigned user, char out[8])
{
    snprintf(out, 8, "u%u", user % 100);
}

unsigned plain_user(const char *name, size_t len)
{
    assert_true(len == 2 && name[0] == 'u');
    return (unsigned)(name[1] - '0');
}

static void create(struct plain_redis *r)
{
    r->exists = true;
    snprintf(r->epoch, sizeof(r->epoch), "%016x", ++r->epochs % 0xffffff);
    r->seq = r->rev = r->changed = r->epoch_seq = 0;
    r->oldest = 1;
    memset(r->is_deleted, 0, sizeof(r->is_deleted));
    memset(r->changes, 0, sizeof(r->changes));
    memset(r->kicked_rev, 0, sizeof(r->kicked_rev));
    memset(r->members, 0, sizeof(r->members));
    memset(r->on, 0, sizeof(r->on));
}

void plain_lose_note(struct plain_redis *r, const struct plain_note *note)
{
    unsigned lines = note->users_count > 1 ? note->users_count : 1;

    if (strcmp(note->epoch, r->epoch) == 0 && note->kind != NOTICE_MESSAGE)
        for (uint64_t rev = note->rev + 1 - lines; rev <= note->rev; rev++)
            r->changes[rev].is_lost = true;
}

static void tell(struct plain_redis *r, struct plain_note note)
{
    strcpy(note.epoch, r->epoch);
    note.rev = r->rev;
    if (!r->is_heard) {
        plain_lose_note(r, &note);
        return;
    }
    assert_true(r->notes_count < PLAIN_NOTES);
    r->notes[r->notes_count++] = note;
}

/* Raises the rev by one. */
static void raise_rev(struct plain_redis *r, enum notice_kind kind, unsigned user)
{
    assert_true(r->rev + 1 < PLAIN_MAX);
    r->changes[++r->rev] = (struct plain_change){kind, user, false};
}

static void tell_of(struct plain_redis *r, enum notice_kind kind, unsigned user)
{
    raise_rev(r, kind, user);
    tell(r, (struct plain_note){.kind = kind, .users = {user}, .users_count = 1});
}

void plain_publish(struct plain_redis *r, unsigned count)
{
    if (!r->exists || r->seq + count >= PLAIN_MAX)
        return;
    r->seq += count;
    if (r->seq - r->oldest + 1 > r->limit)
        r->oldest = r->seq - r->limit + 1;
    tell(r, (struct plain_note){
                .kind = NOTICE_MESSAGE, .first = r->seq - count + 1, .last = r->seq});
}

bool plain_delete(struct plain_redis *r, uint64_t seq)
{
    if (!r->exists || seq < r->oldest || seq > r->seq || r->is_deleted[seq])
        return false;
    r->is_deleted[seq] = true;
    raise_rev(r, NOTICE_DELETED, 0);
    r->changed = r->rev;
    tell(r, (struct plain_note){.kind = NOTICE_DELETED, .first = seq, .last = seq});
    return true;
}

static bool is_on(const struct plain_redis *r, unsigned user)
{
    return strcmp(r->on[user], r->epoch) == 0;
}

void plain_join(struct plain_redis *r, unsigned user)
{
    if (!r->exists)
        create(r);
    if (is_on(r, user))
        return;
    strcpy(r->on[user], r->epoch);
    if (r->members[user]++ == 0)
        tell_of(r, NOTICE_JOINED, user);
}

void plain_leave(struct plain_redis *r, unsigned user, bool is_counted)
{
    bool was_on = r->exists && is_on(r, user) && r->members[user] > 0;

    r->on[user][0] = '\0';
    if (was_on && is_counted && --r->members[user] == 0)
        tell_of(r, NOTICE_LEFT, user);
}

void plain_kick(struct plain_redis *r, unsigned user)
{
    if (!r->exists || r->members[user] == 0)
        return;
    r->members[user] = 0;
    strcpy(r->on[user], "kicked");
    tell_of(r, NOTICE_KICKED, user);
    r->kicked_rev[user] = r->rev;
}

void plain_close(struct plain_redis *r)
{
    if (!r->exists)
        return;
    raise_rev(r, NOTICE_CLOSED, 0);
    tell(r, (struct plain_note){.kind = NOTICE_CLOSED});
    r->exists = false;
    strcpy(r->closed, r->epoch);
    memset(r->members, 0, sizeof(r->members));
    memset(r->on, 0, sizeof(r->on));
}

void plain_reap(struct plain_redis *r)
{
    for (unsigned user = 0; user < PLAIN_LOCAL; user++)
        plain_leave(r, user, true);
}

void plain_far(struct plain_redis *r, unsigned first, unsigned count)
{
    enum notice_kind kind = r->members[first] ? NOTICE_LEFT : NOTICE_JOINED;
    struct plain_note note = {.kind = kind};

    if (!r->exists)
        return;
    for (unsigned user = first; user < first + count && user < PLAIN_USERS; user++) {
        if ((r->members[user] > 0) != (kind == NOTICE_LEFT))
            continue;
        r->members[user] = kind == NOTICE_JOINED;
        raise_rev(r, kind, user);
        note.users[note.users_count++] = user;
    }
    tell(r, note);
}

static void remake(struct plain_redis *r)
{
    char epoch[PROTO_EPOCH_LEN + 1];

    snprintf(epoch, sizeof(epoch), "%016x", ++r->epochs % 0xffffff);
    strcpy(r->epoch, epoch);
    r->epoch_seq = r->seq;
    raise_rev(r, NOTICE_MESSAGE, 0);
    memset(r->members, 0, PLAIN_LOCAL * sizeof(r->members[0]));
}

bool plain_sync(struct plain_redis *r, const char *known, uint64_t seq, uint64_t rev,
                struct plain_user *users, unsigned *count)
{
    unsigned sent = *count;
    bool is_same, is_named[PLAIN_LOCAL] = {false};

    *count = 0;
    if (r->closed[0] && strcmp(r->closed, known) == 0)
        return false;
    if (!r->exists)
        create(r);
    is_same = strcmp(r->epoch, known) == 0;
    if (is_same && (r->seq < seq || r->rev < rev)) {
        remake(r);
        is_same = false;
    }
    for (unsigned i = 0; i < sent; i++) {
        unsigned user = users[i].user;

        is_named[user] = true;
        if (is_same && r->kicked_rev[user] > users[i].rev) {
            /* sync.lua counts nobody down here, also one who joined again after the kick
             * without the node knowing it. */
            plain_leave(r, user, true);
            users[(*count)++] = users[i];
        } else {
            plain_join(r, user);
        }
    }
    for (unsigned user = 0; user < PLAIN_LOCAL; user++)
        if (!is_named[user])
            plain_leave(r, user, true);
    return true;
}

void plain_lose(struct plain_redis *r)
{
    r->exists = false;
    memset(r->members, 0, sizeof(r->members));
    memset(r->on, 0, sizeof(r->on));
}

void plain_go_back(struct plain_redis *r, uint64_t seq, uint64_t rev)
{
    r->seq = seq;
    r->rev = rev;
    if (r->changed > rev)
        for (r->changed = rev; r->changed > 0; r->changed--)
            if (r->changes[r->changed].kind == NOTICE_DELETED)
                break;
    if (r->oldest > seq + 1)
        r->oldest = seq + 1;
    for (uint64_t i = seq + 1; i < PLAIN_MAX; i++)
        r->is_deleted[i] = false;
    for (uint64_t i = rev + 1; i < PLAIN_MAX; i++)
        r->changes[i] = (struct plain_change){NOTICE_MESSAGE, 0, false};
    for (unsigned user = 0; user < PLAIN_LOCAL; user++)
        if (r->kicked_rev[user] > rev)
            r->kicked_rev[user] = 0;
}

void plain_set_heard(struct plain_redis *r, bool is_heard)
{
    r->is_heard = is_heard;
    if (!is_heard) {
        for (unsigned i = 0; i < r->notes_count; i++)
            plain_lose_note(r, &r->notes[i]);
        r->notes_count = 0;
    }
}

void plain_take_note(struct plain_redis *r, unsigned i, struct plain_note *out)
{
    *out = r->notes[i];
    r->notes_count--;
    memmove(&r->notes[i], &r->notes[i + 1], (r->notes_count - i) * sizeof(*out));
}
