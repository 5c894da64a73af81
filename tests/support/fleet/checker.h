/* checker.h - what was acked against what each member got: is anything lost or doubled?
 *
 * Every message has a number of its own, and its text begins with it. The checker is told of
 * every ack and of everything that a member gets, and judges in the end:
 *
 *     lost      acked, and to a member that was in all the time neither delivered nor named
 *               by `gap` or `reset`, nor left out by a join that was not `recovered`; and
 *               any hole in the numbers that nobody named
 *     doubled   one message delivered twice within an epoch
 *     gone      acked, and named as gone to at least one member
 *
 * What is wrong is also printed, the first few of it.
 */
#ifndef TESTS_SUPPORT_FLEET_CHECKER_H
#define TESTS_SUPPORT_FLEET_CHECKER_H

#include <stdbool.h>
#include <stdint.h>

struct checker;
struct checker_member;

struct checker_verdict {
    uint64_t acked, lost, doubled, gone;
    uint64_t disordered; /* a number below the one before it, or two texts under one */
};

struct checker *checker_new(void);
void checker_free(struct checker *checker);

/* A client in a room, from its first join on. */
struct checker_member *checker_add(struct checker *checker, const char *room,
                                   const char *user);

/* What came to it. `seq` of a join: the last one of the history. */
void checker_on_join(struct checker_member *member, const char *epoch, uint64_t seq,
                     bool recovered);
void checker_on_message(struct checker_member *member, uint64_t seq, uint64_t message);
void checker_on_gap(struct checker_member *member, uint64_t from, uint64_t to);
void checker_on_reset(struct checker_member *member, const char *epoch, uint64_t seq);

/* Message number `message` was acked. */
void checker_on_ack(struct checker *checker, const char *room, const char *epoch,
                    uint64_t seq, uint64_t message);

/* Whether every member of the room stands in `epoch` and has, or was told to be gone, what
 * was acked in it. To be waited for. */
bool checker_has_all(struct checker *checker, const char *room, const char *epoch);

/* Judges what was acked in the room since the last time, and adds to `verdict`; `epoch` is
 * the one that the room has now. */
void checker_judge(struct checker *checker, const char *room, const char *epoch,
                   struct checker_verdict *verdict);

#endif
