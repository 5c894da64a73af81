/* checker.c - see checker.h.
 *
 * For each room: its epochs, and what stands under each number of each. For each member and
 * each epoch it saw: from which number on, and what it got.
 *
 * Holes, doubles and disorder show when they come; what is missing at the end shows in
 * checker_judge. What was acked in an epoch that is over was named as gone by the
 * `reset` that ended it.
 */
#include "tests/support/fleet/checker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

enum { EPOCH_MAX = 32, COMPLAINTS = 20 };

enum got { NOTHING, MESSAGE, NAMED };

struct epoch {
    char name[EPOCH_MAX];
    uint64_t *at; /* message by number; 0: not known */
    uint64_t cap;
};

struct ack {
    unsigned epoch;
    uint64_t seq, message;
};

struct place {
    unsigned epoch; /* + 1; 0: nowhere yet */
    uint64_t seq;
};

struct room {
    struct room *next;
    char *name;
    struct epoch *epochs;
    unsigned epochs_count;
    struct ack *acks;
    uint64_t acks_count, acks_cap, judged;
    struct place *places; /* by message */
    uint64_t places_cap;
    struct checker_member *members;
};

/* What a member got in an epoch. */
struct stay {
    bool is_known;
    uint64_t start, next;
    unsigned char *got; /* by number */
    uint64_t cap;
};

struct checker_member {
    struct checker_member *next;
    struct checker *checker;
    struct room *room;
    char *user;
    struct stay *stays; /* by epoch */
    unsigned stays_count, now;
    bool is_in;
    bool is_open; /* the next message tells where the history begins */
};

struct checker {
    struct room *rooms;
    struct checker_verdict found; /* since the last judgement */
    unsigned complaints;
};

static void complain(struct checker *checker, const char *format, ...)
{
    va_list args;

    if (checker->complaints++ >= COMPLAINTS)
        return;
    va_start(args, format);
    fprintf(stderr, "checker: ");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

/* An array of `size` a piece with room for index `at`, what is new zeroed. */
static void *reach(void *array, uint64_t *cap, uint64_t at, size_t size)
{
    uint64_t more = *cap ? *cap : 64;

    if (at < *cap)
        return array;
    while (more <= at)
        more *= 2;
    array = xrealloc(array, more * size);
    memset((char *)array + *cap * size, 0, (more - *cap) * size);
    *cap = more;
    return array;
}

static struct room *room_of(struct checker *checker, const char *name)
{
    struct room *room = checker->rooms;

    while (room && strcmp(room->name, name) != 0)
        room = room->next;
    if (room)
        return room;
    room = xcalloc(1, sizeof(*room));
    room->name = xstrdup(name);
    room->next = checker->rooms;
    checker->rooms = room;
    return room;
}

static unsigned epoch_of(struct room *room, const char *name)
{
    unsigned i = 0;

    while (i < room->epochs_count && strcmp(room->epochs[i].name, name) != 0)
        i++;
    if (i < room->epochs_count)
        return i;
    room->epochs = xrealloc(room->epochs, (i + 1) * sizeof(*room->epochs));
    room->epochs[i] = (struct epoch){.at = NULL};
    snprintf(room->epochs[i].name, EPOCH_MAX, "%s", name);
    room->epochs_count++;
    return i;
}

static struct stay *stay_of(struct checker_member *member)
{
    if (member->now >= member->stays_count) {
        member->stays =
            xrealloc(member->stays, (member->now + 1) * sizeof(*member->stays));
        memset(member->stays + member->stays_count, 0,
               (member->now + 1 - member->stays_count) * sizeof(*member->stays));
        member->stays_count = member->now + 1;
    }
    return &member->stays[member->now];
}

static void mark(struct stay *stay, uint64_t from, uint64_t to, enum got got)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        stay->got = reach(stay->got, &stay->cap, seq, 1);
        stay->got[seq] = (unsigned char)got;
    }
}

static enum got got_of(const struct stay *stay, uint64_t seq)
{
    return seq < stay->cap ? stay->got[seq] : NOTHING;
}

/* `message` stands under `seq`: there must be no other, and it nowhere else. */
static void note(struct checker *checker, struct room *room, unsigned epoch,
                 uint64_t seq, uint64_t message)
{
    struct epoch *e = &room->epochs[epoch];
    struct place *place;

    e->at = reach(e->at, &e->cap, seq, sizeof(*e->at));
    room->places =
        reach(room->places, &room->places_cap, message, sizeof(*room->places));
    place = &room->places[message];
    if (e->at[seq] && e->at[seq] != message) {
        checker->found.disordered++;
        complain(checker, "%s: %s %llu is message %llu and message %llu", room->name,
                 e->name, (unsigned long long)seq, (unsigned long long)e->at[seq],
                 (unsigned long long)message);
    }
    if (place->epoch == epoch + 1 && place->seq != seq) {
        checker->found.doubled++;
        complain(checker, "%s: message %llu is %s %llu and %llu", room->name,
                 (unsigned long long)message, e->name, (unsigned long long)place->seq,
                 (unsigned long long)seq);
    }
    e->at[seq] = message;
    *place = (struct place){epoch + 1, seq};
}

struct checker *checker_new(void)
{
    return xcalloc(1, sizeof(struct checker));
}

static void free_member(struct checker_member *member)
{
    for (unsigned i = 0; i < member->stays_count; i++)
        free(member->stays[i].got);
    free(member->stays);
    free(member->user);
    free(member);
}

static void free_room(struct room *room)
{
    struct checker_member *member;

    while ((member = room->members)) {
        room->members = member->next;
        free_member(member);
    }
    for (unsigned i = 0; i < room->epochs_count; i++)
        free(room->epochs[i].at);
    free(room->epochs);
    free(room->acks);
    free(room->places);
    free(room->name);
    free(room);
}

void checker_free(struct checker *checker)
{
    struct room *room;

    while (checker && (room = checker->rooms)) {
        checker->rooms = room->next;
        free_room(room);
    }
    free(checker);
}

struct checker_member *checker_add(struct checker *checker, const char *room,
                                   const char *user)
{
    struct checker_member *member = xcalloc(1, sizeof(*member));

    member->checker = checker;
    member->room = room_of(checker, room);
    member->user = xstrdup(user);
    member->next = member->room->members;
    member->room->members = member;
    return member;
}

/* ---- what comes to a member ---- */

void checker_on_join(struct checker_member *member, const char *epoch, uint64_t seq,
                     bool recovered)
{
    struct stay *stay;
    bool was_there;

    member->now = epoch_of(member->room, epoch);
    stay = stay_of(member);
    was_there = stay->is_known;
    if (recovered && !was_there)
        complain(member->checker, "%s: %s is recovered in an epoch it was never in",
                 member->room->name, member->user);
    stay->is_known = member->is_in = true;
    if (!was_there)
        stay->start = stay->next = 1;
    member->is_open = !recovered && seq >= stay->next;
}

void checker_on_message(struct checker_member *member, uint64_t seq, uint64_t message)
{
    struct checker *checker = member->checker;
    struct stay *stay = stay_of(member);
    const char *room = member->room->name;

    note(checker, member->room, member->now, seq, message);
    if (member->is_open && seq >= stay->next) {
        mark(stay, stay->next, seq - 1, NAMED);
        stay->next = seq;
    }
    member->is_open = false;
    if (got_of(stay, seq) == MESSAGE) {
        checker->found.doubled++;
        complain(checker, "%s: %s got %llu twice", room, member->user,
                 (unsigned long long)seq);
    } else if (seq < stay->next) {
        checker->found.disordered++;
        complain(checker, "%s: %s got %llu behind %llu", room, member->user,
                 (unsigned long long)seq, (unsigned long long)stay->next - 1);
    } else if (seq > stay->next) {
        checker->found.lost += seq - stay->next;
        complain(checker, "%s: %s got %llu behind %llu: a hole", room, member->user,
                 (unsigned long long)seq, (unsigned long long)stay->next - 1);
    }
    mark(stay, seq, seq, MESSAGE);
    if (seq >= stay->next)
        stay->next = seq + 1;
}

void checker_on_gap(struct checker_member *member, uint64_t from, uint64_t to)
{
    struct stay *stay = stay_of(member);

    if (from != stay->next && !member->is_open)
        complain(member->checker,
                 "%s: %s is told of a gap from %llu, but stands at %llu",
                 member->room->name, member->user, (unsigned long long)from,
                 (unsigned long long)stay->next);
    for (uint64_t seq = from; seq <= to; seq++)
        if (got_of(stay, seq) == NOTHING)
            mark(stay, seq, seq, NAMED);
    member->is_open = false;
    if (to >= stay->next)
        stay->next = to + 1;
}

void checker_on_reset(struct checker_member *member, const char *epoch, uint64_t seq)
{
    struct stay *stay;

    member->now = epoch_of(member->room, epoch);
    member->is_open = false;
    stay = stay_of(member);
    if (stay->is_known) {
        complain(member->checker, "%s: %s is told of the reset to %s twice",
                 member->room->name, member->user, epoch);
        return;
    }
    *stay = (struct stay){.is_known = true, .start = seq + 1, .next = seq + 1};
}

void checker_on_ack(struct checker *checker, const char *name, const char *epoch,
                    uint64_t seq, uint64_t message)
{
    struct room *room = room_of(checker, name);
    unsigned e = epoch_of(room, epoch);

    note(checker, room, e, seq, message);
    room->acks =
        reach(room->acks, &room->acks_cap, room->acks_count, sizeof(*room->acks));
    room->acks[room->acks_count++] = (struct ack){e, seq, message};
}

/* ---- the verdict ---- */

/* What an ack came to for a member; `last`: the room's epoch now. */
static enum got outcome(const struct checker_member *member, const struct ack *ack,
                        unsigned last)
{
    const struct stay *stay =
        ack->epoch < member->stays_count ? &member->stays[ack->epoch] : NULL;
    enum got got = stay && stay->is_known ? got_of(stay, ack->seq) : NOTHING;

    if (got != NOTHING)
        return got;
    if (ack->epoch != last)
        return member->now == last ? NAMED : NOTHING;
    return stay && stay->is_known && ack->seq < stay->start ? NAMED : NOTHING;
}

bool checker_has_all(struct checker *checker, const char *name, const char *epoch)
{
    struct room *room = room_of(checker, name);
    unsigned last = epoch_of(room, epoch);

    for (const struct checker_member *m = room->members; m; m = m->next) {
        if (!m->is_in || m->now != last)
            return false;
        for (uint64_t i = room->judged; i < room->acks_count; i++)
            if (outcome(m, &room->acks[i], last) == NOTHING)
                return false;
    }
    return true;
}

static void judge_ack(struct checker *checker, struct room *room, const struct ack *ack,
                      unsigned last, struct checker_verdict *verdict)
{
    bool is_gone = false;

    for (const struct checker_member *m = room->members; m; m = m->next) {
        enum got got = outcome(m, ack, last);

        is_gone = is_gone || got == NAMED;
        if (got != NOTHING)
            continue;
        verdict->lost++;
        complain(checker, "%s: %s never got %s %llu, message %llu", room->name, m->user,
                 room->epochs[ack->epoch].name, (unsigned long long)ack->seq,
                 (unsigned long long)ack->message);
    }
    verdict->acked++;
    verdict->gone += is_gone;
}

void checker_judge(struct checker *checker, const char *name, const char *epoch,
                   struct checker_verdict *verdict)
{
    struct room *room = room_of(checker, name);
    unsigned last = epoch_of(room, epoch);

    for (; room->judged < room->acks_count; room->judged++)
        judge_ack(checker, room, &room->acks[room->judged], last, verdict);
    verdict->lost += checker->found.lost;
    verdict->doubled += checker->found.doubled;
    verdict->disordered += checker->found.disordered;
    checker->found = (struct checker_verdict){0, 0, 0, 0, 0};
}
