// Every form of co_await that is allowed. This file is read by the lint, never compiled.

task<> statements(peer& other) {
    co_await other.flush();
    (void)0;
    if (other.is_gone()) co_await other.close();
    if (other.is_gone())
        co_await other.close();
    else
        co_await other.open();
    for (int i = 0; i < 3; ++i) co_await other.flush();
    do
        co_await other.flush();
    while (other.is_gone());
    switch (other.kind()) {
        case kind::near:
            co_await other.open();
            break;
        case 2: co_await other.open(); break;
        default: co_await other.close();
    }
    while (other.is_busy()) {
        co_await other.flush();
    }
    co_await (*other);
    co_await *other.pending;
    co_await std::move(work);
    co_await jobs_[3];
    co_await other.when<std::vector<int>>(7).then;
    co_await other.template when<1>("a ? co_await b : c");  // co_await in words
}

task<result<int>> initialisers(node& here) {
    auto answer = co_await here.ask<get>("ann", 250ms);
    const auto view = co_await here.view();
    result<std::map<std::string, int>> all = co_await here.scatter<count>();
    std::expected<int, error>&& moved = co_await here.ask<get>("bob");
    [[maybe_unused]] const auto rest = co_await here.ask<get>(here.name(), std::chrono::seconds{2});
    decltype(auto) more = co_await here.ask<get>(key);
    auto* raw = co_await here.raw();
    auto held = co_await here.hold([this, &view] { return view.number; });
    auto long_one =
        co_await here.ask<get>(
            "ann",
            250ms);
    if (auto found = co_await here.find("ann"); found) {
        co_return *found;
    }
    if (auto found = co_await here.find("ann")) {
        co_return *found;
    } else if (auto again = co_await here.find("bob"); again.has_value()) {
        co_return *again;
    }
    while (auto next = co_await here.receive()) {
        co_await here.consume(*next);
    }
    auto later = [&]() -> task<> {
        auto inner = co_await here.view();
        co_await here.flush();
    };
    struct local {
        int value = 3;
    } made{4};
    co_await here.flush();
    std::vector<int> list{1, 2};
    co_await here.flush();
    const int big = 1'000'000;
    co_await here.wait(big);
    co_return answer.value();
}

struct awaitable {
    auto operator co_await() const noexcept;
};
