// The records of multi and multi_read: a list of (MultiHeader, body), closed by a header that says
// done (MultiOperationRecord, MultiResponse).
#include "zookeeper/protocol.hpp"

#include <optional>

namespace muster::zookeeper::protocol {
namespace {

struct multi_header {
    op_code type = op_code::error;
    bool done = true;
    std::int32_t error = -1;
};

void put_header(std::string& out, const multi_header& what) {
    jute_writer w{out};
    w.int32(static_cast<std::int32_t>(what.type));
    w.boolean(what.done);
    w.int32(what.error);
}

multi_header take_header(jute_reader& in) {
    multi_header header;
    header.type = static_cast<op_code>(in.int32());
    header.done = in.boolean();
    header.error = in.int32();
    return header;
}

template <class Request>
std::optional<multi_op> take_body(jute_reader& in, Request request) {
    if (!decode(in, request)) {
        return std::nullopt;
    }
    return multi_op{std::move(request)};
}

std::optional<multi_op> take_op(jute_reader& in, op_code type) {
    switch (type) {
        case op_code::create:
        case op_code::create2:
        case op_code::create_container:
        case op_code::create_ttl:
            return take_body(in, create_request{type, {}, {}, false, {}, 0, 0});
        case op_code::remove:
            return take_body(in, delete_request{});
        case op_code::set_data:
            return take_body(in, set_data_request{});
        case op_code::check:
            return take_body(in, check_request{});
        case op_code::get_children:
        case op_code::get_data:
            return take_body(in, read_request{type, {}, false});
        default:
            return std::nullopt;
    }
}

void put_result(std::string& out, const multi_result& result) {
    const auto error = static_cast<std::int32_t>(result.error);
    const bool failed = result.code == op_code::error;
    put_header(out, multi_header{result.code, false, failed ? error : 0});
    switch (result.code) {
        case op_code::create:
            encode_path(out, result.path);
            break;
        case op_code::create2:
            encode_path(out, result.path);
            encode(out, result.meta);
            break;
        case op_code::set_data:
            encode(out, result.meta);
            break;
        case op_code::get_data:
            encode(out, result.data, result.null_data, result.meta);
            break;
        case op_code::get_children: {
            jute_writer w{out};
            w.count(result.names.size());
            for (const std::string& name : result.names) {
                w.text(name);
            }
            break;
        }
        case op_code::error:
            jute_writer{out}.int32(error);
            break;
        default:  // remove, check: nothing
            break;
    }
}

/// False where no multi reply holds such a result.
bool take_result(jute_reader& in, multi_result& result) {
    switch (result.code) {
        case op_code::create:
            result.path = in.text();
            return in.ok();
        case op_code::create2:
            result.path = in.text();
            return decode(in, result.meta);
        case op_code::set_data:
            return decode(in, result.meta);
        case op_code::get_data:
            result.data = in.buffer(result.null_data);
            return decode(in, result.meta);
        case op_code::get_children:
            return decode(in, result.names);
        case op_code::error:
            result.error = static_cast<zk_error>(in.int32());
            return in.ok();
        case op_code::remove:
        case op_code::check:
            return in.ok();
        default:
            return false;
    }
}

}  // namespace

op_code code_of(const multi_op& what) noexcept {
    if (const auto* made = std::get_if<create_request>(&what)) {
        return made->code;
    }
    if (const auto* read = std::get_if<read_request>(&what)) {
        return read->code;
    }
    if (std::holds_alternative<delete_request>(what)) {
        return op_code::remove;
    }
    return std::holds_alternative<check_request>(what) ? op_code::check : op_code::set_data;
}

void encode(std::string& out, const multi_request& what) {
    for (const multi_op& one : what.ops) {
        put_header(out, multi_header{code_of(one), false, -1});
        std::visit([&](const auto& request) { encode(out, request); }, one);
    }
    put_header(out, multi_header{});
}

bool decode(jute_reader& in, multi_request& what) {
    what.ops.clear();
    while (in.ok()) {
        const multi_header header = take_header(in);
        if (!in.ok() || header.done) {
            break;
        }
        std::optional<multi_op> one = take_op(in, header.type);
        const auto reads = [](const multi_op& op) {
            return std::holds_alternative<read_request>(op);
        };
        if (!one || (!what.ops.empty() && reads(*one) != reads(what.ops.front()))) {
            in.fail();
            break;
        }
        what.ops.push_back(std::move(*one));
    }
    return in.ok();
}

void encode(std::string& out, std::span<const multi_result> what) {
    for (const multi_result& result : what) {
        put_result(out, result);
    }
    put_header(out, multi_header{});
}

bool decode(jute_reader& in, std::vector<multi_result>& what, std::size_t most) {
    what.clear();
    while (in.ok()) {
        const multi_header header = take_header(in);
        if (!in.ok() || header.done) {
            break;
        }
        // A result takes 9 bytes of the frame and many times that here.
        if (what.size() == most) {
            in.fail();
            break;
        }
        multi_result result;
        result.code = header.type;
        if (!take_result(in, result)) {
            in.fail();
            break;
        }
        what.push_back(std::move(result));
    }
    return in.ok();
}

}  // namespace muster::zookeeper::protocol
