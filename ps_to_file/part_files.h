// What files of an archive need of a file system beside reading and writing.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/status.h"

namespace rivulet {

/// "." for a name alone.
std::string FolderOfPath(const std::string& path);
/// The folders above the path, where they are missing. `made`, where given, is told of each folder
/// in which one was made.
Status MakeFoldersOf(const std::string& path,
                     const std::function<void(const std::string&)>& made = nullptr);
/// Something is there, whatever it is. An error when it cannot be known (no right to look).
Result<bool> PathExists(const std::string& path);
/// Nothing when there is none.
Result<std::optional<std::uint64_t>> FileBytes(const std::string& path);

enum class RenameOutcome : std::uint8_t { kDone, kTaken, kAbsent };
/// Never replaces what is there: kTaken. kAbsent: there is no `from`.
Result<RenameOutcome> RenameToFree(const std::string& from, const std::string& to);

}  // namespace rivulet
