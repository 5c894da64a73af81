/* redis_loss.c - see redis_loss.h. */
#include "common/redis_loss.h"

const char *redis_why_text(enum redis_why why)
{
    static const char *const texts[] = {
#define X(id, text) [id] = text,
        REDIS_WHYS(X)
#undef X
    };

    return texts[why];
}

struct redis_loss redis_loss_of(enum redis_why why)
{
    return (struct redis_loss){why, redis_why_text(why)};
}

struct redis_loss redis_loss_as(const char *text)
{
    return (struct redis_loss){REDIS_WHY_NOT_KNOWN, text};
}

struct redis_loss redis_loss_worse(struct redis_loss a, struct redis_loss b)
{
    return b.why == REDIS_WHY_NOT_KNOWN && a.why != REDIS_WHY_NOT_KNOWN ? a : b;
}
