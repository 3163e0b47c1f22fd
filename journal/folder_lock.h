// The folder of a journal, and the lock that keeps a second process out of it.
#pragma once

#include <string>

#include "base/file_lock.h"
#include "base/status.h"

namespace rivulet {

/// Makes the folder when there is none (not its parents), and locks it. kInvalidArgument names the
/// process that has it. `option`: what gave the folder, for messages.
Result<FileLock> LockFolder(const std::string& folder, const std::string& option);

}  // namespace rivulet
