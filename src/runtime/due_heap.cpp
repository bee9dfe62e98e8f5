#include "runtime/due_heap.hpp"

namespace muster::runtime {

void due_heap::insert(due_node& node, instant when) {
    heap_.push_back({when, sequence_++, &node});
    rise(heap_.size() - 1);
}

void due_heap::remove(due_node& node) {
    const std::size_t hole = node.place_;
    node.place_ = due_node::nowhere;
    const entry last = heap_.back();
    heap_.pop_back();
    if (last.node == &node) {
        return;
    }
    put(hole, last);
    rise(hole);
    sink(last.node->place_);
}

void due_heap::put(std::size_t place, const entry& what) {
    heap_[place] = what;
    what.node->place_ = place;
}

void due_heap::rise(std::size_t place) {
    const entry moving = heap_[place];
    while (place > 0 && moving.before(heap_[(place - 1) / 2])) {
        put(place, heap_[(place - 1) / 2]);
        place = (place - 1) / 2;
    }
    put(place, moving);
}

void due_heap::sink(std::size_t place) {
    const entry moving = heap_[place];
    for (;;) {
        std::size_t child = 2 * place + 1;
        if (child >= heap_.size()) {
            break;
        }
        if (child + 1 < heap_.size() && heap_[child + 1].before(heap_[child])) {
            ++child;
        }
        if (!heap_[child].before(moving)) {
            break;
        }
        put(place, heap_[child]);
        place = child;
    }
    put(place, moving);
}

}  // namespace muster::runtime
