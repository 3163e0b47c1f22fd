#include "bridge/spool_restorer.h"

#include <fmt/format.h>

#include <algorithm>

namespace rivulet {

namespace {

Status Corrupt(std::string why) { return {StatusCode::kCorrupt, std::move(why)}; }

}  // namespace

Status SpoolRestorer::Visit(std::string_view bytes, const RecordPlace& place) {
  if (Status status = DecodeSpoolRecord(bytes, &record_); !status.ok()) return status;
  const std::uint64_t bytes_before = out_->bytes;
  const std::uint64_t next = out_->next;
  Status status;
  switch (record_.type) {
    case SpoolRecordType::kRun:
      status = AddRun();
      break;
    case SpoolRecordType::kDone:
      status = SetDone();
      break;
    case SpoolRecordType::kSource:
      status = SetSource();
      break;
    case SpoolRecordType::kState:
      status = SetState();
      break;
  }
  if (!status.ok()) return status;
  const bool is_run = record_.type == SpoolRecordType::kRun;
  out_->index.Add(place.segment, place.batch_begin, place.batch_end, is_run ? next : out_->next,
                  bytes_before, is_run);
  return {};
}

Status SpoolRestorer::AddRun() {
  if (out_->is_new || record_.run.first != out_->next) {
    return Corrupt(
        fmt::format("run record: it begins with message {}, must be {}", record_.run.first,
                    out_->is_new ? "behind a state record" : fmt::to_string(out_->next)));
  }
  out_->next += record_.count;
  out_->bytes += record_.bytes + record_.count;
  return {};
}

Status SpoolRestorer::CheckIndex(std::size_t count) const {
  if (record_.index < count) return {};
  return Corrupt(fmt::format("{} record: its index is {}, of {}", SpoolRecordTypeName(record_.type),
                             record_.index, count));
}

Status SpoolRestorer::SetDone() {
  if (Status status = CheckIndex(out_->readers.size()); !status.ok()) return status;
  std::uint64_t& done = out_->readers[record_.index].second;
  // Nobody is done with what is not there: a number that is used again later is another message.
  done = std::max(done, std::min(record_.number, out_->next));
  return {};
}

Status SpoolRestorer::SetSource() {
  if (Status status = CheckIndex(out_->sources.size()); !status.ok()) return status;
  out_->sources[record_.index].second = record_.number;
  return {};
}

Status SpoolRestorer::SetState() {
  if (out_->is_new) {
    out_->is_new = false;
    out_->first = out_->next = record_.number;
  } else if (record_.number != out_->next) {
    return Corrupt(fmt::format("state record: the next message is {}, must be {}", record_.number,
                               out_->next));
  }
  out_->readers.clear();
  for (const auto& [name, number] : record_.readers) {
    out_->readers.emplace_back(name, std::min(number, out_->next));
  }
  out_->sources.assign(record_.sources.begin(), record_.sources.end());
  return {};
}

}  // namespace rivulet
