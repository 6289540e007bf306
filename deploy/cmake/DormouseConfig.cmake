# find_package(Dormouse): Dormouse::statekeeper_main, with which a program with hub classes of its own is linked, and
# Dormouse::hub_testing, with which their tests are.
include(${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/Dormouse.cmake)
