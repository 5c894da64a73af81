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

# How much of a machine a test is given: a job of ctest's is a quarter of a core, for most tests of
# whole gateways wait more than they compute (script/test: `ctest -j` four times the cores).
set(waits 2)      # for leases, deadlines, Redis: four of them on two cores
set(computes 4)   # a core of its own
set(alone 8)      # two cores: it has clients by the thousand, or counts what happens in a second

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

# The longest are begun first.
function(set_costs)
    while(ARGN)
        list(POP_FRONT ARGN name cost)
        set_tests_properties(${name} PROPERTIES COST ${cost})
    endwhile()
endfunction()

add_tests(unit 60 ${waits})
add_tests(lua 120 ${waits})
add_tests(integration 300 ${computes})
foreach(name admin_away admin_bodies admin_close admin_events admin_fleet admin_http admin_keys admin_kick
        admin_oidc admin_openapi admin_refusals admin_roles admin_words bad_requests broken_rooms chat_client clock_back
        descriptors expiry flush healthcheck http_bursts http_ports lost_keys
        malformed odd_names ops_port presence redis_share rewinds stderr timeouts upgrade_limits)
    set_tests_properties(integration.${name} PROPERTIES PROCESSORS ${waits})
endforeach()
foreach(name crowd join_property monitoring never_reading_clients pacing rfc6455_size
        slow_clients stock_clients storm)
    set_tests_properties(integration.${name} PROPERTIES PROCESSORS ${alone})
endforeach()
add_tests(faults 300 ${waits})
# Several Redis, a Redis Cluster, Sentinels, TLS.
add_tests(cluster 300 ${waits})
# With gateways of three workers once more.
foreach(name cluster.scene cluster.without_kill faults.clients faults.links faults.redis
        integration.presence integration.redis_share integration.rewinds integration.rooms)
    string(REPLACE "." "_" program "${name}")
    string(REGEX REPLACE "[.].*" "" kind "${name}")
    add_test(NAME ${name}.three_workers COMMAND ${program})
    set_tests_properties(${name}.three_workers PROPERTIES
        LABELS ${kind}
        TIMEOUT 300
        PROCESSORS ${computes}
        ENVIRONMENT "${environment};ROOMCAST_TEST_WORKERS=3")
endforeach()
# What docker-compose.yml mounts, with the programs that it is for.
add_tests(compose 300 ${computes})
# The terminal client in a terminal: tmux.
add_tests(terminal 300 ${computes})
set_costs(cluster.scene.three_workers 90 cluster.losses 70 cluster.gone 50)
set_costs(cluster.scene 90 cluster.admin_cluster 80 cluster.move_rooms 40 integration.hostile_redis 100 cluster.sentinel_failover 50 integration.expiry 60 integration.rewinds 50
    faults.operator 40 faults.gateways 40 integration.lost_keys 40 integration.admin_fleet 30
    integration.admin_events 30 integration.admin_keys 80 integration.presence 30 integration.ops_port 30)

# A sanitizer would make them slower and see nothing new.
if(NOT ROOMCAST_SANITIZE)
    foreach(name unit client browser)
        add_test(NAME frontend.${name}
            COMMAND npm test --silent --prefix "${PROJECT_SOURCE_DIR}/frontend" -- --project ${name})
        set_tests_properties(frontend.${name} PROPERTIES
            LABELS frontend
            TIMEOUT 600
            PROCESSORS ${alone}
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
                PROCESSORS ${computes}
                ENVIRONMENT "${environment}")
        endforeach()
    endforeach()
    set_tests_properties(docs.failover PROPERTIES PROCESSORS ${waits} COST 60)
endif()

# What is shipped, as far as no engine is needed; tests/image/rehearse.py is script/test-long's.
function(add_check name)
    add_test(NAME ${name} COMMAND /usr/bin/python3 ${ARGN})
    set_tests_properties(${name} PROPERTIES LABELS shipping TIMEOUT 120 PROCESSORS ${computes})
endfunction()
add_check(image.version "${PROJECT_SOURCE_DIR}/tests/image/version.py")
add_check(image.install "${PROJECT_SOURCE_DIR}/tests/image/install.py"
    "${PROJECT_BINARY_DIR}" "${PROJECT_BINARY_DIR}/installed")
add_check(compose.files "${PROJECT_SOURCE_DIR}/tests/compose/check.py"
    "${PROJECT_BINARY_DIR}/bin" "${PROJECT_BINARY_DIR}/tests")
add_check(compose.redis_cluster "${PROJECT_SOURCE_DIR}/tests/compose/redis_cluster.py")
set_tests_properties(compose.redis_cluster PROPERTIES PROCESSORS ${waits} ENVIRONMENT "${environment}")

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

# What belongs together: a subject, its files and its tests, each a regular expression for the
# whole of a path without its ending, or of a test's name. A test has its subjects as labels too:
# `ctest -L`. script/test FILE... reads them from build/subjects.txt; that a unit test belongs to
# what it links needs no row.
set(subjects
    messages "gateway/(answer|deliver|outbox|publish|req_message)|lua/publish"
        "unit.(deliver|outbox|publish)|lua.publish|integration.(crowd|flush|message_size|pipelines)"
    history "gateway/(catchup|history_cache|req_get_history|room_log)|lua/(history|delete)"
        "unit.(catchup|history_cache|room_log)|lua.(history_members|moderate_delete)|integration.(join_property|storm)"
    rooms "gateway/(announce|leave|membership|room|rooms|room_state|room_user|req_join|req_leave|shard|sync)|lua/(join|leave|register|remake|sync)|lua/lib/.*"
        "unit.(announce|membership.*|room|room_state|shard|sync)|lua.(join_leave|sync)|integration.(rooms|join_property|lost_keys)"
    presence "gateway/(joins_leaves|req_get_members|req_signal)|lua/members"
        "unit.joins_leaves|lua.(history_members|join_leave)|integration.(presence|flush)"
    nodes "gateway/(drain|index|node|node_commands|node_name|reaper|server_check)|lua/(claim|forget|heartbeat|index|reap|renew|unindex)"
        "unit.(drain|index|node|reaper)|lua.(heartbeat|index|reap_claim_forget)|integration.(clock_back|expiry|presence)|faults.(gateways|stopped)"
    cluster "gateway/(feed_cluster|link_canaries|marks|shard_(cluster|status)|shards.*)|common/(cluster.*|shard_mark)|admin/move.*|lua/settle"
        "unit.(cluster_.*|link_canaries|marks)|lua.settle|cluster.(admin_cluster|admin_shards|expiring|gone|homes|lists|losses|move_rooms|scene.*|status|without_kill|workers)"
    notices "gateway/(bus|feed.*|handover|inbox|shard_notices)|common/map"
        "unit.(bus|feed.*|inbox|listening|map)|integration.handover|cluster.workers|faults.links"
    terms "gateway/(bus|store|terms|args|withheld)|common/(intake|lines|notice|token)"
        "unit.(bus|lines|notice|terms|withheld)|integration.(malformed|rewinds)|faults.redis|cluster.losses"
    connections "gateway/(address_limits|arrival|conn|forwarded|frame|handshake|http_text|main|origin|pool|proxy_header|pulse|queue|reader|receiver|sender|upgrade|wheel|worker)|common/(address|descriptors|listen|networks)"
        "unit.(address_limits|arrival|conn|forwarded|frame|handshake_verdict|networks|proxy_header|origin|pool|pulse|queue|reader|receiver|sender.*|upgrade_parse|wheel)|integration.(behind_haproxy|client_addresses|descriptors|rfc6455.*|slow_clients|timeouts|upgrade.*)|faults.clients"
    requests "gateway/(pace|request|requests|session.*|slot|token_bucket|user_limit|req_.*)|lua/user|common/(json|proto.*|utf8)"
        "unit.(json|pace|proto|request|session|slot|token_bucket|user_limit)|lua.user|cluster.user_limit|integration.(bad_requests|odd_names|pacing|request_limits)"
    redis "common/(cluster_.*|command|keys|redis_.*|reply.*|rights|scripts|shard_of)|lua/rights"
        "unit.(cluster_.*|keys|redis_.*|reply.*|shard_of)|cluster.(open_slots|redis_cluster|sentinel.*|tls|unix_socket|wrong_mode)|lua.sources|integration.(hostile_redis|pipelines|redis_share)|faults.(addresses|links|redis|rights)"
    scripts "lua/.*|cmake/embed" "lua.(sources|refusals)"
    http "common/(http.*|linger|page|percent)|gateway/ops_server|common/(healthcheck|metrics|metric_labels)"
        "unit.(http_.*|metrics|page|percent)|integration.(admin_http|healthcheck|http_.*|ops_port)"
    settings "common/(config.*|setting.*)|client/term_options|bench/options"
        "unit.(config|settings|term_options)"
    admin "admin/.*|common/(https_url|issuer_list|rfc3339)|lua/(audit|close|kick|moderate|policy|room|rooms|sample)"
        "unit.(auth|fleet_view|id_token|issuer_list|issuers|operators|rfc3339|token)|lua.(kick_close|listings|moderate_delete)|cluster.admin_(cluster|shards)|integration.admin_.*|faults.operator"
    support "tests/support/(redis|fleet)/.*"
        "lua.(publish|sync)|integration.(presence|rooms)|faults.rights"
    logging "common/log" "unit.log|integration.stderr"
    client "client/(chat_.*|connection|handshake|json_read|outgoing|ws_client)"
        "unit.(chat_room|handshake|outgoing)|integration.(chat_client|ws_client)"
    terminal "client/(fd_poll|line_.*|main|members|model.*|plain.*|screen.*|term.*|text|timeline|typing|view)" "unit.(line_edit|model|text|timeline|term_options)|terminal.*"
    shipping "Dockerfile|docker-compose|cmake/install|compose/.*" "image.*|compose.*"
    kubernetes "k8s/.*" "k8s.*"
    console "frontend/.*" "frontend.*"
    docs "docs/.*|README|CONTRIBUTING|CHANGELOG" "docs.*"
    monitoring "monitoring/.*" "integration.monitoring|docs.*")
get_property(names DIRECTORY PROPERTY TESTS)
file(WRITE "${PROJECT_BINARY_DIR}/subjects.txt" "")
while(subjects)
    list(POP_FRONT subjects subject files tests)
    file(APPEND "${PROJECT_BINARY_DIR}/subjects.txt" "${subject} ${files}\n")
    foreach(name IN LISTS names)
        if(name MATCHES "^(${tests})$")
            set_property(TEST ${name} APPEND PROPERTY LABELS ${subject})
        endif()
    endforeach()
endwhile()
