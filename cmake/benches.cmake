# benches.cmake - the programs of bench/.

# bench/bench.c is roomcast-bench, bench/NAME.c roomcast-bench-NAME where it has a
# main; the rest are modules that these share.
add_modules(bench)
file(GLOB bench_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/*.c")
foreach(source IN LISTS bench_sources)
    file(STRINGS "${source}" main REGEX "^int main\\(")
    if(main)
        get_filename_component(name "${source}" NAME_WE)
        string(REGEX REPLACE "-bench$" "" program "roomcast-bench-${name}")
        add_program(${program} FOLDER bin SOURCES "${source}")
    endif()
endforeach()
# A part of the gateway by itself.
add_program(roomcast-bench-ring FOLDER bin SOURCES bench/micro/ring.c)
add_program(roomcast-bench-jwt FOLDER bin SOURCES bench/micro/jwt.c)
