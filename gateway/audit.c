/* audit.c - see audit.h. */
#include "gateway/audit.h"

void audit_note(struct policy *policy, struct json_text user,
                const struct audit_entry *entry)
{
    struct audit_entry whole = *entry;
    struct strbuf who = {NULL, 0, 0};

    strbuf_add_text(&who, "user:");
    strbuf_add(&who, user.base, user.len);
    whole.who = (struct json_text){who.data, who.len};
    audit_entry_write(&policy_calls, policy, &whole,
                      policy->store->config->audit_entries);
    strbuf_deinit(&who);
}
