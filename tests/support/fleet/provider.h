/* provider.h - an issuer of tokens on a free port of 127.0.0.1, which answers as a test wants it
 * (provider.py).
 *
 *     provider_start(&provider, fleet.dir, NULL);
 *     provider_answer(&provider, "body", "{\"keys\":[…]}");
 *     provider_stop(&provider);
 */
#ifndef TESTS_SUPPORT_FLEET_PROVIDER_H
#define TESTS_SUPPORT_FLEET_PROVIDER_H

#include <stdbool.h>

#include "tests/support/redis/process.h"
#include "tests/support/unit/certificates.h"

struct provider {
    struct process process;
    const struct certificates *files; /* NULL: without TLS */
    int port;
    char *dir, *log_path;
    char url[64]; /* its name as an issuer */
};

/* `dir` is where its files get a directory; `files` have provider.pem and provider.key. Borrowed. */
void provider_start(struct provider *provider, const char *dir,
                    const struct certificates *files);

/* From the next request on; see provider.py. */
void provider_answer(struct provider *provider, const char *how, const char *body);
void provider_configure(struct provider *provider, const char *body);

/* As an OpenID provider: claims of the ID tokens that follow, and the name of their key. */
void provider_set_person(struct provider *provider, const char *claims);
void provider_set_kid(struct provider *provider, const char *kid);

/* Whether it does not answer those who come for a token; whether somebody has come since. */
void provider_silence(struct provider *provider, bool is_silent);
bool provider_is_asked(const struct provider *provider);

/* Codes, verifiers and tokens that it has seen or given, one a line; to be freed. */
char *provider_read_secrets(const struct provider *provider);

/* How often its keys were asked for. */
unsigned provider_requests(const struct provider *provider);

/* Away, and back on its port. */
void provider_kill(struct provider *provider);
void provider_resume(struct provider *provider);

void provider_stop(struct provider *provider);

#endif
