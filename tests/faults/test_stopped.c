/* test_stopped.c - Redis sleeps, shorter and longer than the lease. */
#include "tests/support/fleet/faults.h"

int main(void)
{
    return faults_run(FAULTS_STOPPED);
}
