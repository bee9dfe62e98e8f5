#include "cluster/lease/probe.hpp"

#include "base/text.hpp"
#include "zookeeper/handshake.hpp"

#include <algorithm>
#include <utility>

namespace muster::cluster {
namespace {

constexpr duration word_deadline = 1s;
/// A server that does not allow the word says so; none at all is a broken connection as a rule, and
/// the tick that it would have told decides which session timeouts are safe.
constexpr unsigned patience_for_conf = 3;
constexpr std::size_t answer_max = 64U << 10U;

/// The value of a line "key=value" or "key: value".
std::optional<std::string_view> line_value(std::string_view text, std::string_view key) {
    for (std::string_view line : base::split(text, '\n')) {
        line = base::trimmed(line);
        if (line.starts_with(key) && line.size() > key.size() &&
            (line[key.size()] == '=' || line[key.size()] == ':')) {
            return base::trimmed(line.substr(key.size() + 1));
        }
    }
    return std::nullopt;
}

}  // namespace

server_facts read_server_words(std::string_view srvr, std::string_view conf) {
    server_facts facts;
    constexpr std::string_view refused = "is not executed because it is not in the whitelist";
    // 3.4 to 3.9 begin `srvr` with "Zookeeper version:".
    facts.proven =
        srvr.starts_with("Zookeeper version:") || srvr.find(refused) != std::string_view::npos;
    facts.standalone = facts.proven && line_value(srvr, "Mode") == "standalone";
    if (const auto tick = line_value(conf, "tickTime")) {
        if (const auto ms = base::parse_int64(*tick); ms && *ms > 0 && *ms <= 3'600'000) {
            facts.tick = std::chrono::milliseconds{*ms};
        }
    }
    if (const auto limit = line_value(conf, "syncLimit")) {
        if (const auto count = base::parse_int64(*limit); count && *count > 0 && *count <= 10'000) {
            facts.sync_limit = static_cast<std::uint32_t>(*count);
        }
    }
    return facts;
}

server_probe::server_probe(runtime::loop& at,
                           zookeeper::connect_string servers,
                           callback<server_facts> found,
                           std::function<void(const error&)> waiting)
    : loop_{at},
      hosts_{std::move(servers.servers)},
      found_{std::move(found)},
      waiting_{std::move(waiting)},
      timer_{at.make_timer()} {
    for (std::size_t i = hosts_.size(); i > 1; --i) {
        std::swap(hosts_[i - 1], hosts_[loop_.random_below(i)]);
    }
    next_host();
}

void server_probe::next_host() {
    stream_.reset();
    if (host_ == hosts_.size()) {
        round_over();
        return;
    }
    step_ = loop_.resolve(hosts_[host_++],
                          loop_.now() + word_deadline,
                          life_.wrap([this](result<std::vector<runtime::endpoint>> got) {
                              if (!got) {
                                  host_failed(got.error().text);
                                  return;
                              }
                              addresses_ = std::move(*got);
                              address_ = 0;
                              next_address();
                          }));
}

void server_probe::next_address() {
    if (address_ == addresses_.size()) {
        next_host();
        return;
    }
    ++address_;
    asking_conf_ = false;
    // As a line: whoever is no ZooKeeper server may wait for the end of one. What there is leaves
    // four bytes, and heeds no more.
    ask("srvr\n");
}

void server_probe::ask(std::string_view word) {
    word_ = word;
    timer_->set(loop_.now() + word_deadline, life_.wrap([this] {
        if (asking_conf_) {
            word_answered();
        } else {
            host_failed(addresses_[address_ - 1].text() + ": no answer to srvr");
        }
    }));
    const runtime::endpoint to = addresses_[address_ - 1];
    step_ = loop_.connect(to,
                          loop_.now() + word_deadline,
                          life_.wrap([this, to](result<std::unique_ptr<runtime::stream>> got) {
                              if (!got) {
                                  host_failed(to.text() + ": " + got.error().text);
                                  return;
                              }
                              stream_ = std::move(*got);
                              stream_->write(word_, life_.wrap([](result<void>) {}));
                              read_more();
                          }));
}

void server_probe::read_more() {
    stream_->read_some(buffer_, life_.wrap([this](result<std::size_t> got) {
        std::string& answer = asking_conf_ ? conf_ : srvr_;
        if (!got || *got == 0 || answer.size() > answer_max) {
            word_answered();
            return;
        }
        answer.append(buffer_.data(), *got);
        read_more();
    }));
}

void server_probe::word_answered() {
    stream_.reset();
    timer_->cancel();
    if (!asking_conf_) {
        if (srvr_.empty()) {
            host_failed(addresses_[address_ - 1].text() + ": closed without an answer to srvr");
            return;
        }
        if (zookeeper::is_web_server(srvr_)) {
            host_failed(addresses_[address_ - 1].text() + ": " +
                        zookeeper::describe_stranger(srvr_));
            return;
        }
        // A server that is starting, or has no quorum, answers so; what it is it cannot say yet.
        if (srvr_.find("not currently serving requests") != std::string::npos) {
            host_failed(addresses_[address_ - 1].text() + ": is up, but does not serve yet");
            return;
        }
        asking_conf_ = true;
        ask("conf");
        return;
    }
    if (conf_.empty() && ++without_conf_ < patience_for_conf) {
        host_failed(addresses_[address_ - 1].text() + ": closed without an answer to conf");
        return;
    }
    step_.reset();
    auto found = std::move(found_);
    found(read_server_words(srvr_, conf_));
}

void server_probe::host_failed(std::string why) {
    timer_->cancel();
    stream_.reset();
    srvr_.clear();
    conf_.clear();
    last_trouble_ = std::move(why);
    if (address_ < addresses_.size()) {
        next_address();
    } else {
        addresses_.clear();
        address_ = 0;
        next_host();
    }
}

void server_probe::round_over() {
    host_ = 0;
    ++rounds_;
    waiting_({errc::unavailable, "no ZooKeeper server answered: " + last_trouble_});
    const auto longest = std::min<std::uint64_t>(3000, 50ULL << std::min(rounds_, 6U));
    const auto pause = std::chrono::milliseconds{longest / 2 + loop_.random_below(longest / 2 + 1)};
    timer_->set(loop_.now() + pause, life_.wrap([this] { next_host(); }));
}

}  // namespace muster::cluster
