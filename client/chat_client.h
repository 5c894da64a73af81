/* chat_client.h - a client that stays in its rooms, whatever happens to its connection.
 *
 *     struct chat_client *ann = chat_client_open(loop, &opts);
 *     chat_client_join(ann, "lobby", "ann");
 *     chat_client_say(ann, "lobby", "hi", 2);
 *     chat_client_close(ann);
 *
 * It comes back by itself: to the next address, after a pause of full jitter, or at the time
 * that a gateway's `reconnect` tells. It joins again with `since`, so the conversation goes
 * on where it was cut, and says again with its `key` what was not acked, so that nothing
 * is said twice. What cannot be had any more arrives as `gap` or `reset`, or as a join_ack
 * that is not `recovered`.
 *
 * Messages of a room are sent in the order said. One that Redis did not take is sent again
 * later, and may then stand behind one that was said after it.
 *
 * A message that is too large for the server closes the connection; it is given up with
 * `too_large`, and all else goes on.
 *
 * Where the fleet asks for tokens, on_token_wanted is called on each connection and before a token
 * ends; chat_client_bring_token answers it, then or later. Until it has, nothing else is sent.
 *
 * connection.h is the socket, auth.h the tokens, chat_room.h a room; this gives each event to the room that it is
 * about. What is shown of them is model.h's.
 *
 * All callbacks come from the loop, never from inside a call, but on_said of what is left or
 * withdrawn.
 */
#ifndef CLIENT_CHAT_CLIENT_H
#define CLIENT_CHAT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "client/chat_room.h"
#include "client/connection.h"
#include "common/json.h"

struct chat_client;

struct chat_client_opts {
    /* Of connection_opts: where to, and when again. */
    const struct connection_address *addresses; /* copied */
    size_t count, first;
    uint64_t pause_least_ms, pause_most_ms, silence_ms;
    /* Messages of a room that may be on their way at once; 0: any number. With 1 they stand in
     * the room in the order said, whatever happens. */
    size_t says_in_flight;
    /* After a resume, look into the history for messages that were deleted meanwhile. They are
     * told by on_event as `message_deleted`, perhaps again. Costs a get_history a resume. */
    bool looks_for_deleted;
    /* on_token_wanted always brings the same token: once that has expired it ends for good. */
    bool has_one_token;
    void *owner; /* given to every callback; borrowed */

    /* Each may be NULL. `why` says it in words. */
    void (*on_state)(void *owner, enum connection_state state, const char *why);
    void (*on_message)(void *owner, const struct chat_message *message);
    /* Everything else that comes, as it came: join_ack, member_joined, gap, reset, … */
    void (*on_event)(void *owner, struct json_text type, struct json_text event);
    void (*on_said)(void *owner, const struct chat_said *said);
    /* The history of a join has been given; what comes from now on is new. */
    void (*on_live)(void *owner, const char *room);
    void (*on_out)(void *owner, const struct chat_out *out);
    /* chat_client_bring_token is awaited. NULL: the fleet asks for no tokens. */
    void (*on_token_wanted)(void *owner);
    /* The last callback, after chat_client_close; the memory is freed after it. */
    void (*on_closed)(void *owner);
};

/* Starts to connect. Ends with chat_client_close. */
struct chat_client *chat_client_open(uv_loop_t *loop,
                                     const struct chat_client_opts *opts);

/* The token that was wanted; NULL: there is none, and it is wanted again in a while. */
void chat_client_bring_token(struct chat_client *client, const char *token);

/* Joins, and is in from then on until left, kicked or refused (an `error` event). Ignored
 * if it is in the room already. `user` NULL: the one of the token. */
void chat_client_join(struct chat_client *client, const char *room, const char *user);
void chat_client_leave(struct chat_client *client, const char *room);

/* Says something in a room that was joined; on_said tells what became of it. Copies. The
 * id, or 0: no such room. */
uint64_t chat_client_say(struct chat_client *client, const char *room, const char *text,
                         size_t len);

/* Sends any other request, if connected; it is not sent again. */
void chat_client_send(struct chat_client *client, const char *json, size_t len);

/* Whether it is in the room on the present connection, with the history read. */
bool chat_client_is_live(const struct chat_client *client, const char *room);

/* Takes back what was said in a room and never sent; on_said tells each, with the error
 * `withdrawn`, from inside this call. How many there were. */
size_t chat_client_withdraw(struct chat_client *client, const char *room);

/* How long until the next attempt to connect; 0: it is not waiting. */
uint64_t chat_client_wait_ms(const struct chat_client *client);

/* Where it is connected to, or what it tries next; borrowed. */
const struct connection_address *chat_client_address(const struct chat_client *client);

/* Cuts the connection as a network would; the client comes back. */
void chat_client_cut(struct chat_client *client);

/* Stops and starts reading from the socket. */
void chat_client_pause(struct chat_client *client);
void chat_client_resume(struct chat_client *client);

/* Ends for good; what is not acked stays unknown. on_closed follows, after two seconds at most
 * if the server does not answer. Idempotent. */
void chat_client_close(struct chat_client *client);

#endif
