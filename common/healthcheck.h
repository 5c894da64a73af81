/* healthcheck.h - how a program asks the one that runs with the same settings whether it is
 * well: what `--healthcheck` does. For container engines, whose images have no curl.
 */
#ifndef COMMON_HEALTHCHECK_H
#define COMMON_HEALTHCHECK_H

/* GET /healthz at `address`, a listening address of the settings (0.0.0.0 and [::] are asked
 * on the loopback). 0: the answer is 200. 1: it is not, or there is none within three
 * seconds; one line on stderr says why. Blocks; starts nothing. */
int healthcheck_run(const char *address) __attribute__((warn_unused_result));

#endif
