# modules.cmake - who links what follows from who includes what.
#
# A module is NAME.h with NAME.c, and with those .c that have no header of their own and include
# NAME.h before the other headers of their directory. Each is a library, DIRECTORY_NAME, and links
# the modules whose headers it includes, as a program does: so a program links what it uses and
# nothing else, and after a change only what uses the changed module is linked again.

set(warnings -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes)
if(ROOMCAST_WERROR)
    list(APPEND warnings -Werror)
endif()

# What an include in <> stands for, up to its first slash or dot.
set(library_of_uv PkgConfig::UV)
set(library_of_hiredis PkgConfig::HIREDIS)
set(library_of_cjson PkgConfig::CJSON)
set(library_of_curl PkgConfig::CURL)
set(library_of_h2o h2o PkgConfig::UV ssl crypto)
set(library_of_wslay wslay)
set(library_of_utf8proc PkgConfig::UTF8PROC)
set(library_of_ncurses PkgConfig::NCURSESW)
set(library_of_cmocka PkgConfig::CMOCKA)
set(library_of_pthread Threads::Threads)
set(library_of_openssl ssl crypto)
set(library_of_math m)

# "tests/support/fleet/chat" -> tests_support_fleet_chat
function(name_module out path)
    string(REPLACE "/" "_" name "${path}")
    set(${out} "${name}" PARENT_SCOPE)
endfunction()

# The libraries that these files include, without the one called `self`.
function(find_links out self)
    set(links)
    foreach(file IN LISTS ARGN)
        set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY
            CMAKE_CONFIGURE_DEPENDS "${file}")
        file(STRINGS "${file}" lines REGEX "^#include ")
        foreach(line IN LISTS lines)
            if(line MATCHES "\"(.+)\\.h\"")
                name_module(link "${CMAKE_MATCH_1}")
                list(APPEND links "${link}")
            elseif(line MATCHES "<([a-z0-9]+)")
                list(APPEND links ${library_of_${CMAKE_MATCH_1}})
            endif()
        endforeach()
    endforeach()
    list(REMOVE_DUPLICATES links)
    list(REMOVE_ITEM links "${self}")
    set(${out} ${links} PARENT_SCOPE)
endfunction()

# The header of the module that a .c without one of its own belongs to; "": it has a main, or
# stands alone.
function(find_home out directory source)
    file(STRINGS "${source}" found REGEX "^(int main\\(|#include \"${directory}/[^/]+\\.h\")")
    if("${found}" MATCHES "int main" OR NOT "${found}" MATCHES "\"([^\"]+)\"")
        set(${out} "" PARENT_SCOPE)
    else()
        set(${out} "${PROJECT_SOURCE_DIR}/${CMAKE_MATCH_1}" PARENT_SCOPE)
    endif()
endfunction()

# Which file is of which library, for script/test-files.
file(WRITE "${PROJECT_BINARY_DIR}/modules.txt" "")

# The modules of a directory. OPTIONS: of the compiler, for them alone.
function(add_modules directory)
    cmake_parse_arguments(PARSE_ARGV 1 modules "" "" "OPTIONS")
    file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${directory}/*.h")
    file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${directory}/*.c")
    foreach(source IN LISTS sources)
        string(REGEX REPLACE "\\.c$" ".h" home "${source}")
        if(NOT EXISTS "${home}")
            find_home(home "${directory}" "${source}")
        endif()
        list(APPEND "sources_of_${home}" "${source}")
    endforeach()
    foreach(header IN LISTS headers)
        get_filename_component(name "${header}" NAME_WE)
        name_module(name "${directory}/${name}")
        set(own ${sources_of_${header}})
        find_links(links ${name} "${header}" ${own})
        foreach(file IN LISTS header own)
            file(RELATIVE_PATH file "${PROJECT_SOURCE_DIR}" "${file}")
            file(APPEND "${PROJECT_BINARY_DIR}/modules.txt" "${file} ${name}\n")
        endforeach()
        if(own)
            add_library(${name} STATIC ${own})
            target_compile_options(${name} PRIVATE ${warnings} ${modules_OPTIONS})
            target_link_libraries(${name} PUBLIC ${links})
        else()
            add_library(${name} INTERFACE)
            target_link_libraries(${name} INTERFACE ${links})
        endif()
    endforeach()
endfunction()

function(add_program name)
    cmake_parse_arguments(PARSE_ARGV 1 program "" "FOLDER" "SOURCES;OPTIONS")
    list(TRANSFORM program_SOURCES PREPEND "${PROJECT_SOURCE_DIR}/" REGEX "^[^/]")
    add_executable(${name} ${program_SOURCES})
    find_links(links ${name} ${program_SOURCES})
    foreach(source IN LISTS program_SOURCES) # what it holds itself
        file(RELATIVE_PATH own "${PROJECT_SOURCE_DIR}" "${source}")
        string(REGEX REPLACE "\\.c$" "" own "${own}")
        name_module(own "${own}")
        list(REMOVE_ITEM links "${own}")
    endforeach()
    target_compile_options(${name} PRIVATE ${warnings})
    target_link_libraries(${name} PRIVATE ${links})
    target_link_options(${name} PRIVATE ${program_OPTIONS})
    set_target_properties(${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${program_FOLDER}")
endfunction()

# Files as C arrays: the library ${name}_embedded, of ${name}_embedded.c and .h. LIB: a directory of
# functions that they use, see cmake/embed.cmake.
function(embed name prefix)
    cmake_parse_arguments(PARSE_ARGV 2 embed "" "LIB" "FILES")
    set(embedded "${PROJECT_BINARY_DIR}/embedded")
    set(functions)
    if(embed_LIB)
        file(GLOB functions CONFIGURE_DEPENDS "${embed_LIB}/*.lua")
    endif()
    add_custom_command(
        OUTPUT "${embedded}/${name}_embedded.c" "${embedded}/${name}_embedded.h"
        COMMAND "${CMAKE_COMMAND}" "-DOUT=${embedded}" "-DNAME=${name}"
                "-DPREFIX=${prefix}" "-DFILES=${embed_FILES}" "-DLIB=${embed_LIB}"
                -P "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
        DEPENDS ${embed_FILES} ${functions} "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
        VERBATIM)
    add_library(${name}_embedded STATIC
        "${embedded}/${name}_embedded.c" "${embedded}/${name}_embedded.h")
    target_include_directories(${name}_embedded PUBLIC "${embedded}")
endfunction()
