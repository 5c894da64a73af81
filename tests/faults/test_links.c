/* test_links.c - the connections between gateways and Redis are cut, slow or deaf. */
#include "tests/support/fleet/faults.h"

int main(void)
{
    return faults_run(FAULTS_LINKS);
}
