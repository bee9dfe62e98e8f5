#include "live/agent_fleet.hpp"

#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace muster::live {
namespace {

using std::chrono::milliseconds;

std::filesystem::path new_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "muster-agents-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) {
        throw std::runtime_error{"cannot make a directory like " + name};
    }
    return name;
}

std::string content(const std::filesystem::path& file) {
    std::ifstream in{file};
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::string tail(const std::string& text, std::size_t lines) {
    std::size_t from = text.size();
    for (std::size_t seen = 0; from > 0; --from) {
        if (text[from - 1] == '\n' && ++seen > lines) {
            break;
        }
    }
    return text.substr(from);
}

void wait_a_little() {
    std::this_thread::sleep_for(milliseconds{50});
}

}  // namespace

agent_fleet::agent_fleet(options chosen)
    : options_{std::move(chosen)}, directory_{new_directory()} {}

agent_fleet::~agent_fleet() {
    agents_.clear();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

std::filesystem::path agent_fleet::journal_of(const std::string& name) const {
    return directory_ / (name + ".jsonl");
}

std::string agent_fleet::start(const std::string& member) {
    const int count = ++starts_[member];
    std::string name = count == 1 ? member : member + '\'' + std::to_string(count);
    std::vector<std::string> words{options_.muster.string(),
                                   "agent",
                                   "--zookeeper",
                                   options_.zookeeper,
                                   "--cluster",
                                   options_.cluster,
                                   "--name",
                                   member,
                                   "--resource",
                                   options_.resource,
                                   "--partitions",
                                   std::to_string(options_.partitions),
                                   "--tick-time",
                                   std::to_string(options_.tick.count()) + "ms",
                                   "--sync-limit",
                                   std::to_string(options_.sync_limit),
                                   "--journal",
                                   journal_of(name).string(),
                                   "--log-level",
                                   "info"};
    if (!command_.empty()) {
        words.insert(words.end(), {"--exec", command_});
    }
    agents_[name] = std::make_unique<child_process>(words, directory_ / (name + ".log"));
    return name;
}

std::vector<std::string> agent_fleet::running() const {
    std::vector<std::string> names;
    for (const auto& [name, process] : agents_) {
        if (!process->died() && !process->is_paused()) {
            names.push_back(name);
        }
    }
    return names;
}

journal_verdict agent_fleet::journals(const journal_rules& rules) const {
    std::vector<journal_text> texts;
    for (const auto& [name, process] : agents_) {
        // First whether it is dead, then what it wrote: the other way round lines could be missed.
        const auto died = process->died();
        texts.push_back({name, content(journal_of(name)), died});
    }
    return check_journals(texts, rules);
}

std::string agent_fleet::journal(const std::string& name) const {
    return content(journal_of(name));
}

ownership agent_fleet::balanced_in(const journal_verdict& now) const {
    const std::vector<std::string> alive = running();
    std::map<std::string, int> shares;
    for (const std::string& name : alive) {
        shares[name] = 0;
    }
    ownership made;
    for (const auto& [place, one] : now.owned()) {
        if (!shares.contains(one.process) ||
            !made.emplace(place, std::pair{one.process, one.fence}).second) {
            return {};
        }
        ++shares[one.process];
    }
    int least = std::numeric_limits<int>::max();
    int most = 0;
    for (const auto& [name, share] : shares) {
        least = std::min(least, share);
        most = std::max(most, share);
    }
    const bool all = made.size() == static_cast<std::size_t>(options_.partitions);
    return all && most - least <= 1 ? made : ownership{};
}

ownership agent_fleet::balanced() const {
    return balanced_in(journals());
}

bool agent_fleet::wait(const std::function<bool(const journal_verdict&)>& holds,
                       milliseconds limit) const {
    const std::int64_t end = boot_time() + std::chrono::nanoseconds{limit}.count();
    while (!holds(journals())) {
        if (boot_time() > end) {
            return false;
        }
        wait_a_little();
    }
    return true;
}

ownership agent_fleet::wait_until_balanced(milliseconds limit) const {
    ownership made;
    wait(
        [&](const journal_verdict& now) {
            made = balanced_in(now);
            return !made.empty();
        },
        limit);
    return made;
}

std::string agent_fleet::story() const {
    std::string text;
    for (const auto& [name, process] : agents_) {
        text += "--- " + name +
                (process->died()        ? " (dead)"
                 : process->is_paused() ? " (paused)"
                                        : "") +
                " printed:\n" + tail(process->printed(), 30) + "--- and journalled:\n" +
                tail(content(journal_of(name)), 30);
    }
    return text;
}

keeper_process::keeper_process(const std::filesystem::path& muster)
    : directory_{new_directory()},
      process_{std::make_unique<child_process>(
          std::vector<std::string>{
              muster.string(), "keeper", "--listen", "127.0.0.1:0", "--tick-time", "500ms"},
          directory_ / "log")} {}

keeper_process::~keeper_process() {
    process_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

std::string keeper_process::address(milliseconds limit) {
    const std::int64_t end = boot_time() + std::chrono::nanoseconds{limit}.count();
    while (boot_time() < end) {
        const std::string printed = process_->printed();
        constexpr std::string_view word = "ready ";
        if (const auto at = printed.find(word); at != printed.npos) {
            if (const auto stop = printed.find('\n', at); stop != printed.npos) {
                return printed.substr(at + word.size(), stop - at - word.size());
            }
        }
        wait_a_little();
    }
    return {};
}

}  // namespace muster::live
