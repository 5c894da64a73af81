/* proto_print.c - see proto.h: to JSON, and the words of errors. */
#include "common/proto.h"

#include <string.h>

static const char *const error_words[] = {[PROTO_OK] = "ok",
#define X(id, word, text) [id] = #word,
                                          PROTO_ERRORS(X)
#undef X
};

static const char *const error_texts[] = {[PROTO_OK] = "ok",
#define X(id, word, text) [id] = text,
                                          PROTO_ERRORS(X)
#undef X
};

const char *proto_error_word(enum proto_error error)
{
    return error_words[error];
}

const char *proto_error_text(enum proto_error error)
{
    return error_texts[error];
}

void proto_begin(struct strbuf *out, const char *type, struct json_text id)
{
    strbuf_add(out, "{\"type\":\"", 9);
    strbuf_add_text(out, type);
    strbuf_add_char(out, '"');
    if (id.len > 0) {
        strbuf_add(out, ",\"id\":", 6);
        strbuf_add(out, id.base, id.len);
    }
}

static void add_name(struct strbuf *out, const char *name)
{
    strbuf_add(out, ",\"", 2);
    strbuf_add_text(out, name);
    strbuf_add(out, "\":", 2);
}

void proto_add_text(struct strbuf *out, const char *name, const char *text, size_t len)
{
    add_name(out, name);
    strbuf_add_json(out, text, len);
}

void proto_add_number(struct strbuf *out, const char *name, uint64_t value)
{
    add_name(out, name);
    strbuf_add_u64(out, value);
}

void proto_add_raw(struct strbuf *out, const char *name, const char *json)
{
    add_name(out, name);
    strbuf_add_text(out, json);
}

void proto_add_message_said(struct strbuf *out, const struct proto_message *message)
{
    proto_add_text(out, "user", message->user.base, message->user.len);
    if (message->name.base)
        proto_add_text(out, "name", message->name.base, message->name.len);
    strbuf_add_text(out, ",\"text\":");
    strbuf_add(out, message->text.base, message->text.len);
}

void proto_add_message_data(struct strbuf *out, const struct proto_message *message)
{
    if (message->data.base) {
        strbuf_add_text(out, ",\"data\":");
        strbuf_add(out, message->data.base, message->data.len);
    }
}

void proto_add_message_tail(struct strbuf *out, const struct proto_message *message)
{
    proto_add_message_said(out, message);
    proto_add_number(out, "ts", message->ts);
    proto_add_message_data(out, message);
    strbuf_add_char(out, '}');
}

void proto_print_error(struct strbuf *out, struct json_text id,
                       const struct proto_refusal *refusal)
{
    const char *code = error_words[refusal->error];
    const char *text = refusal->text ? refusal->text : error_texts[refusal->error];

    proto_begin(out, "error", id);
    proto_add_text(out, "code", code, strlen(code));
    proto_add_text(out, "message", text, strlen(text));
    if (refusal->reason)
        proto_add_text(out, "reason", refusal->reason, strlen(refusal->reason));
    if (refusal->retry_after_ms > 0)
        proto_add_number(out, "retry_after_ms", refusal->retry_after_ms);
    strbuf_add_char(out, '}');
}
