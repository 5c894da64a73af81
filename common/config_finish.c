/* config_finish.c - what depends on several settings; config.c alone uses it. */
#include "common/config.h"

#include <string.h>

#include "common/log.h"
#include "common/setting_value.h"

/* How every example of a password in the project begins. */
static const char example_secret[] = "change-me";

static bool is_of_examples(const char *secret)
{
    return secret && strncmp(secret, example_secret, strlen(example_secret)) == 0;
}

/* Of docker-compose.yml and the like, which work with no edit: everybody who knows the
 * project knows them too. */
void config_warn(const struct config *config)
{
    static const char text[] =
        "text=\"the password is the example's, which everybody knows: change it\"";
    const struct {
        const char *name, *secret;
    } secrets[] = {
        {"ROOMCAST_SENTINEL_PASSWORD", config->sentinel_password},
        {"AUTH_TOKEN", config->auth_token},
    };
    bool is_example = false;

    for (unsigned i = 0; i < config->redis.count; i++)
        is_example |= is_of_examples(config->redis.urls[i].password);
    if (is_example)
        log_warn("example_secret", "of=ROOMCAST_REDIS_URL %s", text);
    for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
        if (is_of_examples(secrets[i].secret))
            log_warn("example_secret", "of=%s %s", secrets[i].name, text);
}

static bool finish_redis(const struct config *config)
{
    if (config->redis_cert_file[0] && !config->redis_key_file[0])
        return setting_value_refuse("ROOMCAST_REDIS_CERT_FILE",
                                    "needs ROOMCAST_REDIS_KEY_FILE");
    if (config->redis_key_file[0] && !config->redis_cert_file[0])
        return setting_value_refuse("ROOMCAST_REDIS_KEY_FILE",
                                    "needs ROOMCAST_REDIS_CERT_FILE");
    if (config->sentinel_user[0] && !config->sentinel_password[0])
        return setting_value_refuse("ROOMCAST_SENTINEL_USER",
                                    "needs ROOMCAST_SENTINEL_PASSWORD");
    return true;
}

static bool finish_move(const struct config *config)
{
    static const char needed[] = "must be set for --move-rooms";

    if (config->dry_run && !config->move_rooms)
        return setting_value_refuse("--dry-run", "is for --move-rooms");
    if (config->move_rooms && !config->move_from_url[0])
        return setting_value_refuse("ROOMCAST_MOVE_FROM", needed);
    if (config->move_rooms && !config->move_to_url[0])
        return setting_value_refuse("ROOMCAST_MOVE_TO", needed);
    return true;
}

static bool finish_token(const struct config *config)
{
    if (!config->jwt_secret[0])
        return setting_value_refuse("ROOMCAST_JWT_SECRET",
                                    "must be set: the token is signed with it");
    if (!config->token_user[0])
        return setting_value_refuse("--user", "must be given");
    return true;
}

static bool finish_issuers(const struct config *config)
{
    if (config->issuers.count > 0 && !config->jwt_audience[0])
        return setting_value_refuse("ROOMCAST_JWT_AUDIENCE",
                                    "must not be empty with ROOMCAST_JWT_ISSUERS, "
                                    "which issue tokens for others "
                                    "as well");
    return true;
}

/* Without anybody who may come in it would be of no use. */
static bool finish_oidc(const struct config *config)
{
    if (config->oidc_issuer.count == 0)
        return true;
    if (!config->oidc_client_id[0])
        return setting_value_refuse("ROOMCAST_OIDC_CLIENT_ID",
                                    "must be set with ROOMCAST_OIDC_ISSUER");
    if (!config->oidc_redirect_url[0])
        return setting_value_refuse("ROOMCAST_OIDC_REDIRECT_URL",
                                    "must be set with ROOMCAST_OIDC_ISSUER");
    if (!config->oidc_admin[0] && !config->oidc_moderator[0] && !config->oidc_viewer[0])
        return setting_value_refuse("ROOMCAST_OIDC_VIEWER",
                                    "or _MODERATOR or _ADMIN must be set with "
                                    "ROOMCAST_OIDC_ISSUER: who may come in");
    return true;
}

bool config_finish(struct config *config, enum config_program program)
{
    if (program == CONFIG_TOKEN)
        return finish_token(config);
    if (!finish_redis(config))
        return false;
    if (program == CONFIG_ADMIN && !finish_issuers(config))
        return false;
    if (program == CONFIG_ADMIN && !finish_oidc(config))
        return false;
    if (program == CONFIG_ADMIN && !finish_move(config))
        return false;
    if (program == CONFIG_ADMIN && !config->auth_token[0] && !config->move_rooms)
        return setting_value_refuse("AUTH_TOKEN",
                                    "must be set: it is what operators have to send");
    if (config->requests_burst == 0)
        config->requests_burst = config->requests_per_sec;
    if (config->bytes_burst == 0)
        config->bytes_burst = config->bytes_per_sec;
    if (config->bytes_burst < config->max_message_bytes)
        config->bytes_burst = config->max_message_bytes;
    if (config->address_connects_burst == 0)
        config->address_connects_burst = config->address_connects_per_sec;
    if (config->messages_burst == 0)
        config->messages_burst = config->messages_per_sec;
    if (config->joins_burst == 0)
        config->joins_burst = config->joins_per_sec;
    return true;
}
