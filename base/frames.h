// Framed batches: many messages of any bytes in one body, each as its size in decimal digits, a
// newline, the message, a newline: `5\nhello\n`. What `format=framed` means at every endpoint.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace rivulet {

/// Takes the first frame off `*rest` and returns its message; nothing, and `*rest` as it was, when
/// `*rest` does not begin with a whole frame. O(1).
std::optional<std::string_view> TakeFrame(std::string_view* rest);

/// All messages of a batch, as views into it. All or nothing: the error names the byte at which
/// there is no whole frame. O(messages).
Result<std::vector<std::string_view>> ParseFrames(std::string_view batch);

/// Bytes that AppendFrame adds.
std::size_t FrameBytes(std::string_view message);
void AppendFrame(std::string* out, std::string_view message);

}  // namespace rivulet
