# tests.cmake - each tests/KIND/test_NAME.c is one program and one test, KIND.NAME; so is
# each tests/k8s/test_NAME.py and tests/docs/test_NAME.py, and each directory of frontend/tests
# that has tests is one test, frontend.NAME.

enable_testing()
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

foreach(part unit redis fleet)
    add_modules(tests/support/${part})
endforeach()
add_modules(tests/unit)

set(environment
    "ROOMCAST_BIN=${PROJECT_BINARY_DIR}/bin"
    "ROOMCAST_SOURCE=${PROJECT_SOURCE_DIR}"
    "ASAN_OPTIONS=detect_stack_use_after_return=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=halt_on_error=1")

# A test of whole gateways counts as two of ctest's jobs, so that on two cores it runs
# alone: it has deadlines to keep.
function(add_tests kind timeout_secs processors)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${kind}/test_*.c")
    foreach(source IN LISTS sources)
        get_filename_component(name "${source}" NAME_WE)
        string(REGEX REPLACE "^test_" "" name "${name}")
        add_program(${kind}_${name} FOLDER tests SOURCES "${source}")
        add_test(NAME ${kind}.${name} COMMAND ${kind}_${name})
        set_tests_properties(${kind}.${name} PROPERTIES
            LABELS ${kind}
            TIMEOUT ${timeout_secs}
            PROCESSORS ${processors}
            ENVIRONMENT "${environment}")
    endforeach()
endfunction()

add_tests(unit 60 1)
add_tests(lua 120 1)
add_tests(integration 300 2)
# Some of them wait more than they compute: two of these may run side by side.
foreach(name admin_away admin_events admin_fleet admin_http admin_refusals broken_rooms
        descriptors expiry hostile_redis http_bursts http_ports lost_keys malformed ops_port
        presence redis_share stderr timeouts upgrade_limits)
    set_tests_properties(integration.${name} PROPERTIES PROCESSORS 1)
endforeach()
# A test of tests/faults waits more than it computes, so that two may run side by side.
add_tests(faults 300 1)
# What docker-compose.yml mounts, with the programs that it is for.
add_tests(compose 300 2)

# The terminal client in a terminal: tmux.
add_tests(terminal 300 2)

# A sanitizer would make them slower and see nothing new.
if(NOT ROOMCAST_SANITIZE)
    foreach(name unit client browser)
        add_test(NAME frontend.${name}
            COMMAND npm test --silent --prefix "${PROJECT_SOURCE_DIR}/frontend" -- --project ${name})
        set_tests_properties(frontend.${name} PROPERTIES
            LABELS frontend
            TIMEOUT 600
            PROCESSORS 2
            ENVIRONMENT "${environment}")
    endforeach()
    # Debian's python, which has the modules of script/setup.
    foreach(kind k8s docs)
        file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${kind}/test_*.py")
        foreach(source IN LISTS sources)
            get_filename_component(name "${source}" NAME_WE)
            string(REGEX REPLACE "^test_" "" name "${name}")
            add_test(NAME ${kind}.${name} COMMAND /usr/bin/python3 -B "${source}")
            set_tests_properties(${kind}.${name} PROPERTIES
                LABELS ${kind}
                TIMEOUT 300
                ENVIRONMENT "${environment}")
        endforeach()
    endforeach()
endif()

# What is shipped, as far as no engine is needed; tests/image/rehearse.py is script/test-long's.
function(add_check name)
    add_test(NAME ${name} COMMAND /usr/bin/python3 ${ARGN})
    set_tests_properties(${name} PROPERTIES LABELS shipping TIMEOUT 120)
endfunction()
add_check(image.version "${PROJECT_SOURCE_DIR}/tests/image/version.py")
add_check(image.install "${PROJECT_SOURCE_DIR}/tests/image/install.py"
    "${PROJECT_BINARY_DIR}" "${PROJECT_BINARY_DIR}/installed")
add_check(compose.files "${PROJECT_SOURCE_DIR}/tests/compose/check.py"
    "${PROJECT_BINARY_DIR}/bin" "${PROJECT_BINARY_DIR}/tests")

# Random faults, for script/soak: no test of ctest's.
add_program(faults_random FOLDER tests SOURCES tests/faults/random.c)

# What makes a gateway believe in another clock and another pid.
add_library(odd_process MODULE "${PROJECT_SOURCE_DIR}/tests/faults/odd_process.c")
target_compile_options(odd_process PRIVATE ${warnings} -fno-sanitize=all)
target_link_options(odd_process PRIVATE -fno-sanitize=all)
set_target_properties(odd_process PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")

# Counts instructions and allocations without a kernel, for tests/instructions/check.py:
# no test of ctest's, for its figures hold for the release alone. Its malloc is its own.
if(NOT ROOMCAST_SANITIZE AND NOT ROOMCAST_COVERAGE)
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/instructions/*.c")
    add_program(instructions FOLDER tests SOURCES ${sources} OPTIONS ${whole_program})
    target_compile_options(instructions PRIVATE -U_FORTIFY_SOURCE)
endif()
