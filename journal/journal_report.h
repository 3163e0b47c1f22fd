// What every owner of a journal tells people about it, in the same words: the log of its recovery,
// and its metrics.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "journal/journal.h"

namespace rivulet {

/// "1.8 MB"
std::string Megabytes(std::uint64_t bytes);
/// "1 segment", "2 segments"
std::string Counted(std::uint64_t count, std::string_view noun);

/// Logs how far the recovery of that folder is, once a second. Both must outlive what is returned.
RecoveryProgress RecoveryProgressLog(const std::string& path, const Clock& clock);
/// Logs what was set aside or cut; nothing when all was well.
void LogRepairs(const std::string& path, const RecoveryReport& report);

/// The rivulet_journal_* metrics that are of the journal alone.
void WriteJournalMetrics(const Journal& journal, std::string* out);

}  // namespace rivulet
