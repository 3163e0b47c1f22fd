#include "journal/journal_options.h"

#include <fmt/format.h>

#include "base/units.h"

namespace rivulet {

namespace {

constexpr std::uint64_t kMinSegmentBytes = 64ULL << 10;
constexpr std::uint64_t kMaxSegmentBytes = 1ULL << 30;

}  // namespace

void AddJournalOptions(Options* options, JournalOptions* journal, const JournalOptionTexts& texts) {
  options->Section("Durability");
  options->Text("data-path", &journal->data_path, texts.data_path)
      .Metavar("DIR")
      .DefaultText("in memory alone");
  options->Text("sync", &journal->sync, texts.sync)
      .Metavar("always|none|TIME")
      .DefaultText("always")
      .Check([](const std::string& text) { return ParseSyncPolicy(text).status(); });
  options->Bytes("segment-bytes", &journal->segment_bytes, texts.segment_bytes)
      .Range(static_cast<double>(kMinSegmentBytes), static_cast<double>(kMaxSegmentBytes));
  options->Flag("salvage", &journal->salvage,
                "start in spite of damage in the journal: what cannot be read is set aside in .bad "
                "files");
}

Status CheckJournalOptions(const JournalOptions& journal) {
  if (!journal.data_path.empty()) return {};
  const auto alone = [](std::string_view option) {
    return InvalidArgument(fmt::format(
        "{}: must come with --data-path=DIR; without it nothing is kept on disk", option));
  };
  if (!journal.sync.empty()) return alone("--sync=" + journal.sync);
  if (journal.segment_bytes != JournalOptions().segment_bytes) {
    return alone("--segment-bytes=" + FormatByteCount(journal.segment_bytes));
  }
  if (journal.salvage) return alone("--salvage");
  return {};
}

Result<JournalConfig> JournalConfigFrom(const JournalOptions& journal, std::string_view owner) {
  JournalConfig config;
  config.path = journal.data_path;
  config.owner = owner;
  config.segment_bytes = journal.segment_bytes;
  config.salvage = journal.salvage;
  if (!journal.sync.empty()) {
    const Result<SyncPolicy> sync = ParseSyncPolicy(journal.sync);
    if (!sync.ok()) return InvalidArgument("--sync: " + sync.status().message());
    config.sync = *sync;
  }
  return config;
}

}  // namespace rivulet
