// Records of the journal as JSON, for people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "simplequeue/record.h"

namespace rivulet {

/// "ready", "in_flight", "deferred" or "dead".
std::string_view StateName(MessageState state);

/// Appends the members of an object, without its braces: the type, the queue by its name, and what
/// the record tells; times as UNIX seconds. At most `max_body_bytes` of a body are shown, as text
/// or, when it is not UTF-8, as Base64.
void AppendRecordMembers(std::string* out, const DecodedRecord& record, std::string_view queue_name,
                         std::size_t max_body_bytes);

}  // namespace rivulet
