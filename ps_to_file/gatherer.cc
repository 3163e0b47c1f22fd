#include "ps_to_file/gatherer.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

namespace rivulet {

namespace {
// What a compressed file is taken for until the first was written.
constexpr double kFirstRatio = 0.25;
constexpr std::size_t kMaxBuffers = 32;
}  // namespace

Gatherer::Gatherer(FileNameFormat format, GathererConfig config)
    : format_(std::move(format)), config_(config) {}

std::uint64_t Gatherer::Adopt(std::string base, std::uint64_t file_bytes) {
  auto part = std::make_unique<Part>();
  part->id = next_id_++;
  part->base = base;
  part->file_bytes = file_bytes;
  part->begun = true;
  by_id_[part->id] = part.get();
  const auto id = part->id;
  parts_[std::move(base)] = std::move(part);
  return id;
}

void Gatherer::SetTime(std::int64_t seconds) {
  if (format_.SetTime(seconds)) CompleteAll();
}

Gatherer::Part& Gatherer::PartOf(std::string_view message) {
  if (only_ != nullptr) return *only_;
  const auto base = format_.BaseOf(message);
  auto found = parts_.find(base);
  if (found == parts_.end()) {
    auto part = std::make_unique<Part>();
    part->id = next_id_++;
    part->base = base;
    by_id_[part->id] = part.get();
    found = parts_.emplace(std::string(base), std::move(part)).first;
  }
  if (!format_.has_fields()) only_ = found->second.get();
  return *found->second;
}

std::uint64_t Gatherer::SizeOf(const Part& part, std::uint64_t more) const {
  const std::uint64_t raw = part.raw_bytes + more;
  if (!config_.compressed) return part.file_bytes + raw;
  const double ratio = told_raw_ == 0
                           ? kFirstRatio
                           : static_cast<double>(told_file_) / static_cast<double>(told_raw_);
  return part.file_bytes + static_cast<std::uint64_t>(static_cast<double>(raw) * ratio);
}

void Gatherer::Append(std::string_view message) {
  fmt::memory_buffer head;
  if (config_.framed) {
    fmt::format_to(std::back_inserter(head), "{}\n", message.size());
  } else if (message.find('\n') != std::string_view::npos) {
    ++newlines_;
  }
  const std::uint64_t size = head.size() + message.size() + 1;
  Part* part = &PartOf(message);
  const bool has_any = part->file_bytes + part->raw_bytes > 0;
  if (config_.max_file_bytes > 0 && has_any && SizeOf(*part, size) > config_.max_file_bytes) {
    Complete(part);
    part = &PartOf(message);
  }
  part->gathered.append(head.data(), head.size()).append(message) += '\n';
  ++part->messages;
  part->raw_bytes += size;
  bytes_ += size;
  if (!part->listed) gathering_.push_back(part);
  part->listed = true;
  if (part->full || part->gathered.size() < config_.chunk_bytes) return;
  full_.push_back(part);
  part->full = true;
}

void Gatherer::Complete(Part* part) {
  auto found = parts_.find(part->base);
  complete_.push_back(std::move(found->second));
  parts_.erase(found);
  part->complete = true;
  only_ = nullptr;
}

void Gatherer::CompleteAll() {
  for (auto& [base, part] : parts_) {
    part->complete = true;
    complete_.push_back(std::move(part));
  }
  parts_.clear();
  only_ = nullptr;
}

void Gatherer::Take(Part* part, WriteBatch* batch) {
  part->full = false;
  if (part->gathered.empty()) return;
  if (!part->begun) batch->begun.push_back({part->id, part->base});
  part->begun = true;
  const std::size_t size = part->gathered.size();
  batch->chunks.push_back(
      {part->id, std::exchange(part->gathered, {}), std::exchange(part->messages, 0)});
  batch->bytes += size;
  bytes_ -= size;
  // Who filled a chunk will fill the next one.
  if (size < config_.chunk_bytes / 2 || buffers_.empty() || part->complete) return;
  part->gathered = std::move(buffers_.back());
  buffers_.pop_back();
}

// Before the others, so that files get their numbers in the order of their messages.
void Gatherer::TakeComplete(WriteBatch* batch) {
  batch->time_key = format_.time_key();
  if (complete_.empty()) return;
  const auto is_complete = [](const Part* part) { return part->complete; };
  std::erase_if(full_, is_complete);
  std::erase_if(gathering_, is_complete);
  for (auto& part : complete_) {
    Take(part.get(), batch);
    batch->complete.push_back(part->id);
    by_id_.erase(part->id);
  }
  complete_.clear();
}

WriteBatch Gatherer::TakeFull() {
  WriteBatch batch;
  TakeComplete(&batch);
  for (Part* part : std::exchange(full_, {})) Take(part, &batch);
  return batch;
}

WriteBatch Gatherer::TakeAll() {
  WriteBatch batch;
  TakeComplete(&batch);
  full_.clear();
  for (Part* part : std::exchange(gathering_, {})) {
    part->listed = false;
    Take(part, &batch);
  }
  return batch;
}

void Gatherer::OnWritten(WriteBatch batch) {
  for (auto& chunk : batch.chunks) {
    const std::uint64_t raw = chunk.bytes.size();
    told_raw_ += raw;
    told_file_ += chunk.file_bytes - chunk.begin_bytes;
    if (const auto found = by_id_.find(chunk.part); found != by_id_.end()) {
      found->second->file_bytes = chunk.file_bytes;
      found->second->raw_bytes -= raw;
    }
    const bool fits = chunk.bytes.capacity() >= config_.chunk_bytes &&
                      chunk.bytes.capacity() <= 2 * config_.chunk_bytes + 4096;
    if (!fits || buffers_.size() >= kMaxBuffers) continue;
    chunk.bytes.clear();
    buffers_.push_back(std::move(chunk.bytes));
  }
}

}  // namespace rivulet
