/* admin.h - an admin service of a test, asked as an operator would ask it: with curl.
 *
 *     static struct admin admin;
 *
 *     admin_start(&admin, &fleet, NULL);                   behind fleet_start
 *     admin_get(&admin, 200, "/api/rooms/%s", room);
 *     assert_int_equal(admin_number(&admin, "members"), 2);
 *     admin_post(&admin, 200, "{\"reason\":\"spam\"}", "/api/rooms/%s/kick/bob", room);
 *     admin_get(&admin, 404, "/api/rooms/none");
 *     admin_expect_error(&admin, 404, "room_not_found");
 *     admin_stop(&admin);                                  before fleet_stop
 *
 * The program is $ROOMCAST_BIN/roomcast-admin, on a free port of 127.0.0.1. The last
 * answer stays until the next request; the functions below that take a path look into
 * its JSON ("rooms.0.room", see json_path.h) and fail where there is no such thing.
 */
#ifndef TESTS_SUPPORT_FLEET_ADMIN_H
#define TESTS_SUPPORT_FLEET_ADMIN_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "tests/support/fleet/fleet.h"
#include "tests/support/fleet/http_get.h"
#include "tests/support/redis/process.h"

#define ADMIN_TOKEN "token-of-the-tests"

struct admin {
    struct process process;
    struct fleet *fleet; /* borrowed */
    int port;
    char *log_path;
    char **settings;           /* NAME=value, ends with NULL */
    struct http_answer answer; /* the last one */
    cJSON *json;               /* of it; NULL: it is not application/json */
};

/* What is not said is as usual: GET, the right token, no body. */
struct admin_request {
    const char *method;
    const char *path;  /* as it stands, with the query */
    const char *token; /* "": none */
    const void *body;
    size_t body_len;            /* 0: the body is a string */
    const char *const *options; /* more for curl; ends with NULL */
};

/* Starts one and waits until it is ready. `settings` (may be NULL) beat the usual ones
 * and are copied; the fleet is borrowed. */
void admin_start(struct admin *admin, struct fleet *fleet, const char *const *settings);

/* The same without waiting, and without a token unless `settings` have AUTH_TOKEN. */
void admin_launch(struct admin *admin, struct fleet *fleet,
                  const char *const *settings);

void admin_wait_ready(struct admin *admin);

/* SIGKILL; it can be started again as it was, on its port, with admin_resume. */
void admin_kill(struct admin *admin);
void admin_resume(struct admin *admin);

/* SIGTERM; exit 0 is asserted. Frees. */
void admin_stop(struct admin *admin);

/* A group's teardown that stops the service which its setup has put into *state, and then
 * the fleet. */
int admin_teardown(void **state);

/* Frees what is left of one that has ended by itself. */
void admin_deinit(struct admin *admin);

/* Runs curl; the status, 0 if there was no answer (it may be one that curl gave up to
 * read: too late, or cut). */
int admin_ask(struct admin *admin, const struct admin_request *request);

/* The usual requests; the path in printf's manner. Fail on another status. */
void admin_get(struct admin *admin, int status, const char *path, ...)
    __attribute__((format(printf, 3, 4)));
void admin_delete(struct admin *admin, int status, const char *path, ...)
    __attribute__((format(printf, 3, 4)));

/* `body` may be NULL: none is sent. */
void admin_post(struct admin *admin, int status, const char *body, const char *path,
                ...) __attribute__((format(printf, 4, 5)));

/* Of the last answer: it must be an error object with this status and code, and nothing
 * else in it. */
void admin_expect_error(const struct admin *admin, int status, const char *code);

/* The same for an answer that came by other means. */
void admin_expect_error_in(const struct http_answer *answer, int status,
                           const char *code);

/* Of the last answer's JSON. */
const char *admin_text(const struct admin *admin, const char *path);
double admin_number(const struct admin *admin, const char *path);
int admin_count(const struct admin *admin, const char *path);
bool admin_is_true(const struct admin *admin, const char *path);
bool admin_is_null(const struct admin *admin, const char *path);
bool admin_has(const struct admin *admin, const char *path);

/* Whether the log has a line with `text` in it. */
bool admin_has_logged(const struct admin *admin, const char *text);

#endif
