// Which data path this is: a number drawn when a journal is begun, kept beside it in the file
// `identity`. Message numbers mean the same as long as it is the same; a folder that was emptied,
// or another one, has another.
//
//   rivulet identity 1
//   9f02c1ab5d3e7714
//
// Thread: one.
#pragma once

#include <cstdint>
#include <string>

#include "base/status.h"

namespace rivulet {

/// The identity of the data path. `fresh`: its journal was begun just now, so that `drawn` is its
/// identity, whatever stands there. Draws one too where the file is missing or none of ours. An
/// error when it cannot be kept. Blocks. `drawn` is not 0.
Result<std::uint64_t> KeepIdentity(const std::string& folder, bool fresh, std::uint64_t drawn);

}  // namespace rivulet
