/* cluster_error.c - see cluster_error.h. */
#include "common/cluster_error.h"

#include <string.h>

#include "common/digits.h"

static const struct {
    const char *word;
    enum cluster_error error;
} words[] = {
    {"MOVED", CLUSTER_MOVED},       {"ASK", CLUSTER_ASK},
    {"TRYAGAIN", CLUSTER_TRYAGAIN}, {"CLUSTERDOWN", CLUSTER_DOWN},
    {"MASTERDOWN", CLUSTER_DOWN},   {"LOADING", CLUSTER_DOWN},
    {"READONLY", CLUSTER_DOWN},     {"BUSY", CLUSTER_DOWN},
    {"NOSCRIPT", CLUSTER_NOSCRIPT},
};

enum cluster_error cluster_error_of(const char *text)
{
    size_t len = strcspn(text, " ");

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (len == strlen(words[i].word) && memcmp(text, words[i].word, len) == 0)
            return words[i].error;
    return strstr(text, "non local key") ? CLUSTER_HALFWAY : CLUSTER_OTHER;
}

/* "MOVED 3999 127.0.0.1:6381"; an address may have colons of its own. */
bool cluster_error_owner(const char *text, const struct cluster_host *asked,
                         unsigned *slot, struct cluster_host *owner)
{
    enum cluster_error error = cluster_error_of(text);
    const char *number = text + strcspn(text, " "), *host, *colon;
    uint64_t value, port;

    if ((error != CLUSTER_MOVED && error != CLUSTER_ASK) || *number != ' ')
        return false;
    number++;
    host = number + strcspn(number, " ");
    colon = strrchr(host, ':');
    if (!colon ||
        !digits_parse(number, (size_t)(host - number), CLUSTER_SLOTS - 1, &value) ||
        !digits_parse(colon + 1, strlen(colon + 1), UINT16_MAX, &port))
        return false;
    host++;
    if (!cluster_host_take(owner, (struct json_text){host, (size_t)(colon - host)},
                           port, asked) ||
        strcmp(owner->host, "?") == 0)
        return false;
    *slot = (unsigned)value;
    return true;
}
