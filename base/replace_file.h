// A file that is replaced as a whole: a crash or a power cut leaves the old one or the new one.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

/// Replaces the file `path`, or makes it, readable by its owner alone: writes `path`.new, makes it
/// safe (fdatasync), renames it. The old one stays where that fails: kIoError names the file. Its
/// folder must be there. One at a time for a path. Blocks.
Status ReplaceFile(const std::string& path, std::string_view content);

}  // namespace rivulet
