/* pace.c - see pace.h. */
#include "gateway/pace.h"

enum { FIN = 0x80, OPCODE = 0x0f, TEXT = 1, BINARY = 2 };

void pace_env_init(struct pace_env *env)
{
    list_init(&env->queued);
    wheel_init(&env->wheel);
}

void pace_init(struct pace *pace)
{
    list_init(&pace->timer.link);
}

bool pace_is_first(struct pace_env *env, struct pace *pace, uint32_t now_ms)
{
    return token_bucket_is_half_full(&pace->frames, &env->frames, now_ms) &&
           token_bucket_is_half_full(&pace->bytes, &env->bytes, now_ms) &&
           (env->messages.per_sec == 0 ||
            token_bucket_is_half_full(&pace->messages, &env->messages, now_ms));
}

/* Until there is a token for a message. */
static uint32_t messages_wait_ms(struct pace_env *env, struct pace *pace,
                                 uint32_t now_ms)
{
    return token_bucket_wait_ms(&pace->messages, &env->messages, 1, now_ms);
}

bool pace_take_frame(struct pace_env *env, struct pace *pace, unsigned char byte,
                     uint32_t now_ms)
{
    bool is_whole =
        (byte & FIN) && ((byte & OPCODE) == TEXT || (byte & OPCODE) == BINARY);

    pace->kind = is_whole ? PACE_REQUESTS : PACE_FRAMES;
    if (env->messages.per_sec > 0 && messages_wait_ms(env, pace, now_ms) > 0)
        return false;
    return token_bucket_take(&pace->frames, &env->frames, now_ms) == 0;
}

void pace_take_message(struct pace_env *env, struct pace *pace, uint32_t now_ms)
{
    token_bucket_spend(&pace->messages, &env->messages, 1, now_ms);
}

void pace_take_bytes(struct pace_env *env, struct pace *pace, uint32_t bytes,
                     uint32_t now_ms)
{
    token_bucket_spend(&pace->bytes, &env->bytes, bytes, now_ms);
}

/* The one place where `place` changes. */
static void set_place(struct pace_env *env, struct pace *pace, enum pace_place place,
                      uint32_t now_ms)
{
    list_remove(&pace->timer.link);
    if (pace->place == PACE_WAITING) {
        env->waiting--;
        pace->waited_ms = now_ms;
    }
    if (place == PACE_WAITING) {
        if (pace_run_ms(pace, now_ms) == 0)
            pace->run_began_ms = now_ms;
        if (env->waiting++ == 0)
            env->turned_ms = now_ms;
        pace->waited_ms = now_ms;
        pace->has_waited = true;
    }
    if (place == PACE_QUEUED)
        list_add(&env->queued, &pace->timer.link);
    pace->place = (unsigned char)place;
}

void pace_queue(struct pace_env *env, struct pace *pace, uint32_t now_ms)
{
    set_place(env, pace, PACE_QUEUED, now_ms);
}

void pace_free(struct pace_env *env, struct pace *pace, uint32_t now_ms)
{
    set_place(env, pace, PACE_FREE, now_ms);
}

bool pace_wait(struct pace_env *env, struct pace *pace, uint32_t now_ms,
               enum pace_why *why)
{
    uint32_t bytes_ms = token_bucket_wait_ms(&pace->bytes, &env->bytes, 0, now_ms);
    uint32_t frames_ms = token_bucket_wait_ms(&pace->frames, &env->frames, 1, now_ms);
    uint32_t messages_ms = messages_wait_ms(env, pace, now_ms);
    uint32_t ms = bytes_ms > frames_ms ? bytes_ms : frames_ms;
    uint32_t ticks;

    *why = bytes_ms > frames_ms ? PACE_BYTES : (enum pace_why)pace->kind;
    if (messages_ms > ms) {
        *why = PACE_MESSAGES;
        ms = messages_ms;
    }
    if (ms == 0)
        return false;
    set_place(env, pace, PACE_WAITING, now_ms);
    ticks = (now_ms - env->turned_ms + ms + PACE_TICK_MS - 1) / PACE_TICK_MS;
    wheel_set(&env->wheel, &pace->timer, env->wheel.now + ticks);
    return true;
}

struct pace *pace_next(struct pace_env *env)
{
    struct list *link = list_first(&env->queued);

    if (pace_is_full(env))
        return NULL;
    return link ? list_entry(link, struct pace, timer.link) : NULL;
}

static void on_tick(struct wheel *wheel, struct wheel_timer *timer)
{
    struct pace_env *env = list_entry(wheel, struct pace_env, wheel);

    pace_queue(env, list_entry(timer, struct pace, timer), env->turned_ms);
}

void pace_turn(struct pace_env *env, uint32_t now_ms)
{
    while (env->waiting > 0 && now_ms - env->turned_ms >= PACE_TICK_MS) {
        env->turned_ms += PACE_TICK_MS;
        wheel_turn(&env->wheel, on_tick);
    }
}

uint32_t pace_run_ms(const struct pace *pace, uint32_t now_ms)
{
    if (!pace->has_waited ||
        (pace->place != PACE_WAITING && now_ms - pace->waited_ms > PACE_BREAK_MS))
        return 0;
    return now_ms - pace->run_began_ms + 1;
}
