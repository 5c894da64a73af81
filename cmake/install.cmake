# install.cmake - what `cmake --install build --prefix DIR` puts where. Each image takes one
# component; without --component all of it is installed.
#
#     gateway  bin/roomcast-gateway
#     admin    bin/roomcast-admin, share/roomcast/console (it looks there by itself)
#     client   bin/roomcast and its page of the manual, where that program is built
#     support  share/roomcast/monitoring, share/doc/roomcast

install(TARGETS roomcast-gateway RUNTIME DESTINATION bin COMPONENT gateway)
install(TARGETS roomcast-admin RUNTIME DESTINATION bin COMPONENT admin)
if(TARGET roomcast)
    install(TARGETS roomcast RUNTIME DESTINATION bin COMPONENT client)
    install(FILES client/roomcast.1 DESTINATION share/man/man1 COMPONENT client)
endif()

# Built by node, not by cmake: without node, the admin service is installed without its pages.
install(DIRECTORY "${PROJECT_SOURCE_DIR}/frontend/dist/"
    DESTINATION share/roomcast/console COMPONENT admin OPTIONAL)
install(CODE "if(NOT EXISTS \"${PROJECT_SOURCE_DIR}/frontend/dist/index.html\")
    message(WARNING \"the console is not built, so not installed: script/build\")
endif()" COMPONENT admin)

install(DIRECTORY "${PROJECT_SOURCE_DIR}/monitoring/"
    DESTINATION share/roomcast/monitoring COMPONENT support)
install(FILES LICENSE README.md CHANGELOG.md
    DESTINATION share/doc/roomcast COMPONENT support)
file(GLOB manuals CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/docs/*.md")
install(FILES ${manuals} DESTINATION share/doc/roomcast/docs COMPONENT support)
