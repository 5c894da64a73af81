/* chat.h - a blocking chat client: one WebSocket of roomcast.v1, JSON out, JSON in.
 *
 *     struct chat *ann = chat_open(port);
 *     chat_join(ann, "lobby", "ann");
 *     chat_send(ann, "{\"type\":\"message\",\"room\":\"lobby\",\"text\":\"hi\"}");
 *     chat_expect_skipping(ann, "message");
 *     assert_string_equal(chat_get_text(ann, "text"), "hi");
 *     chat_close(ann);
 *
 * The last message that came in stays with the client until the next one is read: the
 * chat_get_ functions look into it, chat_json gives the tree and chat_bytes the very
 * bytes. Pings of the server are answered while something is read. Nothing is read
 * unless a function below reads. Where it says "fails", the test fails, and the message
 * that came instead is printed.
 */
#ifndef TESTS_SUPPORT_FLEET_CHAT_H
#define TESTS_SUPPORT_FLEET_CHAT_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "tests/support/fleet/wire.h"

enum { CHAT_DEADLINE_MS = 20000, CHAT_NO_CODE = 1005, CHAT_NO_CLOSE = 1006 };

struct chat;

/* Connects to 127.0.0.1 and upgrades, offering roomcast.v1; fails if it cannot. */
struct chat *chat_open(int port);

/* Speaks over a connection opened by other means (it may be slow, or have headers of its
 * own); takes `w`, which must be upgraded. */
struct chat *chat_new(struct wire *w);

/* The connection, for bytes by hand; borrowed. */
struct wire *chat_wire(struct chat *chat);

/* The close handshake with 1000: what still comes in is dropped; fails unless the server
 * answers and ends the stream. Frees. */
void chat_close(struct chat *chat);

/* Frees at once, with a RST, as a crash would; accepts NULL. */
void chat_abort(struct chat *chat);

/* Sends one text message, in printf's manner; the format is JSON with single quotes, see
 * quotes.h. Fails if the connection is gone. */
void chat_send(struct chat *chat, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Sends text that is no string, or too long for printf. False: the connection is gone. */
bool chat_send_bytes(struct chat *chat, const void *text, size_t len);

/* Reads the next message. False: the deadline is over, or the connection has ended or
 * closed (chat_wait_close tells). Fails on anything that is not one JSON object with a
 * `type`. */
bool chat_recv(struct chat *chat, long deadline_ms);

/* The next message must be of this type. */
void chat_expect(struct chat *chat, const char *type);

/* The next message of this type; others before it are dropped. */
void chat_expect_skipping(struct chat *chat, const char *type);

/* The next message must be an `error` with this code. */
void chat_expect_error(struct chat *chat, const char *code);

/* The next message is the answer to a ping. */
void chat_expect_usable(struct chat *chat);

/* No message comes for `ms`, and the connection stays open. */
void chat_expect_silence(struct chat *chat, long ms);

/* Reads until the server ends the connection, dropping messages, and answers its close
 * frame. The close code it sent, CHAT_NO_CODE for a close frame without one,
 * CHAT_NO_CLOSE for an end without a close frame. Fails at the deadline. */
int chat_wait_close(struct chat *chat, long deadline_ms);

/* Of the last message: its tree and its bytes, both borrowed. */
const cJSON *chat_json(const struct chat *chat);
const char *chat_bytes(const struct chat *chat);

/* Of the last message: a field that must be there and a string; a number; whether it is
 * there at all. A path may go down: "messages.0.text". */
const char *chat_get_text(const struct chat *chat, const char *path);
double chat_get_number(const struct chat *chat, const char *path);
bool chat_has(const struct chat *chat, const char *path);
bool chat_is_true(const struct chat *chat, const char *path);

/* How many elements the array has. */
int chat_get_count(const struct chat *chat, const char *path);

/* Joins (names without quotes, backslashes and the like) and expects the join_ack, which
 * stays the last message, the history read and dropped. Asks again as long as the answer is
 * `unavailable`: Redis may be away, or the machine so slow that a lease ends. For a history or a
 * refusal that matters send the join by chat_send. */
void chat_join(struct chat *chat, const char *room, const char *user);

/* Opens and joins. */
struct chat *chat_enter(int port, const char *room, const char *user);

/* Leaves; the leave_ack becomes the last message, and what comes before it is dropped. */
void chat_leave(struct chat *chat, const char *room);

/* Says `text` and waits for the message_ack, which becomes the last message; the seq.
 * Everything that comes before it is dropped. */
double chat_say(struct chat *chat, const char *room, const char *text);

/* The same while Redis may be away: says it again, with itself as the key, as long as the answer is
 * `unavailable`. */
double chat_say_when_up(struct chat *chat, const char *room, const char *text);

#endif
