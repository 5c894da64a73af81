/* files.h - the files that the service reads again when they change: the tokens of operators
 * (ROOMCAST_ADMIN_TOKENS_FILE), and the secrets of tokens of users (ROOMCAST_JWT_SECRET_FILE).
 *
 * What is no good is logged with its line, and counted; what was there before stays.
 */
#ifndef ADMIN_FILES_H
#define ADMIN_FILES_H

#include <uv.h>

#include "admin/operators.h"
#include "common/config.h"
#include "common/jwt.h"
#include "common/metrics.h"
#include "common/watched_file.h"

struct files {
    struct metrics *metrics;     /* borrowed */
    struct operators *operators; /* the same */
    uv_timer_t tick;
    struct watched_file tokens, secrets;
    struct jwt_secrets jwt_secrets; /* none: no tokens are made here */
};

/* Puts the tokens into `operators`. False: they are no good, and the log says why. */
bool files_open(struct files *files, uv_loop_t *loop, const struct config *config,
                struct metrics *metrics, struct operators *operators)
    __attribute__((warn_unused_result));
void files_close(struct files *files);

/* Once the loop has ended. */
void files_deinit(struct files *files);

#endif
