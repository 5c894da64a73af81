/* membership_stage.h - where memberships are tested: a real room, without sockets and Redis.
 *
 * What the client says is a letter and a digit, as in `j1`: join, leave, message, history, and
 * the id. What it is sent is compared with ' in place of ". What goes to Redis is recorded, and
 * the test answers it.
 */
#ifndef TESTS_UNIT_MEMBERSHIP_STAGE_H
#define TESTS_UNIT_MEMBERSHIP_STAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/membership.h"

#define EPOCH "00000000000000e1"
#define OTHER_EPOCH "00000000000000e2"

enum { IDS = 10 };

struct stage {
    struct conn_env conn_env;
    struct conn conn;
    uv_loop_t loop;
    struct config config;
    struct rooms rooms;
    struct history_cache history_cache;
    struct strbuf reply;
    struct membership_env env;
    struct request_env request_env;
    struct request_window requests;
    struct slot slot;
    struct memberships in;
    bool is_closed, is_choked, is_full; /* of the socket */
    bool is_watched, is_settled;
    struct strbuf sent;
    struct request *running[IDS]; /* begun and not answered, by id */
    unsigned turns;               /* of deferred requests */
    struct json_text since_epoch; /* of the joins that are said */
    uint64_t since_seq;

    /* What waits for Redis's answer. */
    struct room *room; /* NULL: freed */
    struct join *join;
    struct room_user *leaving;
    enum leave_reason leave_reason;
    bool is_subscribing, is_registering, is_syncing, is_room_closing;
    unsigned syncs;
    bool is_reading;
    uint64_t read_after;
    history_read_fn on_read;
    void *read_data;
};

#define ACK(id, seq, recovered)                                                        \
    "{'type':'join_ack','id':" id                                                      \
    ",'room':'r','user':'u','epoch':'00000000000000e1','seq':" seq                     \
    ",'members':3,'recovered':" recovered ",'can':'rw','rev':7}\n"
#define BATCH(messages, more)                                                          \
    "{'type':'history_batch','room':'r','epoch':'00000000000000e1','messages':"        \
    "[" messages "],'more':" more "}\n"

/* Of a cmocka group. */
int stage_set_up(void **state);
int stage_tear_down(void **state);

/* Nobody is in. stage_free ends the socket and answers all that is left; nothing may stay. */
struct stage *stage_new(void);
void stage_free(struct stage *s);

/* In the room and live, with `seq` messages in the history. */
struct stage *stage_new_live(uint64_t seq);

/* Brings a new member to the state; the slot is waited for if `is_choked`. */
struct stage *stage_new_at(enum member_state state, bool is_choked);

/* The membership in the room, or NULL; and the state of its member. */
struct membership *stage_find(struct stage *s);
enum member_state stage_state(struct stage *s);

/* The client says something; what it was sent since the last stage_expect. */
void stage_say(struct stage *s, const char *text);
void stage_expect(struct stage *s, const char *sent);

/* Its socket takes more again; it ends. */
void stage_drain(struct stage *s);
void stage_end_socket(struct stage *s);

/* Redis answers a request that is no join; the join; all that is neither of these nor a read. */
void stage_answer(struct stage *s, int id);
void stage_answer_join(struct stage *s, enum proto_error error, uint64_t seq,
                       uint64_t wait_ms);
void stage_settle(struct stage *s);

/* It answers the read with the messages from `first` to `seq`, as `<1>`, `<2>`, all that there
 * are from `oldest` on; with the first of two alone; it does not answer. */
void stage_give(struct stage *s, uint64_t oldest, uint64_t first, uint64_t seq);
void stage_give_first(struct stage *s);
void stage_fail_read(struct stage *s);

/* The room has another message. */
void stage_append(struct stage *s, const char *text);

#endif
