/* issuer_list.c - see issuer_list.h. */
#include "common/issuer_list.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/https_url.h"
#include "common/xalloc.h"

static const char configuration[] = "/.well-known/openid-configuration";

static struct json_text text_of(const char *text)
{
    return (struct json_text){text, strlen(text)};
}

static bool is_url(const char *text)
{
    return strstr(text, "://") != NULL;
}

/* A slash at its end is not doubled (OpenID Connect Discovery, section 4). */
static char *discover_at(const char *issuer)
{
    size_t len = strlen(issuer), size;
    char *url;

    len -= len > 0 && issuer[len - 1] == '/';
    size = len + sizeof(configuration);
    url = xmalloc(size);
    memcpy(url, issuer, len);
    memcpy(url + len, configuration, sizeof(configuration));
    return url;
}

/* `entry` as it stands between two commas. */
static const char *read_entry(struct issuer_source *source, const char *entry)
{
    const char *equals = strchr(entry, '=');

    *source = (struct issuer_source){
        .name = xmemdup(entry, equals ? (size_t)(equals - entry) : strlen(entry)),
    };
    if (source->name[0] == '\0')
        return "has an issuer without a name";
    if (strlen(source->name) > ISSUER_BYTES_MAX)
        return "has an issuer of more than 512 bytes";
    if (equals && equals[1] == '\0')
        return "has an issuer with nothing behind its =";
    source->kind = !equals              ? ISSUER_DISCOVERED
                   : is_url(equals + 1) ? ISSUER_URL
                                        : ISSUER_FILE;
    source->from = equals ? xstrdup(equals + 1) : discover_at(source->name);
    if (source->kind != ISSUER_FILE && !https_url_is(text_of(source->from)))
        return source->kind == ISSUER_URL
                   ? "has a URL that is none of https; http is for loopback only"
                   : "has an issuer that is no URL of https, and no =FILE or =URL "
                     "behind it; http is for loopback only";
    return NULL;
}

static bool is_there(const struct issuer_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->all[i].name, name) == 0)
            return true;
    return false;
}

static const char *add(struct issuer_list *list, const char *entry)
{
    struct issuer_source source;
    const char *wrong;

    if (list->count == ISSUER_LIST_MAX)
        return "has more than 32 issuers";
    wrong = read_entry(&source, entry);
    if (!wrong && is_there(list, source.name))
        wrong = "has an issuer twice";
    if (wrong) {
        free(source.name);
        free(source.from);
        return wrong;
    }
    list->all = xrealloc(list->all, (list->count + 1) * sizeof(*list->all));
    list->all[list->count++] = source;
    return NULL;
}

const char *issuer_list_parse(struct issuer_list *list, const char *text)
{
    const char *wrong = NULL;

    issuer_list_deinit(list);
    for (const char *at = text; at && !wrong; at = strchr(at, ',')) {
        size_t len;
        char *entry;

        at += *at == ',';
        at += strspn(at, " ");
        len = strcspn(at, ",");
        while (len > 0 && at[len - 1] == ' ')
            len--;
        entry = xmemdup(at, len);
        wrong = add(list, entry);
        free(entry);
    }
    if (wrong)
        issuer_list_deinit(list);
    return wrong;
}

void issuer_list_deinit(struct issuer_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->all[i].name);
        free(list->all[i].from);
    }
    free(list->all);
    *list = (struct issuer_list){NULL, 0};
}
