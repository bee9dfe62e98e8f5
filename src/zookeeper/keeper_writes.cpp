#include "zookeeper/keeper_core.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

namespace muster::zookeeper {
namespace {

using protocol::multi_result;
using protocol::op_code;

multi_result failure(zk_error error) {
    multi_result result;
    result.code = op_code::error;
    result.error = error;
    return result;
}

}  // namespace

change_context keeper_core::begin_change(const request& of) {
    return change_context{++zxid_, of.at.unix_ms, of.link.facts.session, of.link.who};
}

void keeper_core::create(const request& of) {
    const change_context by = begin_change(of);
    protocol::create_request asked;
    asked.code = of.header.type;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    const answer<const znode*> made = tree_.create(asked, by);
    tell_watchers(by.session);
    if (!made) {
        return reply(of, made.error());
    }
    reply(of, zk_error::ok, [&](std::string& out) {
        protocol::encode_path(out, (*made)->path);
        if (asked.code != op_code::create) {
            protocol::encode(out, (*made)->meta());
        }
    });
}

void keeper_core::remove(const request& of) {
    const change_context by = begin_change(of);
    protocol::delete_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    const answer<void> done = tree_.remove(asked.path, asked.version, by);
    tell_watchers(by.session);
    reply(of, done ? zk_error::ok : done.error());
}

void keeper_core::set_data(const request& of) {
    const change_context by = begin_change(of);
    protocol::set_data_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    const answer<stat> done = tree_.set(asked, by);
    tell_watchers(by.session);
    reply(of, done ? zk_error::ok : done.error(), [&](std::string& out) {
        protocol::encode(out, *done);
    });
}

void keeper_core::set_acl(const request& of) {
    const change_context by = begin_change(of);
    protocol::set_acl_request asked;
    if (!decode(of.body, asked)) {
        return reply(of, zk_error::marshalling_error);
    }
    const answer<stat> done = tree_.set_acl(asked, by);
    reply(of, done ? zk_error::ok : done.error(), [&](std::string& out) {
        protocol::encode(out, *done);
    });
}

answer<multi_result> keeper_core::apply(const protocol::multi_op& one, const change_context& by) {
    multi_result result;
    if (const auto* made = std::get_if<protocol::create_request>(&one)) {
        const auto node = tree_.create(*made, by);
        if (!node) {
            return std::unexpected{node.error()};
        }
        result.code = made->code == op_code::create ? op_code::create : op_code::create2;
        result.path = (*node)->path;
        result.meta = (*node)->meta();
        return result;
    }
    if (const auto* set = std::get_if<protocol::set_data_request>(&one)) {
        const auto meta = tree_.set(*set, by);
        if (!meta) {
            return std::unexpected{meta.error()};
        }
        result.code = op_code::set_data;
        result.meta = *meta;
        return result;
    }
    answer<void> done = std::unexpected{zk_error::bad_arguments};
    if (const auto* removed = std::get_if<protocol::delete_request>(&one)) {
        done = tree_.remove(removed->path, removed->version, by);
        result.code = op_code::remove;
    } else if (const auto* checked = std::get_if<protocol::check_request>(&one)) {
        done = tree_.check(checked->path, checked->version, by);
        result.code = op_code::check;
    }
    if (!done) {
        return std::unexpected{done.error()};
    }
    return result;
}

/// All or nothing. The header of the reply says ok even when an operation failed: the results then
/// are all errors, ok before the one at fault and runtime_inconsistency behind it.
void keeper_core::multi(const request& of) {
    const change_context by = begin_change(of);
    protocol::multi_request asked;
    const auto reads = [](const protocol::multi_op& one) {
        return std::holds_alternative<protocol::read_request>(one);
    };
    if (!decode(of.body, asked) || std::ranges::any_of(asked.ops, reads)) {
        return reply(of, zk_error::marshalling_error);
    }
    std::vector<multi_result> results;
    results.reserve(asked.ops.size());
    tree_.begin();
    bool failed = false;
    for (const protocol::multi_op& one : asked.ops) {
        answer<multi_result> done = apply(one, by);
        if (done) {
            results.push_back(std::move(*done));
            continue;
        }
        tree_.rollback();
        std::ranges::fill(results, failure(zk_error::ok));
        results.push_back(failure(done.error()));
        results.resize(asked.ops.size(), failure(zk_error::runtime_inconsistency));
        failed = true;
        break;
    }
    if (!failed) {
        tree_.commit();
    }
    tell_watchers(by.session);
    reply(of, zk_error::ok, [&](std::string& out) { protocol::encode(out, results); });
}

void keeper_core::end_session(std::int64_t session) {
    tree_.end_session(session, ++zxid_);
    sessions_.close(session);
    tell_watchers(session);
}

void keeper_core::end_own_session(const request& of) {
    end_session(of.link.facts.session);
    reply(of, zk_error::ok);
    drop(of.from, of.link);
}

}  // namespace muster::zookeeper
