// Cuts the answer of a simplequeue's /mget into messages.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "queuereader/source.h"

namespace rivulet {

/// Adds the messages of a framed answer (`BYTES\n`, the body, `\n`, for each) to `out`, and returns
/// how many bytes the whole frames take; what follows is no whole frame. O(frames).
std::size_t CutFrames(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out);

/// True when the answer begins as a framed one does.
bool LooksFramed(std::string_view answer);

/// Adds the lines of an answer that is not framed: of a queue that knows no `format=framed`. JSON
/// holds no raw newline unless it was written for people to read.
void CutLines(std::string_view answer, std::uint32_t origin, std::vector<Delivery>* out);

}  // namespace rivulet
