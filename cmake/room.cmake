# The four kinds of things in this tree, each declared by one call: rooms (src/), programs
# (apps/, examples/, bench/), test programs that stand outside a room, and tests that are scripts.
#
# Code and tests are listed by hand, so that a file nobody builds cannot hide; tools/tidy.py
# refuses a file that is not listed, a listed file that does not exist, and an #include of a room
# that USES does not name. USES names muster::<room>, LIBS names muster::third::<library>.
#
# A listed file that does not exist is left out with a message, so that one unfinished room does
# not keep the others from building; tidy.py still fails on it.

function(muster_present out)
    set(present "")
    foreach(file IN LISTS ARGN)
        if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}" OR IS_ABSOLUTE "${file}")
            list(APPEND present "${file}")
        else()
            message(STATUS "listed but missing: ${CMAKE_CURRENT_SOURCE_DIR}/${file}")
        endif()
    endforeach()
    set(${out} "${present}" PARENT_SCOPE)
endfunction()

# muster_room(<name> [USES <room>...] [SOURCES <file>...] [TESTS <file>...] [LIBS <library>...]
#             [TEST_USES <room>...] [TEST_LIBS <library>...] [TEST_LABELS <label>...])
#
# Declares one room of src/ as muster::<name>. Without SOURCES it consists of headers alone. TESTS
# become one GoogleTest program with the ctest label "unit", and TEST_LABELS besides (threads:
# also run under the thread sanitizer; coroutines: also under the address sanitizer of GCC).
function(muster_room name)
    cmake_parse_arguments(
        PARSE_ARGV 1 room "" "" "USES;SOURCES;TESTS;LIBS;TEST_USES;TEST_LIBS;TEST_LABELS"
    )
    if(room_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "muster_room(${name}): what is '${room_UNPARSED_ARGUMENTS}'?")
    endif()
    muster_present(sources ${room_SOURCES})
    if(sources)
        add_library(muster_${name} STATIC ${sources})
        set(face PUBLIC)
        target_link_libraries(muster_${name} PRIVATE muster::warnings)
        muster_precompiled(muster_${name} sources)
    else()
        add_library(muster_${name} INTERFACE)
        set(face INTERFACE)
    endif()
    add_library(muster::${name} ALIAS muster_${name})
    target_compile_features(muster_${name} ${face} cxx_std_23)
    target_include_directories(muster_${name} ${face} "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(muster_${name} ${face} muster::headers ${room_USES} ${room_LIBS})
    if(NOT name STREQUAL "base")
        target_link_libraries(muster_${name} ${face} muster::base)
    endif()

    if(room_TESTS)
        muster_tests(
            muster_${name}_tests
            PREFIX "${name}/"
            SOURCES ${room_TESTS}
            USES muster::${name} ${room_TEST_USES}
            LIBS ${room_TEST_LIBS}
            LABELS unit ${room_TEST_LABELS}
        )
    endif()
endfunction()

# muster_tests(<target> SOURCES <file>... LABELS <label>... [USES <room>...] [LIBS <library>...]
#              [PREFIX <text>] [TIMEOUT <seconds>] [NEEDS <program>...] [OPTIMISED])
#
# One GoogleTest program; each of its tests is a ctest test with these labels. NEEDS names
# muster_programs that must be built before it runs. OPTIMISED: it runs so long that it is compiled
# like a room even where other tests are not (cmake/compile_time.cmake). main() is GoogleTest's.
function(muster_tests target)
    cmake_parse_arguments(
        PARSE_ARGV 1 tests "OPTIMISED" "PREFIX;TIMEOUT" "SOURCES;LABELS;USES;LIBS;NEEDS"
    )
    if(tests_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "muster_tests(${target}): what is '${tests_UNPARSED_ARGUMENTS}'?")
    endif()
    muster_present(sources ${tests_SOURCES})
    if(NOT MUSTER_BUILD_TESTS OR NOT sources)
        return()
    endif()
    if(NOT tests_TIMEOUT)
        set(tests_TIMEOUT 120)
        if(NOT MUSTER_SANITIZE STREQUAL "")
            set(tests_TIMEOUT 300)  # Many times slower, and on a slow machine.
        endif()
    endif()
    add_executable(${target} ${sources})
    set_target_properties(
        ${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests"
    )
    target_link_libraries(
        ${target}
        PRIVATE
            ${tests_USES}
            ${tests_LIBS}
            muster::headers
            muster::warnings
            muster::third::rapidcheck
            GTest::gmock
            GTest::gtest_main
    )
    if(tests_OPTIMISED)
        muster_precompiled(${target} sources)
    else()
        muster_compiled_soon(${target})
        muster_precompiled(${target} tests)
    endif()
    muster_test_properties(properties "${tests_TIMEOUT}" ${tests_LABELS})
    gtest_discover_tests(
        ${target}
        TEST_PREFIX "${tests_PREFIX}"
        TEST_LIST ${target}_names
        DISCOVERY_MODE PRE_TEST
        DISCOVERY_TIMEOUT 60
        PROPERTIES ${properties}
    )
    # gtest_discover_tests loses all but the first of several labels on the way through its own
    # scripts, so a script of ours, which ctest reads after them, sets the labels.
    set(script "${CMAKE_CURRENT_BINARY_DIR}/${target}_labels.cmake")
    file(
        WRITE "${script}"
        "if(${target}_names)\n"
        "  set_tests_properties(\${${target}_names} PROPERTIES LABELS \"${tests_LABELS}\")\n"
        "endif()\n"
    )
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${script}")
    muster_label_targets("${tests_LABELS}" ${target})
    muster_label_needs("${tests_LABELS}" ${tests_NEEDS})
endfunction()

# muster_script_test(<name> COMMAND <program> <argument>... LABELS <label>...
#                    [TIMEOUT <seconds>] [NEEDS <program>...])
#
# A test that is a script: exit code 0 passes, 77 skips. It runs in the repository's root.
function(muster_script_test name)
    cmake_parse_arguments(PARSE_ARGV 1 test "" "TIMEOUT" "COMMAND;LABELS;NEEDS")
    if(test_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "muster_script_test(${name}): what is '${test_UNPARSED_ARGUMENTS}'?")
    endif()
    if(NOT MUSTER_BUILD_TESTS)
        return()
    endif()
    if(NOT test_TIMEOUT)
        set(test_TIMEOUT 120)
    endif()
    muster_test_properties(properties "${test_TIMEOUT}" ${test_LABELS})
    add_test(NAME "${name}" COMMAND ${test_COMMAND} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties("${name}" PROPERTIES ${properties} SKIP_RETURN_CODE 77)
    set_tests_properties("${name}" PROPERTIES LABELS "${test_LABELS}")
    muster_label_targets("${test_LABELS}")
    muster_label_needs("${test_LABELS}" ${test_NEEDS})
endfunction()

# What every test with these labels is run with. Those that start processes, and measure time or
# take ports, never run beside another test.
function(muster_test_properties out timeout)
    set(properties TIMEOUT ${timeout})
    foreach(serial IN ITEMS live live_smoke grid conformance package)
        if(serial IN_LIST ARGN)
            list(APPEND properties RUN_SERIAL ON)
            break()
        endif()
    endforeach()
    set(${out} "${properties}" PARENT_SCOPE)
endfunction()

# One target tests_<label> builds all that the tests of a label need, and nothing else.
function(muster_label_targets labels)
    foreach(label IN LISTS labels)
        if(NOT TARGET tests_${label})
            add_custom_target(tests_${label})
        endif()
        if(ARGN)
            add_dependencies(tests_${label} ${ARGN})
        endif()
    endforeach()
endfunction()

# The same for programs, which may be declared later than the test that needs them.
function(muster_label_needs labels)
    foreach(program IN LISTS ARGN)
        foreach(label IN LISTS labels)
            set_property(GLOBAL APPEND PROPERTY muster_needs "${label}|${program}")
        endforeach()
    endforeach()
endfunction()

function(muster_connect_needs)
    get_property(needs GLOBAL PROPERTY muster_needs)
    list(REMOVE_DUPLICATES needs)
    foreach(need IN LISTS needs)
        string(REPLACE "|" ";" need "${need}")
        list(GET need 0 label)
        list(GET need 1 program)
        if(TARGET program_${program})
            add_dependencies(tests_${label} program_${program})
        else()
            message(WARNING "a test needs the program ${program}, which does not exist")
        endif()
    endforeach()
endfunction()

# muster_program(<name> SOURCES <file>... [USES <room>...] [LIBS <library>...])
#
# A program that a user may start: ${CMAKE_BINARY_DIR}/bin/<name>. Its target is program_<name>.
function(muster_program name)
    cmake_parse_arguments(PARSE_ARGV 1 program "" "" "SOURCES;USES;LIBS")
    if(program_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "muster_program(${name}): what is '${program_UNPARSED_ARGUMENTS}'?")
    endif()
    muster_present(sources ${program_SOURCES})
    if(NOT sources)
        return()
    endif()
    add_executable(program_${name} ${sources})
    set_target_properties(program_${name} PROPERTIES OUTPUT_NAME "${name}")
    target_compile_features(program_${name} PRIVATE cxx_std_23)
    target_link_libraries(
        program_${name}
        PRIVATE muster::headers ${program_USES} ${program_LIBS} muster::warnings
    )
    muster_precompiled(program_${name} sources)
endfunction()

# The rooms of src/, lowest first. One that is not there yet stands as an empty name, so that the
# rooms above it can already name it.
function(muster_rooms)
    # Not read: these globs make a build look again when a room or a file appears.
    file(GLOB listings CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*/CMakeLists.txt")
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.cpp")
    foreach(room IN LISTS ARGN)
        if(EXISTS "${PROJECT_SOURCE_DIR}/src/${room}/CMakeLists.txt")
            add_subdirectory("${PROJECT_SOURCE_DIR}/src/${room}")
        else()
            message(STATUS "src/${room} is not there")
        endif()
        if(NOT TARGET muster_${room})
            add_library(muster_${room} INTERFACE)
            add_library(muster::${room} ALIAS muster_${room})
        endif()
    endforeach()
endfunction()

# Whatever stands in these folders and has a listing of its own, by name.
function(muster_folders)
    foreach(top IN LISTS ARGN)
        file(
            GLOB listings
            CONFIGURE_DEPENDS
            "${PROJECT_SOURCE_DIR}/${top}/CMakeLists.txt"
            "${PROJECT_SOURCE_DIR}/${top}/*/CMakeLists.txt"
        )
        list(SORT listings)
        foreach(listing IN LISTS listings)
            cmake_path(GET listing PARENT_PATH folder)
            add_subdirectory("${folder}")
        endforeach()
    endforeach()
endfunction()
