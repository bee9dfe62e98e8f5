#include "message_shape.hpp"

#include <algorithm>

namespace muster::cli {

using boost::json::value;

std::pair<std::string_view, const value*> kind_of(const value& shape) {
    if (shape.is_string()) {
        return {shape.get_string(), nullptr};
    }
    if (shape.is_object() && shape.get_object().size() == 1) {
        const auto& pair = *shape.get_object().begin();
        return {pair.key(), &pair.value()};
    }
    return {};
}

namespace {

bool is_described(const value& one) {
    const auto* const all = one.if_object();
    return all != nullptr && all->contains("type") && all->at("type").is_string() &&
           all->contains("body");
}

/// Names of fields are texts, everywhere, so that nothing above has to ask.
bool has_good_fields(const value& shape, int depth = 0) {
    const auto [kind, inner] = kind_of(shape);
    if (depth > deepest_shape) {
        return false;
    }
    if (inner == nullptr) {
        return shape.is_string() || shape.is_null();
    }
    if (kind == "fields") {
        return inner->is_array() && std::ranges::all_of(inner->get_array(), [&](const value& one) {
                   return one.is_array() && one.get_array().size() == 2 &&
                          one.get_array()[0].is_string() &&
                          has_good_fields(one.get_array()[1], depth + 1);
               });
    }
    if (inner->is_array()) {
        return std::ranges::all_of(
            inner->get_array(), [&](const value& one) { return has_good_fields(one, depth + 1); });
    }
    return inner->is_number() || has_good_fields(*inner, depth + 1);
}

}  // namespace

result<std::vector<message_shape>> read_shapes(std::string_view json) {
    boost::system::error_code trouble;
    const value all = boost::json::parse(json, trouble);
    const auto* const list = trouble ? nullptr : all.if_array();
    if (list == nullptr || !std::ranges::all_of(*list, is_described)) {
        return fail(errc::incompatible, "what it says of its messages cannot be read");
    }
    std::vector<message_shape> out;
    for (const value& one : *list) {
        message_shape shape{std::string{one.at("type").as_string()}, one.at("body"), std::nullopt};
        if (const value* const reply = one.as_object().if_contains("reply")) {
            shape.reply = *reply;
        }
        if (!has_good_fields(shape.body) || (shape.reply && !has_good_fields(*shape.reply))) {
            return fail(errc::incompatible, "what it says of '" + shape.type + "' cannot be read");
        }
        out.push_back(std::move(shape));
    }
    return out;
}

result<message_shape> find_shape(const std::vector<message_shape>& all, std::string_view name) {
    std::vector<const message_shape*> found;
    std::string names;
    for (const message_shape& one : all) {
        if (one.type == name) {
            return one;
        }
        if (one.type.ends_with("::" + std::string{name})) {
            found.push_back(&one);
        }
        names += (names.empty() ? "" : ", ") + one.type;
    }
    if (found.size() == 1) {
        return *found.front();
    }
    if (found.size() > 1) {
        return fail(errc::not_found,
                    "'" + std::string{name} + "' may be " + found[0]->type + " or " +
                        found[1]->type + ": say which");
    }
    return fail(errc::not_found,
                "it does not take '" + std::string{name} + "', but " +
                    (names.empty() ? "nothing at the moment" : names));
}

}  // namespace muster::cli
