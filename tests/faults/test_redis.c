/* test_redis.c - what Redis does: it dies, is emptied, refuses. */
#include "tests/support/fleet/faults.h"

int main(void)
{
    return faults_run(FAULTS_REDIS);
}
