#pragma once

/// @file
/// Everything but `<muster/testing.hpp>` and `<muster/asio.hpp>`.

#include "muster/application.hpp"
#include "muster/channel.hpp"
#include "muster/client.hpp"
#include "muster/config.hpp"
#include "muster/error.hpp"
#include "muster/global.hpp"
#include "muster/ids.hpp"
#include "muster/instances.hpp"
#include "muster/message.hpp"
#include "muster/node.hpp"
#include "muster/ownership.hpp"
#include "muster/pending.hpp"
#include "muster/pid.hpp"
#include "muster/planner.hpp"
#include "muster/process.hpp"
#include "muster/resource.hpp"
#include "muster/supervisor.hpp"
#include "muster/task.hpp"
#include "muster/view.hpp"
