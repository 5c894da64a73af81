# embed.cmake - writes files as C arrays into NAME_embedded.c and .h of the directory OUT; the
# array of a/b.lua is called PREFIX_b, its length PREFIX_b_len.
#
# cmake -DOUT=DIR -DNAME=scripts -DPREFIX=lua -DFILES="a.lua;b.lua" -P embed.cmake

set(header "/* Made by embed.cmake. */\n#include <stddef.h>\n\n")
set(source "#include \"${NAME}_embedded.h\"\n\n")
foreach(file IN LISTS FILES)
    get_filename_component(array "${file}" NAME_WE)
    set(array "${PREFIX}_${array}")
    file(READ "${file}" bytes HEX)
    string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
    string(APPEND header "extern const char ${array}[];\n"
                         "extern const size_t ${array}_len;\n")
    string(APPEND source "const char ${array}[] = {${bytes}0};\n"
                         "const size_t ${array}_len = sizeof(${array}) - 1;\n")
endforeach()
file(WRITE "${OUT}/${NAME}_embedded.h" "${header}")
file(WRITE "${OUT}/${NAME}_embedded.c" "${source}")
