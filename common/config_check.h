/* config_check.h - what the texts of the settings of gateway and admin service must look like.
 *
 * Each is a setting_check_fn of common/settings.h: NULL, or the reason why `text` is refused.
 * None looks at `target`.
 */
#ifndef COMMON_CONFIG_CHECK_H
#define COMMON_CONFIG_CHECK_H

const char *config_check_address(void *target, const char *text);
const char *config_check_word(void *target, const char *text);
const char *config_check_prefix(void *target, const char *text);
const char *config_check_origins(void *target, const char *text);
const char *config_check_auth(void *target, const char *text);
const char *config_check_jwt_secret(void *target, const char *text);
const char *config_check_rights(void *target, const char *text);
const char *config_check_ws_urls(void *target, const char *text);
const char *config_check_redirect(void *target, const char *text);
const char *config_check_token(void *target, const char *text);

/* Sets log_max. */
const char *config_check_log_level(void *target, const char *text);

#endif
