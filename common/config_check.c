/* config_check.c - see config_check.h. */
#include "common/config_check.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/config_address.h"
#include "common/grants.h"
#include "common/https_url.h"
#include "common/jwt.h"
#include "common/log.h"

static bool is_printable(const char *text, const char *but)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~' || strchr(but, *text))
            return false;
    return true;
}

const char *config_check_address(void *target, const char *text)
{
    char *host, *port;

    (void)target;
    if (config_split_address(text, NULL, &host, &port) < 0)
        return "must be a host and a port from 1 to 65535, as 0.0.0.0:9001 or "
               "[::]:9001";
    free(host);
    free(port);
    return NULL;
}

const char *config_check_word(void *target, const char *text)
{
    (void)target;
    return is_printable(text, " ") && strlen(text) <= 255
               ? NULL
               : "must be at most 255 printable ASCII characters without a space";
}

const char *config_check_prefix(void *target, const char *text)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

    (void)target;
    return strlen(text) <= 64 && strspn(text, allowed) == strlen(text)
               ? NULL
               : "must be 1 to 64 characters of A-Z a-z 0-9 _ . -";
}

/* RFC 6454, section 6.2: "null", or a scheme, a host and perhaps a port; or our own
 * "same-host". */
static bool is_origin(const char *text, size_t len)
{
    const char *host = memmem(text, len, "://", 3);

    if (!host)
        return (len == 4 && memcmp(text, "null", 4) == 0) ||
               (len == 9 && memcmp(text, "same-host", 9) == 0);
    host += 3;
    return host - text > 3 && host < text + len &&
           !memchr(host, '/', (size_t)(text + len - host)) && !memchr(text, ' ', len);
}

const char *config_check_origins(void *target, const char *text)
{
    static const char refused[] =
        "must be * or a comma separated list of same-host and of origins, as "
        "https://chat.example (no path, not even a /)";

    (void)target;
    if (strcmp(text, "*") == 0)
        return NULL;
    for (const char *at = text; at; at = strchr(at, ',')) {
        size_t len;

        at += *at == ',';
        at += strspn(at, " ");
        len = strcspn(at, ",");
        while (len > 0 && at[len - 1] == ' ')
            len--;
        if (!is_origin(at, len))
            return refused;
    }
    return is_printable(text, "\"\\") ? NULL : refused;
}

const char *config_check_auth(void *target, const char *text)
{
    (void)target;
    return strcmp(text, "none") == 0 || strcmp(text, "jwt") == 0
               ? NULL
               : "must be none or jwt";
}

const char *config_check_jwt_secret(void *target, const char *text)
{
    struct jwt_secrets secrets = {NULL, 0};
    bool is_right = jwt_secrets_parse(&secrets, text) == 0;

    (void)target;
    jwt_secrets_deinit(&secrets);
    return is_right ? NULL : "each line must have 32 bytes or more";
}

const char *config_check_rights(void *target, const char *text)
{
    unsigned rights;

    (void)target;
    return grants_parse_rights((struct json_text){text, strlen(text)}, &rights)
               ? NULL
               : "must be letters of r, w and m";
}

const char *config_check_ws_urls(void *target, const char *text)
{
    (void)target;
    for (const char *at = text; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, "ws://", 5) != 0 && strncmp(at, "wss://", 6) != 0)
            return "must be a comma separated list of ws:// or wss:// addresses";
    }
    return is_printable(text, " \"'\\;<>") ? NULL
                                           : "has a character that no address has";
}

const char *config_check_redirect(void *target, const char *text)
{
    static const char path[] = "/oidc/callback";
    size_t len = strlen(text), tail = sizeof(path) - 1;

    (void)target;
    return https_url_is((struct json_text){text, len}) && len > tail &&
                   strcmp(text + len - tail, path) == 0
               ? NULL
               : "must be a URL of https that ends in /oidc/callback; http is for "
                 "loopback only";
}

const char *config_check_token(void *target, const char *text)
{
    size_t len = strlen(text);

    (void)target;
    return is_printable(text, " ") && len <= 1024
               ? NULL
               : "must be 1 to 1024 printable ASCII characters without a space";
}

const char *config_check_log_level(void *target, const char *text)
{
    static const char *const log_levels[] = {"error", "warn", "info", "debug"};

    (void)target;
    for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++)
        if (strcmp(text, log_levels[i]) == 0) {
            log_max = (enum log_level)i;
            return NULL;
        }
    return "must be error, warn, info or debug";
}
