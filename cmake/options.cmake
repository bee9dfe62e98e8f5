# What a build can be asked for, and what follows from the answers.

option(MUSTER_BUILD_TESTS "Build the tests" ${PROJECT_IS_TOP_LEVEL})
option(MUSTER_BUILD_BENCH "Build the benchmarks" OFF)
option(MUSTER_FUZZ "Build the fuzz targets of tests/fuzz (clang only)" OFF)
option(MUSTER_WERROR "Treat warnings as errors" OFF)
option(MUSTER_PRECOMPILE "Read common headers once for all files (clang only)" OFF)
set(MUSTER_SANITIZE "" CACHE STRING "Sanitizers: empty, address, address+undefined or thread")
set_property(CACHE MUSTER_SANITIZE PROPERTY STRINGS "" address address+undefined thread)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Everything a user may start stands in one folder; tests stand in another (room.cmake).
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

# The names of the build folder and of the clone stay out of ccache's key, so that one compilation
# serves every build folder and every clone that uses the same flags. The sloppiness is what ccache
# asks for with precompiled headers.
find_program(MUSTER_CCACHE ccache)
if(MUSTER_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(
        CMAKE_CXX_COMPILER_LAUNCHER
        env CCACHE_NOHASHDIR=1 CCACHE_SLOPPINESS=pch_defines,time_macros
        "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" "${MUSTER_CCACHE}"
    )
    set(CMAKE_C_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
endif()

# Debian's own Python: kazoo, an oracle of the conformance tests, is installed for that one.
find_program(MUSTER_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)

if(MUSTER_SANITIZE STREQUAL "")
    set(muster_sanitizers "")
elseif(MUSTER_SANITIZE STREQUAL "address")
    set(muster_sanitizers -fsanitize=address)
elseif(MUSTER_SANITIZE STREQUAL "address+undefined")
    set(muster_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined)
elseif(MUSTER_SANITIZE STREQUAL "thread")
    set(muster_sanitizers -fsanitize=thread)
else()
    message(FATAL_ERROR "MUSTER_SANITIZE is '${MUSTER_SANITIZE}'; see cmake/options.cmake")
endif()
if(muster_sanitizers)
    add_compile_options(${muster_sanitizers} -fno-omit-frame-pointer)
    add_link_options(${muster_sanitizers})
endif()

if(MUSTER_BUILD_TESTS)
    enable_testing()
endif()
