# What keeps a full run short: its time goes mostly to compilers.

# muster_compiled_soon(<target of tests>)
#
# Tests are compiled with less optimisation than what they test, under a sanitizer with none, which
# takes a third of the time. What they test keeps it: without it, simulations take longer than their
# compilation.
function(muster_compiled_soon target)
    if(MUSTER_SANITIZE STREQUAL "")
        target_compile_options(${target} PRIVATE -O1)
    else()
        target_compile_options(${target} PRIVATE -O0)
    endif()
endfunction()

# muster_compiled_soon_under_sanitizers(<file>...)
#
# The same for sources that take long to compile and have little to do.
function(muster_compiled_soon_under_sanitizers)
    if(NOT MUSTER_SANITIZE STREQUAL "")
        set_source_files_properties(
            ${ARGN} PROPERTIES COMPILE_OPTIONS -O0 SKIP_PRECOMPILE_HEADERS ON
        )
    endif()
endfunction()

# muster_precompiled(<target> sources|tests)
#
# Has a target read what nearly every file includes from one precompiled header. Only where
# MUSTER_PRECOMPILE says so: elsewhere (dev, release) every file stands on its own #includes, so
# that a missing one is found. clang alone gains by it, and clang alone lets targets with other
# definitions share one.
function(muster_precompiled target kind)
    if(MUSTER_PRECOMPILE)
        target_precompile_headers(${target} REUSE_FROM muster_precompiled_${kind})
    endif()
endfunction()

# The target that others reuse the header cmake/precompiled/<kind>.hpp from.
function(muster_precompiled_header kind)
    set(target muster_precompiled_${kind})
    set(empty "${CMAKE_CURRENT_BINARY_DIR}/precompiled_${kind}.cpp")
    file(CONFIGURE OUTPUT "${empty}" CONTENT "")
    add_library(${target} OBJECT "${empty}")
    target_compile_features(${target} PRIVATE cxx_std_23)
    target_link_libraries(${target} PRIVATE muster::warnings ${ARGN})
    target_precompile_headers(
        ${target} PRIVATE "${PROJECT_SOURCE_DIR}/cmake/precompiled/${kind}.hpp"
    )
endfunction()

if(MUSTER_PRECOMPILE)
    if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "MUSTER_PRECOMPILE needs clang")
    endif()
    # ccache compares what the header holds, not when it was written.
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-Xclang -fno-pch-timestamp>")
    muster_precompiled_header(sources)
    if(MUSTER_BUILD_TESTS)
        muster_precompiled_header(tests GTest::gmock)
        muster_compiled_soon(muster_precompiled_tests)
    endif()
endif()
