# What `cmake --install BUILD` copies, in three components:
#
#   programs      bin/, and in share/dormouse/ the page that gateways serve
#   hubs          what runs hubs in other languages: share/dormouse/hubs/js (Durable Objects) and share/dormouse/hubs/python,
#                 and in lib/dormouse/ the addon behind storage.sql, where it is built (sqlite/addon.mjs finds it there)
#   development   what a hub class is written against and linked with in a project of its own
#                 (statekeeper/hub/README.md): headers in include/dormouse/, libraries in lib/dormouse/, and the CMake
#                 package Dormouse, whose targets are Dormouse::NAME for our dormouse_NAME
include(CMakePackageConfigHelpers)

install(TARGETS dormouse-gateway dormouse-statekeeper dormousectl dormouse-load COMPONENT programs)
install(DIRECTORY clients/web clients/js DESTINATION share/dormouse COMPONENT programs
        PATTERN testing EXCLUDE PATTERN "*.test.js" EXCLUDE)

install(DIRECTORY clients/hubs/js DESTINATION share/dormouse/hubs COMPONENT hubs
        FILES_MATCHING PATTERN "*.mjs" PATTERN package.json
        PATTERN testing EXCLUDE PATTERN "*.test.mjs" EXCLUDE PATTERN bench.mjs EXCLUDE)
install(DIRECTORY clients/hubs/python DESTINATION share/dormouse/hubs COMPONENT hubs
        FILES_MATCHING PATTERN "*.py" PATTERN "*.pyi" PATTERN py.typed
        PATTERN testing EXCLUDE PATTERN tests EXCLUDE PATTERN examples EXCLUDE)
if(TARGET dormouse_sqlite)
  install(TARGETS dormouse_sqlite LIBRARY DESTINATION lib/dormouse COMPONENT hubs)
endif()

# A library, and all of ours that it is linked with.
function(install_library name)
  get_property(installed GLOBAL PROPERTY dormouse_installed)
  if(name IN_LIST installed)
    return()
  endif()
  set_property(GLOBAL APPEND PROPERTY dormouse_installed ${name})
  string(REGEX REPLACE "^dormouse_" "" exported ${name})
  set_target_properties(${name} PROPERTIES EXPORT_NAME ${exported})
  install(TARGETS ${name} EXPORT Dormouse ARCHIVE DESTINATION lib/dormouse COMPONENT development)
  get_target_property(linked ${name} INTERFACE_LINK_LIBRARIES)
  foreach(library ${linked})
    if(library MATCHES "^dormouse_")
      install_library(${library})
    endif()
  endforeach()
endfunction()
install_library(dormouse_statekeeper_main)
install_library(dormouse_hub_testing)

set(DORMOUSE_SOURCE ${PROJECT_SOURCE_DIR})
set(DORMOUSE_BINARY ${PROJECT_BINARY_DIR})
set(DORMOUSE_HEADERS statekeeper/statekeeper_main.h statekeeper/hub/hub.h statekeeper/hub/fake_context.h)
configure_file(deploy/cmake/install_headers.cmake.in ${PROJECT_BINARY_DIR}/install_headers.cmake @ONLY)
install(SCRIPT ${PROJECT_BINARY_DIR}/install_headers.cmake COMPONENT development)

set(package lib/cmake/Dormouse)
install(EXPORT Dormouse NAMESPACE Dormouse:: DESTINATION ${package} COMPONENT development)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/DormouseConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES deploy/cmake/DormouseConfig.cmake deploy/cmake/dependencies.cmake
              ${PROJECT_BINARY_DIR}/DormouseConfigVersion.cmake
        DESTINATION ${package} COMPONENT development)
