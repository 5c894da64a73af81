# embed.cmake - writes files as C arrays into NAME_embedded.c and .h of the directory OUT; the
# array of a/b.lua is called PREFIX_b, its length PREFIX_b_len.
#
# cmake -DOUT=DIR -DNAME=scripts -DPREFIX=lua -DFILES="a.lua;b.lua" [-DLIB=DIR] -P embed.cmake
#
# With LIB, a file whose head has `-- USES clock, room` gets the functions in front of it that it
# needs of LIB/clock.lua and LIB/room.lua, and no others: each call of a script makes a closure of
# each. A function there begins with `local function` and ends with `end` at the margin, and calls
# only those that stand before it, in its file or in one that is named before. What came out
# is also written to OUT/PREFIX/b.lua.

# Puts in front of the text in `variable` what it needs of the functions in `lib`, the last one first.
function(prepend_functions variable lib)
    set(body "${${variable}}")
    set(rest "${lib}")
    string(FIND "${rest}" "\nlocal function " at REVERSE)
    while(NOT at EQUAL -1)
        string(SUBSTRING "${rest}" ${at} -1 definition)
        string(SUBSTRING "${rest}" 0 ${at} rest)
        string(REGEX MATCH "local function ([a-z_]+)" ignored "${definition}")
        if(body MATCHES "[^a-z_]${CMAKE_MATCH_1}\\(")
            string(STRIP "${definition}" definition)
            set(body "${definition}\n\n${body}")
        endif()
        string(FIND "${rest}" "\nlocal function " at REVERSE)
    endwhile()
    set(${variable} "${body}" PARENT_SCOPE)
endfunction()

set(header "/* Written by embed.cmake. */\n#include <stddef.h>\n\n")
set(source "#include \"${NAME}_embedded.h\"\n\n")
foreach(file IN LISTS FILES)
    get_filename_component(name "${file}" NAME_WE)
    set(array "${PREFIX}_${name}")
    file(READ "${file}" bytes HEX)
    if(LIB)
        file(READ "${file}" text)
        if(text MATCHES "-- USES ([a-z, ]+)\n")
            string(REPLACE ", " ";" libs "${CMAKE_MATCH_1}")
            list(REVERSE libs)
            foreach(lib IN LISTS libs)
                file(READ "${LIB}/${lib}.lua" functions)
                prepend_functions(text "${functions}")
            endforeach()
        endif()
        file(WRITE "${OUT}/${PREFIX}/${name}.lua" "${text}")
        string(HEX "${text}" bytes)
    endif()
    string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
    string(APPEND header "extern const char ${array}[];\n"
                         "extern const size_t ${array}_len;\n")
    string(APPEND source "const char ${array}[] = {${bytes}0};\n"
                         "const size_t ${array}_len = sizeof(${array}) - 1;\n")
endforeach()
file(WRITE "${OUT}/${NAME}_embedded.h" "${header}")
file(WRITE "${OUT}/${NAME}_embedded.c" "${source}")
