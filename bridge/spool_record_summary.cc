#include "bridge/spool_record_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace rivulet {

Status SpoolRecordSummary::Visit(std::string_view record) {
  if (Status status = DecodeSpoolRecord(record, &record_); !status.ok()) return status;
  ++by_type_[static_cast<std::size_t>(record_.type)];
  switch (record_.type) {
    case SpoolRecordType::kRun:
      messages_ += record_.count;
      bytes_ += record_.bytes;
      first_ = std::min(first_, record_.run.first);
      next_ = record_.run.first + record_.count;
      break;
    case SpoolRecordType::kDone:
      if (record_.index < readers_.size()) {
        std::uint64_t& done = readers_[record_.index].second;
        done = std::max(done, std::min(record_.number, next_));
      }
      break;
    case SpoolRecordType::kSource:
      if (record_.index < sources_.size()) sources_[record_.index].second = record_.number;
      break;
    case SpoolRecordType::kState:
      next_ = record_.number;
      first_ = std::min(first_, next_);
      readers_.assign(record_.readers.begin(), record_.readers.end());
      sources_.assign(record_.sources.begin(), record_.sources.end());
      break;
  }
  return {};
}

std::string SpoolRecordSummary::Types() const {
  std::string out;
  for (std::size_t type = 1; type < kTypes; ++type) {
    fmt::format_to(std::back_inserter(out), "  {:<10}{}\n",
                   SpoolRecordTypeName(static_cast<SpoolRecordType>(type)), by_type_[type]);
  }
  return out;
}

std::string SpoolRecordSummary::Table() {
  const std::uint64_t first = std::min(first_, next_);
  std::string out = fmt::format("{} messages are there, {} bytes: number {} to before {}\n",
                                messages_, bytes_, first, next_);
  constexpr auto kRow = "{:>14} {:>14}  {}\n";
  fmt::format_to(std::back_inserter(out), kRow, "done before", "to deliver", "reader");
  for (const auto& [name, done] : readers_) {
    const std::uint64_t from = std::clamp(done, first, next_);
    fmt::format_to(std::back_inserter(out), kRow, from, next_ - from,
                   name.substr(0, name.find('?')));
  }
  fmt::format_to(std::back_inserter(out), kRow, "position", "", "source");
  for (const auto& [url, position] : sources_) {
    fmt::format_to(std::back_inserter(out), kRow, position, "", url.substr(0, url.find('?')));
  }
  return out;
}

}  // namespace rivulet
