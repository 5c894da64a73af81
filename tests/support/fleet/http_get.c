/* http_get.c - see http_get.h. */
#include "tests/support/fleet/http_get.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/support/fleet/wire.h"
#include "tests/support/unit/wait.h"

enum { AWAIT_MS = 60000 };

static void print_get(struct strbuf *out, const char *path)
{
    strbuf_add_format(
        out, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
}

void http_get_deinit(struct http_answer *answer)
{
    free(answer->head);
    free(answer->body);
    *answer = (struct http_answer){0};
}

void http_get_parse(struct http_answer *answer, const char *bytes, size_t len)
{
    const char *end = memmem(bytes, len, "\r\n\r\n", 4);
    size_t head_len = end ? (size_t)(end + 4 - bytes) : len;

    http_get_deinit(answer);
    answer->head = xmemdup(bytes, head_len);
    answer->body_len = len - head_len;
    answer->body = xmemdup(bytes + head_len, answer->body_len);
    if (end && sscanf(answer->head, "HTTP/1.1 %3d ", &answer->status) != 1)
        answer->status = 0;
}

/* The answer to `request`, or nothing where nobody listens. */
static void ask(struct http_answer *answer, struct wire *w, const char *request)
{
    const char *bytes;
    size_t len;

    wire_send_text(w, request);
    wire_wait_end(w, WIRE_DEADLINE_MS);
    bytes = wire_get_unread(w, &len);
    http_get_parse(answer, bytes, len);
    wire_free(w);
}

void http_get_raw(struct http_answer *answer, int port, const char *request)
{
    ask(answer, wire_open(port), request);
}

void http_get(struct http_answer *answer, int port, const char *path)
{
    struct strbuf request = {0};

    print_get(&request, path);
    http_get_raw(answer, port, request.data);
    strbuf_deinit(&request);
}

bool http_get_try(struct http_answer *answer, int port, const char *path)
{
    struct strbuf request = {0};
    struct wire *w = wire_try_open(port);

    if (!w)
        return false;
    print_get(&request, path);
    ask(answer, w, request.data);
    strbuf_deinit(&request);
    return true;
}

int http_get_status(int port, const char *path)
{
    struct http_answer answer = {0};
    int status = http_get_try(&answer, port, path) ? answer.status : 0;

    http_get_deinit(&answer);
    return status;
}

bool http_get_has_header(const struct http_answer *answer, const char *line)
{
    struct strbuf text = {0};
    bool found;

    strbuf_add_format(&text, "\r\n%s\r\n", line);
    found = strcasestr(answer->head, text.data) != NULL;
    strbuf_deinit(&text);
    return found;
}

double http_get_metric(int port, const char *name)
{
    struct http_answer answer = {0};
    size_t len = strlen(name);
    double value = 0;
    char *line;

    http_get(&answer, port, "/metrics");
    for (line = strtok(answer.body, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, name, len) == 0 && line[len] == ' ')
            break;
    if (line)
        value = strtod(line + len, NULL);
    http_get_deinit(&answer);
    if (!line)
        fail_msg("no metric %s", name);
    return value;
}

struct awaited {
    int port, status;
    const char *path, *text;
};

static bool is_answered(void *data)
{
    const struct awaited *awaited = data;
    struct http_answer answer = {0};
    bool is = http_get_try(&answer, awaited->port, awaited->path) &&
              answer.status == awaited->status && strstr(answer.body, awaited->text);

    http_get_deinit(&answer);
    return is;
}

void http_get_await(int port, const char *path, int status, const char *text)
{
    struct awaited awaited = {port, status, path, text};

    if (!wait_until(is_answered, &awaited, AWAIT_MS))
        fail_msg("%s does not answer %d with: %s", path, status, text);
}
