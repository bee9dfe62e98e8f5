# Every library that is not ours, under one family of names: muster::third::<name>.
#
# A room names what it needs in LIBS. Libraries that only examples, benchmarks or test oracles
# need are optional: ask with if(TARGET muster::third::<name>).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

# Declares muster::third::<name> on top of the given targets or files.
function(muster_third name)
    add_library(muster_third_${name} INTERFACE)
    add_library(muster::third::${name} ALIAS muster_third_${name})
    target_link_libraries(muster_third_${name} INTERFACE ${ARGN})
endfunction()

# The same from a pkg-config module; a further argument REQUIRED makes it so.
function(muster_third_pkg name module)
    pkg_check_modules(${name} ${ARGN} IMPORTED_TARGET ${module})
    if(TARGET PkgConfig::${name})
        muster_third(${name} PkgConfig::${name})
    endif()
endfunction()

# Boost is used by its headers alone. Boost.JSON is compiled once, in src/base.
find_package(Boost 1.81 REQUIRED)
muster_third(boost Boost::headers Threads::Threads)
target_compile_definitions(
    muster_third_boost INTERFACE BOOST_ALL_NO_LIB BOOST_JSON_NO_LIB BOOST_CONTAINER_NO_LIB
)
if(MUSTER_SANITIZE STREQUAL "thread")
    # The thread sanitizer does not understand atomic fences.
    target_compile_definitions(muster_third_boost INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()

find_package(OpenSSL 3 REQUIRED)
muster_third(ssl OpenSSL::SSL OpenSSL::Crypto)

muster_third_pkg(cbor libcbor REQUIRED)
muster_third_pkg(xxhash libxxhash REQUIRED)
muster_third_pkg(sqlite sqlite3)
muster_third_pkg(libpq libpq)

find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
muster_third(fmt fmt::fmt)
muster_third(spdlog spdlog::spdlog fmt::fmt)

find_package(CLI11 REQUIRED)
muster_third(cli11 CLI11::CLI11)

find_package(tomlplusplus REQUIRED)
muster_third(toml tomlplusplus::tomlplusplus)

if(MUSTER_BUILD_TESTS)
    find_package(GTest REQUIRED)
    include(GoogleTest)
    find_package(rapidcheck REQUIRED)
    muster_third(rapidcheck rapidcheck)
endif()

if(MUSTER_BUILD_BENCH)
    find_package(benchmark REQUIRED)
    muster_third(benchmark benchmark::benchmark)
endif()

# The official C client, an oracle and a rival in benchmarks, never part of the product. Debian
# ships neither a CMake nor a pkg-config file for it.
find_library(MUSTER_ZOOKEEPER_C zookeeper_mt)
find_path(MUSTER_ZOOKEEPER_C_INCLUDE zookeeper/zookeeper.h)
if(MUSTER_ZOOKEEPER_C AND MUSTER_ZOOKEEPER_C_INCLUDE)
    muster_third(zookeeper_c "${MUSTER_ZOOKEEPER_C}" Threads::Threads)
    target_include_directories(
        muster_third_zookeeper_c SYSTEM INTERFACE "${MUSTER_ZOOKEEPER_C_INCLUDE}"
    )
    target_compile_definitions(muster_third_zookeeper_c INTERFACE THREADED)
endif()
mark_as_advanced(MUSTER_CCACHE MUSTER_ZOOKEEPER_C MUSTER_ZOOKEEPER_C_INCLUDE)
