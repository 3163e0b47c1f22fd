// /dump: every ready message with a newline, streamed, none taken.
#pragma once

#include <memory>

#include "http/stream.h"
#include "simplequeue/queue.h"

namespace rivulet {

/// Streams the messages that are ready now and still there when their turn comes. `queue` must
/// outlive the source.
std::unique_ptr<StreamSource> MakeDumpSource(const Queue& queue);

}  // namespace rivulet
