#include "zookeeper/request.hpp"

#include <type_traits>

namespace muster::zookeeper {
namespace {

using protocol::decode;
using protocol::multi_result;
using protocol::op_code;

template <class T>
reply<T> reply_of(reply_facts facts, T value = {}) {
    return reply<T>{facts.how,
                    facts.error,
                    std::move(facts.text),
                    std::move(value),
                    facts.zxid,
                    facts.sent,
                    facts.acked,
                    facts.session};
}

bool is_create(op_code code) noexcept {
    return code == op_code::create || code == op_code::create2 ||
           code == op_code::create_container || code == op_code::create_ttl;
}

/// Whether a multi may answer `answer` to an operation `asked`. Servers answer the newer kinds of
/// create with either form: 3.8.0 leaves the stat out where later ones send it.
bool answers(op_code asked, op_code answer) noexcept {
    return is_create(asked) ? answer == op_code::create || answer == op_code::create2
                            : answer == asked;
}

/// A multi that failed has a result of code error for each operation: ok for those before the one
/// at fault, and runtime_inconsistency for those behind it.
bool read_multi(jute_reader& body,
                const request& what,
                std::string_view chroot,
                std::int64_t zxid,
                std::vector<op_result>& results,
                zk_error& fault) {
    std::vector<multi_result> raw;
    const std::size_t asked = what.notes == nullptr ? 0 : what.notes->multi_ops.size();
    if (!decode(body, raw, asked) || what.notes == nullptr || raw.size() != asked) {
        return false;
    }
    results.reserve(raw.size());
    bool failed = false;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        multi_result& one = raw[i];
        if (one.code == op_code::error) {
            failed = true;
            const bool names_it =
                one.error != zk_error::ok && one.error != zk_error::runtime_inconsistency;
            if (names_it && fault == zk_error::ok) {
                fault = one.error;
            }
        } else if (failed || !answers(what.notes->multi_ops[i], one.code)) {
            return false;
        }
        if (one.code == op_code::create) {
            // No stat came; these three are the transaction's all the same.
            one.meta.czxid = one.meta.mzxid = one.meta.pzxid = zxid;
        }
        results.push_back(
            op_result{one.error,
                      one.path.empty() ? std::string{} : without_chroot(one.path, chroot),
                      one.meta});
    }
    if (failed && fault == zk_error::ok) {
        fault = zk_error::runtime_inconsistency;
    }
    return true;
}

bool read_value(jute_reader&, nothing&) {
    return true;
}

template <class T>
bool read_value(jute_reader& body, T& value) {
    return decode(body, value);
}

bool read_value(jute_reader& body, std::pair<acl, stat>& value) {
    return decode(body, value.first) && decode(body, value.second);
}

template <class T>
task_fn telling(client::done<T>& done, reply<T> what) {
    return [done = std::move(done), what = std::move(what)]() mutable { done(std::move(what)); };
}

}  // namespace

void finish(completion done, reply_facts facts) {
    std::visit(
        [&]<class T>(callback<reply<T>>& waiting) {
            if (waiting) {
                waiting(reply_of<T>(std::move(facts)));
            }
        },
        done);
}

bool disowns_session(zk_error error) noexcept {
    return error == zk_error::session_expired || error == zk_error::session_moved;
}

outcome outcome_when_lost(const request& what) noexcept {
    return what.was_sent && what.changes ? outcome::outcome_unknown : outcome::not_sent;
}

task_fn read_reply(jute_reader& body, request& what, reply_facts facts, std::string_view chroot) {
    return std::visit(
        [&]<class T>(callback<reply<T>>& waiting) -> task_fn {
            T value{};
            bool fits = false;
            if constexpr (std::is_same_v<T, std::vector<op_result>>) {
                zk_error fault = zk_error::ok;
                fits = read_multi(body, what, chroot, facts.zxid, value, fault);
                if (fault != zk_error::ok) {
                    facts.how = outcome::refused;
                    facts.error = fault;
                    facts.text = "the server refused the multi: " + name_of(fault);
                }
            } else {
                fits = read_value(body, value);
            }
            if (!fits) {
                return {};
            }
            if constexpr (std::is_same_v<T, created>) {
                value.path = without_chroot(value.path, chroot);
            }
            if (!waiting) {
                return [] {};
            }
            return telling<T>(waiting, reply_of<T>(std::move(facts), std::move(value)));
        },
        what.done);
}

std::string without_chroot(std::string_view path, std::string_view chroot) {
    if (chroot.empty() || !path.starts_with(chroot)) {
        return std::string{path};
    }
    const std::string_view rest = path.substr(chroot.size());
    if (rest.empty()) {
        return "/";
    }
    return std::string{rest.front() == '/' ? rest : path};
}

}  // namespace muster::zookeeper
