// The options of a daemon that keeps a journal: --data-path, --sync, --segment-bytes, --salvage.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/options.h"
#include "base/status.h"
#include "journal/journal.h"

namespace rivulet {

struct JournalOptions {
  std::string data_path;  // empty: nothing is kept on disk
  std::string sync;       // empty: "always"
  std::uint64_t segment_bytes = 16ULL << 20;
  bool salvage = false;
};

/// What the options mean to the daemon's user, as the help texts say it.
struct JournalOptionTexts {
  std::string data_path;
  std::string sync;
  std::string segment_bytes;
};

/// Declares the four in a section "Durability". `journal` must outlive `options`.
void AddJournalOptions(Options* options, JournalOptions* journal, const JournalOptionTexts& texts);
/// kInvalidArgument: one of the others was given without --data-path.
Status CheckJournalOptions(const JournalOptions& journal);
/// How the journal of `owner` is opened by them. kInvalidArgument: --sync is none of its words.
Result<JournalConfig> JournalConfigFrom(const JournalOptions& journal, std::string_view owner);

}  // namespace rivulet
