#include "zookeeper/types.hpp"

namespace muster::zookeeper {

std::string name_of(zk_error code) {
    switch (code) {
        case zk_error::ok: return "ok";
        case zk_error::system_error: return "system_error";
        case zk_error::runtime_inconsistency: return "runtime_inconsistency";
        case zk_error::data_inconsistency: return "data_inconsistency";
        case zk_error::connection_loss: return "connection_loss";
        case zk_error::marshalling_error: return "marshalling_error";
        case zk_error::unimplemented: return "unimplemented";
        case zk_error::operation_timeout: return "operation_timeout";
        case zk_error::bad_arguments: return "bad_arguments";
        case zk_error::new_config_no_quorum: return "new_config_no_quorum";
        case zk_error::reconfig_in_progress: return "reconfig_in_progress";
        case zk_error::api_error: return "api_error";
        case zk_error::no_node: return "no_node";
        case zk_error::no_auth: return "no_auth";
        case zk_error::bad_version: return "bad_version";
        case zk_error::no_children_for_ephemerals: return "no_children_for_ephemerals";
        case zk_error::node_exists: return "node_exists";
        case zk_error::not_empty: return "not_empty";
        case zk_error::session_expired: return "session_expired";
        case zk_error::invalid_callback: return "invalid_callback";
        case zk_error::invalid_acl: return "invalid_acl";
        case zk_error::auth_failed: return "auth_failed";
        case zk_error::session_moved: return "session_moved";
        case zk_error::not_read_only: return "not_read_only";
        case zk_error::ephemeral_on_local_session: return "ephemeral_on_local_session";
        case zk_error::no_watcher: return "no_watcher";
        case zk_error::request_timeout: return "request_timeout";
        case zk_error::reconfig_disabled: return "reconfig_disabled";
        case zk_error::session_closed_require_sasl_auth: return "session_closed_require_sasl_auth";
        case zk_error::quota_exceeded: return "quota_exceeded";
        case zk_error::throttled: return "throttled";
    }
    return "error " + std::to_string(static_cast<std::int32_t>(code));
}

acl open_acl() {
    return {acl_entry{perm::all, "world", "anyone"}};
}

acl creator_all_acl() {
    return {acl_entry{perm::all, "auth", ""}};
}

acl read_acl() {
    return {acl_entry{perm::read, "world", "anyone"}};
}

}  // namespace muster::zookeeper
