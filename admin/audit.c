/* audit.c - see audit.h. Who it was is the name of the token. AUTH_TOKEN may be that of several
 * people: as long as it is the only one, who it was is what the client says in X-Operator (a console
 * signs with a name), else `admin`. */
#include "admin/audit.h"

#include <string.h>

#include "admin/api.h"
#include "admin/registry.h"

void audit_origin_of(struct audit_origin *origin, const struct http_request *req)
{
    const struct api *api = api_of(req);
    const struct auth_who *who = http_kept(req);
    struct json_text said = http_header(req, "x-operator");

    strcpy(origin->who, who->name);
    if (!auth_names_are_proven(&api->auth) && said.base &&
        proto_is_name(said.base, said.len, OPERATORS_NAME_MAX)) {
        memcpy(origin->who, said.base, said.len);
        origin->who[said.len] = '\0';
    }
    http_peer(req, origin->from);
}

static struct json_text text(const char *value)
{
    return (struct json_text){value, strlen(value)};
}

void audit_add(struct api *api, const struct audit_origin *origin,
               const struct audit_entry *entry)
{
    struct audit_entry whole = *entry;

    whole.who = text(origin->who);
    whole.from = text(origin->from);
    metric_add(&api->metrics->admin_actions_total[entry->what], 1);
    audit_entry_write(&registry_calls, api, &whole, api->config->audit_entries);
}
