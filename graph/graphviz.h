// Pictures by graphviz: its programs are run where they are installed.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

/// What `program` (dot, sfdp, …) draws of `dot`, as SVG. kNotFound where it is not installed: the
/// message names the package. Waits for it. Where it fails, the
/// message has the first line that it said; warnings go to standard error.
Result<std::string> GraphvizSvg(const std::string& program, std::string_view dot);

}  // namespace rivulet
