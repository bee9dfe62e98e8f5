#pragma once

// What tests include most often (cmake/compile_time.cmake). It changes nothing but time: no file
// may rely on it.

#include <filesystem>
#include <fstream>
#include <future>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <iostream>

#include "sources.hpp"
