/* chat_request.c - see chat_request.h. */
#include "client/chat_request.h"

#include <string.h>

void chat_request_begin(struct strbuf *out, const char *type, char kind, uint64_t id,
                        const char *room)
{
    strbuf_add_format(out, "{\"type\":\"%s\",\"id\":", type);
    if (kind)
        strbuf_add_format(out, "\"%c%llu\"", kind, (unsigned long long)id);
    else
        strbuf_add_u64(out, id);
    chat_request_add_text(out, "room", room);
}

static void add_name(struct strbuf *out, const char *name)
{
    strbuf_add_format(out, ",\"%s\":", name);
}

void chat_request_add_text(struct strbuf *out, const char *name, const char *text)
{
    add_name(out, name);
    strbuf_add_json(out, text, strlen(text));
}

void chat_request_add_number(struct strbuf *out, const char *name, uint64_t number)
{
    add_name(out, name);
    strbuf_add_u64(out, number);
}

void chat_request_add_json(struct strbuf *out, const char *name, struct json_text json)
{
    add_name(out, name);
    strbuf_add(out, json.base, json.len);
}

void chat_request_end(struct strbuf *out)
{
    strbuf_add_char(out, '}');
}
