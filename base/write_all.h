#pragma once

#include <string_view>

namespace rivulet {

/// Writes all of `bytes` to `fd`, in as many calls as it takes, and again where a signal came
/// between. 0, or the errno of what failed; some of the bytes may have been written then. Blocks.
int WriteAll(int fd, std::string_view bytes);

}  // namespace rivulet
