/* oidc.h - the provider by which people sign in (OpenID Connect Core, code flow with PKCE; SPEC-PUBLIC
 * P8): its configuration and keys, where a browser is sent, and who comes back with a code.
 *
 * Configuration and keys are read as those of issuers are (issuers.h). That somebody is not let in is logged
 * with the reason; codes, tokens and secrets are not.
 */
#ifndef ADMIN_OIDC_H
#define ADMIN_OIDC_H

#include <uv.h>

#include "admin/id_token.h"
#include "admin/sessions.h"
#include "common/config.h"

struct oidc;

/* `who` is borrowed; of no use unless the result is ID_TOKEN_OK. */
typedef void (*oidc_fn)(void *data, enum id_token_result result,
                        const struct auth_who *who);

/* NULL: ROOMCAST_OIDC_ISSUER is not set. `config` is borrowed. */
struct oidc *oidc_open(uv_loop_t *loop, const struct config *config);
void oidc_close(struct oidc *oidc);

/* Once the loop has ended. Both accept NULL. */
void oidc_free(struct oidc *oidc);

/* Whether configuration and keys are known. */
bool oidc_is_ready(const struct oidc *oidc);

/* Adds where the browser is sent. */
void oidc_add_url(const struct oidc *oidc, struct strbuf *out,
                  const struct sessions_login *login);

/* `on_who` is called once, later, or by oidc_close. */
void oidc_redeem(struct oidc *oidc, struct json_text code,
                 const struct sessions_login *login, oidc_fn on_who, void *data);

#endif
