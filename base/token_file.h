// Secrets kept in files, so that no command line or log shows them.
#pragma once

#include <string>
#include <string_view>

#include "base/status.h"

namespace rivulet {

/// The first line of the file, which nobody but its owner and group may be able to read. Messages
/// name the option: "--OPTION=PATH: ...", and never the token.
Result<std::string> ReadTokenFile(std::string_view option, const std::string& path);

}  // namespace rivulet
