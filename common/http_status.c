/* http_status.c - see http_status.h. */
#include "common/http_status.h"

#include <string.h>

static const struct {
    int status;
    const char *reason, *code;
} statuses[] = {
    {200, "OK", ""},
    {201, "Created", ""},
    {202, "Accepted", ""},
    {302, "Found", ""},
    {304, "Not Modified", ""},
    {400, "Bad Request", "bad_request"},
    {401, "Unauthorized", "unauthorized"},
    {403, "Forbidden", "forbidden"},
    {404, "Not Found", "not_found"},
    {405, "Method Not Allowed", "method_not_allowed"},
    {409, "Conflict", "conflict"},
    {412, "Precondition Failed", "precondition_failed"},
    {413, "Content Too Large", "too_large"},
    {417, "Expectation Failed", "bad_request"},
    {429, "Too Many Requests", "rate_limited"},
    {431, "Request Header Fields Too Large", "too_large"},
    {503, "Service Unavailable", "unavailable"},
    {507, "Insufficient Storage", "full"},
    {505, "HTTP Version Not Supported", "bad_request"},
    {500, "Internal Server Error", "internal"}, /* the last: of all others */
};

static size_t index_of(int status)
{
    size_t last = sizeof(statuses) / sizeof(statuses[0]) - 1, i = 0;

    while (i < last && statuses[i].status != status)
        i++;
    return i;
}

const char *http_status_reason(int status)
{
    return statuses[index_of(status)].reason;
}

const char *http_status_code(int status)
{
    return statuses[index_of(status)].code;
}

void http_status_print(struct strbuf *out, const char *code, const char *message)
{
    strbuf_add_format(out, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    strbuf_add_json(out, message, strlen(message));
    strbuf_add_text(out, "}}\n");
}
