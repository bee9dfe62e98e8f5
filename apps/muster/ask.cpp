#include "talk.hpp"
#include "verbs.hpp"

#include <utility>

namespace muster::cli {
namespace {

/// What to ask, of which resource.
struct question {
    std::shared_ptr<detail::resource_core> resource;
    std::string request;
    boost::json::value given;
};

result<std::string> ask_bytes(talk& with,
                              const question& what,
                              const std::string& key,
                              bool key_is_partition,
                              std::string_view type,
                              std::string bytes) {
    return with.wait<std::string>([&](completer<std::string> told) {
        what.resource->ask(key,
                           key_is_partition,
                           type,
                           std::move(bytes),
                           with.left(),
                           [told = std::move(told)](result<detail::answered> got) mutable {
                               told(got ? result<std::string>{std::move(got->body)}
                                        : std::unexpected{std::move(got.error())});
                           });
    });
}

/// Any partition knows what all of them take.
result<message_shape> shape_of(talk& with, const question& what) {
    using names = std::vector<std::string>;
    const auto partitions = with.wait<names>([&](completer<names> told) {
        what.resource->when_planned(
            with.left(),
            [&, told = std::move(told)](std::int64_t, names all, std::chrono::nanoseconds) mutable {
                told(std::move(all));
            });
    });
    if (!partitions || partitions->empty()) {
        const auto blind = with.client().unseen();
        const auto missing = blind ? blind : what.resource->trouble();
        return std::unexpected{missing.value_or(error{
            errc::not_found, "resource '" + what.resource->name() + "' has no partition to ask"})};
    }
    const auto json =
        ask_bytes(with, what, partitions->front(), true, detail::shapes_type, std::string{});
    if (!json) {
        return std::unexpected{json.error()};
    }
    const auto all = read_shapes(*json);
    return all ? find_shape(*all, what.request) : std::unexpected{all.error()};
}

/// Where a request goes is said by its field `key`.
result<std::string> key_of(const message_shape& shape, const boost::json::value& given) {
    const boost::json::value* found = nullptr;
    if (const auto* const named = given.if_object()) {
        found = named->if_contains("key");
    } else if (const auto* const row = given.if_array()) {
        const auto* const body = shape.body.if_object();
        const auto* const fields = body == nullptr ? nullptr : body->if_contains("fields");
        for (std::size_t i = 0; fields != nullptr && i < fields->as_array().size(); ++i) {
            if (fields->as_array()[i].at(0) == "key" && i < row->size()) {
                found = &(*row)[i];
            }
        }
    }
    if (found == nullptr || !found->is_string()) {
        return fail(errc::invalid_argument,
                    "a request says where it goes by its field 'key', a text");
    }
    return std::string{found->get_string()};
}

outcome<boost::json::value> ask(talk& with, const question& what) {
    const auto shape = shape_of(with, what);
    if (!shape) {
        return std::unexpected(talk_failure(with, shape.error()));
    }
    if (!shape->reply) {
        return std::unexpected(
            usage("'" + shape->type + "' has no reply", "send it with `muster send`"));
    }
    const auto key = key_of(*shape, what.given);
    if (!key) {
        return std::unexpected(usage(key.error().text, R"(for example '{"key":"ann"}')"));
    }
    auto bytes = message_bytes(shape->body, what.given);
    if (!bytes) {
        return std::unexpected(usage(bytes.error().text, "its type is " + shape->type));
    }
    const auto answer = ask_bytes(with, what, *key, false, shape->type, std::move(*bytes));
    if (!answer) {
        return std::unexpected(talk_failure(with, answer.error()));
    }
    auto value = message_value(*shape->reply, *answer);
    if (!value) {
        return std::unexpected(talk_failure(with, value.error()));
    }
    return std::move(*value);
}

}  // namespace

exit_code run_ask(const given& words, context& at) {
    auto body = json_argument("the request", words.arguments[2]);
    if (!body) {
        return complain(at, body.error());
    }
    talk with{at};
    const auto answer =
        ask(with, {with.client().use(words.arguments[0]), words.arguments[1], std::move(*body)});
    if (!answer) {
        return complain(at, answer.error());
    }
    at.out << boost::json::serialize(*answer) << '\n';
    return exit_code::done;
}

}  // namespace muster::cli
