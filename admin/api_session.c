/* api_session.c - `/api/session`: who the bearer of a token is. */
#include <string.h>

#include "admin/api.h"

void api_session(void *owner, struct http_request *req)
{
    struct api *api = owner;
    const struct auth_who *who = http_kept(req);
    struct strbuf *out = &api->out;

    strbuf_reset(out, 4096);
    strbuf_add_text(out, "{\"name\":");
    strbuf_add_json(out, who->name, strlen(who->name));
    proto_add_text(out, "role", role_word(who->role), strlen(role_word(who->role)));
    if (who->until_ms)
        proto_add_number(out, "expires_at", who->until_ms);
    else
        proto_add_raw(out, "expires_at", "null");
    strbuf_add_char(out, '}');
    api_reply(req, 200, out);
}
