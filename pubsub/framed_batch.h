// A body of several messages that may hold any bytes: for each message `BYTES\n`, the message,
// `\n`.
#pragma once

#include <string_view>
#include <vector>

#include "base/status.h"

namespace rivulet {

/// The messages, as views into `body`. All or nothing: an error says what is wrong at which byte.
/// An empty body holds none. O(messages).
Result<std::vector<std::string_view>> ParseFramedBatch(std::string_view body);

}  // namespace rivulet
