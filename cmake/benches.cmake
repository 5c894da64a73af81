# benches.cmake - the programs of bench/.

# bench/bench.c is roomcast-bench, bench/NAME.c roomcast-bench-NAME where it has a
# main; the rest is what these share.
file(GLOB bench_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
foreach(source IN LISTS bench_sources)
    file(STRINGS "${source}" main REGEX "^int main\\(")
    if(main)
        list(APPEND benches "${source}")
    endif()
endforeach()
list(REMOVE_ITEM bench_sources ${benches} "")
add_part(bench_parts SOURCES ${bench_sources} LINK client common m)
foreach(bench IN LISTS benches)
    get_filename_component(name "${bench}" NAME_WE)
    string(REGEX REPLACE "-bench$" "" program "roomcast-bench-${name}")
    add_program(${program} FOLDER bin SOURCES "${bench}" LINK bench_parts)
endforeach()
# A part of the gateway by itself, so linked with it.
add_program(roomcast-bench-ring FOLDER bin SOURCES bench/micro/ring.c
    LINK gateway_core)
