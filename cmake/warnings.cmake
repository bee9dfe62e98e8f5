# Flags of our own code. They are linked privately, so that they never reach a user's code.

add_library(muster_warnings INTERFACE)
add_library(muster::warnings ALIAS muster_warnings)
target_compile_options(
    muster_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow
)
# Bounds of containers and the emptiness of optionals are checked in release too: a wrong answer
# from a member of a cluster costs more than the comparison.
target_compile_definitions(muster_warnings INTERFACE _GLIBCXX_ASSERTIONS)

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # False alarms about std::string concatenation (GCC bug 105651) and about std::optional,
    # std::variant and std::expected once they are inlined (GCC bugs 80635, 107919; 14 too).
    target_compile_options(muster_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(MUSTER_WERROR)
    target_compile_options(muster_warnings INTERFACE -Werror)
endif()
