/* user_token.h - a token of the secret of the tests (TOKENS_SECRET), for a gateway that asks for one. */
#ifndef TESTS_SUPPORT_FLEET_USER_TOKEN_H
#define TESTS_SUPPORT_FLEET_USER_TOKEN_H

/* Of this user, good for so many seconds, or over for as many (`secs` below 0), with `more` claims
 * behind the others, as `,"rooms":{…}`. To be freed. */
char *user_token(const char *user, int secs, const char *more);

#endif
