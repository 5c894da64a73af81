/* random.c - faults in random order, for script/soak: $FAULTS_SECS (60) seconds of them, from
 * $FAULTS_SEED (else one that is printed).
 *
 * All in one scene, so what one fault leaves behind meets the next one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include <cmocka.h>

#include "tests/support/fleet/faults.h"
#include "tests/support/unit/wait.h"

enum { SECS = 60 };

static struct scene scene;
static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

static unsigned long number_of(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text && text[0] ? strtoul(text, NULL, 10) : otherwise;
}

static void faults_in_random_order_are_lived_through(void **state)
{
    int64_t end_ms = wait_now_ms() + 1000 * (int64_t)number_of("FAULTS_SECS", SECS);
    unsigned played = 0;

    (void)state;
    for (; wait_left_ms(end_ms) > 0; played++)
        faults_play(&scene, &faults_all[random_below(faults_count)]);
    print_message("  %u faults, seed %lu\n", played, number_of("FAULTS_SEED", 0));
}

static int start(void **state)
{
    (void)state;
    faults_start(&scene, FAULTS_GATEWAYS);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    scene_stop(&scene);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_in_random_order_are_lived_through),
    };
    uint32_t fresh = 1;
    char text[32];

    if (getrandom(&fresh, sizeof(fresh), 0) != (ssize_t)sizeof(fresh))
        abort();
    random_state = (uint32_t)number_of("FAULTS_SEED", fresh | 1);
    snprintf(text, sizeof(text), "%lu", (unsigned long)random_state);
    setenv("FAULTS_SEED", text, 1);
    print_message("seed %s\n", text);
    return cmocka_run_group_tests(tests, start, stop);
}
