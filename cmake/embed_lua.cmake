# embed_lua.cmake - writes lua/*.lua as C arrays into scripts_embedded.c and .h.
#
# cmake -DOUT=DIR -DSCRIPTS="a.lua;b.lua" -P embed_lua.cmake

set(header "/* Made from lua/ by embed_lua.cmake. */\n#include <stddef.h>\n\n")
set(source "#include \"scripts_embedded.h\"\n\n")
foreach(script IN LISTS SCRIPTS)
    get_filename_component(name "${script}" NAME_WE)
    file(READ "${script}" bytes HEX)
    string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
    string(APPEND header "extern const char lua_${name}[];\n"
                         "extern const size_t lua_${name}_len;\n")
    string(APPEND source "const char lua_${name}[] = {${bytes}0};\n"
                         "const size_t lua_${name}_len = sizeof(lua_${name}) - 1;\n")
endforeach()
file(WRITE "${OUT}/scripts_embedded.h" "${header}")
file(WRITE "${OUT}/scripts_embedded.c" "${source}")
