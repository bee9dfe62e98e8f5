// Forms of co_await that the lint refuses: each line with the word "refused" in its comment, and
// no other. This file is read by the lint, never compiled.

task<int> conditions(node& here) {
    if (co_await here.is_ready()) {  // refused: a bare condition
    }
    if (!co_await here.is_ready()) {  // refused
    }
    while (co_await here.is_ready()) {  // refused
    }
    switch (co_await here.kind()) {  // refused
    }
    if (auto ready = !co_await here.is_ready(); ready) {  // refused
    }
    if (auto found = here.cached(); co_await here.check(found)) {  // refused
    }
    if (ready && co_await here.is_ready()) {  // refused
    }
    if (auto n = co_await here.count() + 1; n > 2) {  // refused
    }
    for (auto x : co_await here.list()) {  // refused
    }
    for (auto x = co_await here.first(); x; ++x) {  // refused
    }
    for (int i = 0; co_await here.more(i); ++i) {  // refused
    }
}

task<int> expressions(node& here) {
    auto either = here.near() ? co_await here.ask<a>() : b;  // refused
    auto other = here.near() ? b : co_await here.ask<a>();  // refused
    take(co_await here.view());  // refused: an argument
    list.push_back({co_await here.view()});  // refused
    point made{*co_await here.x(), 2};  // refused
    auto braced{co_await here.view()};  // refused
    auto copied = point{co_await here.view()};  // refused
    auto [first, second] = co_await here.pair();  // refused
    int one = 1, two = co_await here.number();  // refused
    int three = co_await here.number(), four = 4;  // refused
    auto sum = co_await here.number() + 1;  // refused
    auto both = co_await here.number() + co_await here.number();  // refused refused
    auto deep = *co_await here.number();  // refused
    auto chained = (co_await here.view()).number();  // refused
    slot = co_await here.number();  // refused: no variable of its own
    here.slot = co_await here.number();  // refused
    slot += co_await here.number();  // refused
    table[co_await here.number()] = 1;  // refused
    co_await here.number(), co_await here.number();  // refused refused
    (void)co_await here.number();  // refused
    co_await a || b;  // refused
    co_return co_await here.number();  // refused
}

task<int> arguments(node& here) {
    co_await here.ask(get{"ann"});  // refused: a message made on the spot
    auto made = co_await here.ask({"ann", 3});  // refused
    auto later = co_await here.run([name] { return name; });  // refused
    auto moved = co_await here.run([n = std::move(name)] { return n; });  // refused
    auto copied = co_await here.run([=] { return name; });  // refused
}
#define AWAIT(x) co_await x  // refused
