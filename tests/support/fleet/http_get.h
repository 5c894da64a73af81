/* http_get.h - one HTTP request and its whole answer: an ops port, or bytes by hand.
 *
 *     struct http_answer answer = {0};
 *     http_get(&answer, ops_port, "/healthz");
 *     assert_int_equal(answer.status, 200);
 *     http_get_deinit(&answer);
 *
 *     assert_true(http_get_metric(ops_port, "roomcast_connections") == 1);
 */
#ifndef TESTS_SUPPORT_FLEET_HTTP_GET_H
#define TESTS_SUPPORT_FLEET_HTTP_GET_H

#include <stdbool.h>
#include <stddef.h>

/* Zeroed is empty. `head` is the status line and the headers, `body` what follows up to
 * the end of the stream; both NUL-terminated and never NULL after a call. */
struct http_answer {
    int status; /* 0: no answer, or no HTTP */
    char *head;
    char *body;
    size_t body_len;
};

/* GET with Connection: close. Frees what *answer held before. */
void http_get(struct http_answer *answer, int port, const char *path);

/* The same where there may be nobody. False: so it is. */
bool http_get_try(struct http_answer *answer, int port, const char *path);

/* Sends `request` as it stands and reads until the end of the stream. */
void http_get_raw(struct http_answer *answer, int port, const char *request);

/* Takes apart `bytes`, an answer read by other means. */
void http_get_parse(struct http_answer *answer, const char *bytes, size_t len);

/* Whether the answer has this header line, e.g. "Allow: GET"; case does not matter. */
bool http_get_has_header(const struct http_answer *answer, const char *line);

void http_get_deinit(struct http_answer *answer);

/* The status of a GET, 0 if nobody answers: for waiting. */
int http_get_status(int port, const char *path);

/* Waits for an answer with this status and `text` in its body; fails if none comes. */
void http_get_await(int port, const char *path, int status, const char *text);

/* The value of one line of /metrics; `name` is all that stands before the blank, e.g.
 * `roomcast_requests_total{type="join"}`. Fails the test if there is no such line. */
double http_get_metric(int port, const char *name);

#endif
