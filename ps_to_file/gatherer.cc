#include "ps_to_file/gatherer.h"

#include <array>
#include <charconv>
#include <utility>

namespace rivulet {

namespace {
// What a compressed file is taken for until the first was written.
constexpr double kFirstRatio = 0.25;
constexpr std::size_t kMaxBuffers = 32;
// The last message of a chunk goes beyond its size.
constexpr std::size_t kBufferSlack = std::size_t{4} << 10;
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
  const Told& told = part.told.raw > 0 ? part.told : told_;
  const double ratio =
      told.raw == 0 ? kFirstRatio : static_cast<double>(told.file) / static_cast<double>(told.raw);
  return part.file_bytes + static_cast<std::uint64_t>(static_cast<double>(raw) * ratio);
}

void Gatherer::Append(std::string_view message) {
  std::array<char, 24> head;
  std::size_t head_bytes = 0;
  if (config_.framed) {
    char* const end = std::to_chars(head.begin(), head.end(), message.size()).ptr;
    *end = '\n';
    head_bytes = static_cast<std::size_t>(end - head.begin()) + 1;
  } else if (message.find('\n') != std::string_view::npos) {
    ++newlines_;
  }
  const std::uint64_t size = head_bytes + message.size() + 1;
  Part* part = &PartOf(message);
  const bool has_any = part->file_bytes + part->raw_bytes > 0;
  if (config_.max_file_bytes > 0 && has_any && SizeOf(*part, size) > config_.max_file_bytes) {
    Complete(part);
    part = &PartOf(message);
  }
  if (part->gathered.empty()) TakeBuffer(part);
  if (head_bytes > 0) part->gathered.append(head.data(), head_bytes);
  part->gathered.append(message) += '\n';
  ++part->messages;
  part->raw_bytes += size;
  bytes_ += size;
  if (part->gathered.size() >= config_.chunk_bytes) return Seal(part);
  if (!part->listed) gathering_.push_back(part);
  part->listed = true;
}

void Gatherer::Seal(Part* part) {
  sealed_.push_back({part, std::exchange(part->gathered, {}), std::exchange(part->messages, 0)});
  part->fills_chunks = true;
}

// Taken with the first message and not before: of many parts few have one at a time.
void Gatherer::TakeBuffer(Part* part) {
  if (!part->fills_chunks) return;
  if (buffers_.empty()) return part->gathered.reserve(config_.chunk_bytes + kBufferSlack);
  part->gathered = std::move(buffers_.back());
  buffers_.pop_back();
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

void Gatherer::Begin(Part* part, WriteBatch* batch) {
  if (!part->begun) batch->begun.push_back({part->id, part->base});
  part->begun = true;
}

void Gatherer::Take(Part* part, WriteBatch* batch) {
  if (part->gathered.empty()) return;
  Begin(part, batch);
  const std::size_t size = part->gathered.size();
  part->fills_chunks = size >= config_.chunk_bytes / 2;
  batch->chunks.push_back(
      {part->id, std::exchange(part->gathered, {}), std::exchange(part->messages, 0)});
  batch->bytes += size;
  bytes_ -= size;
}

void Gatherer::TakeSealed(WriteBatch* batch) {
  batch->time_key = format_.time_key();
  // Before the others, so that files get their numbers in the order of their messages.
  for (auto& part : complete_) Begin(part.get(), batch);
  for (auto& sealed : std::exchange(sealed_, {})) {
    Begin(sealed.part, batch);
    batch->bytes += sealed.bytes.size();
    bytes_ -= sealed.bytes.size();
    batch->chunks.push_back({sealed.part->id, std::move(sealed.bytes), sealed.messages});
  }
  if (complete_.empty()) return;
  std::erase_if(gathering_, [](const Part* part) { return part->complete; });
  for (auto& part : complete_) {
    Take(part.get(), batch);
    batch->complete.push_back(part->id);
    by_id_.erase(part->id);
  }
  complete_.clear();
}

WriteBatch Gatherer::TakeFull() {
  WriteBatch batch;
  TakeSealed(&batch);
  return batch;
}

WriteBatch Gatherer::TakeAll() {
  WriteBatch batch;
  TakeSealed(&batch);
  for (Part* part : std::exchange(gathering_, {})) {
    part->listed = false;
    Take(part, &batch);
  }
  return batch;
}

void Gatherer::OnWritten(WriteBatch batch) {
  for (auto& chunk : batch.chunks) {
    const std::uint64_t raw = chunk.bytes.size();
    const Told told{raw, chunk.file_bytes - chunk.begin_bytes};
    told_.Add(told);
    if (const auto found = by_id_.find(chunk.part); found != by_id_.end()) {
      found->second->file_bytes = chunk.file_bytes;
      found->second->raw_bytes -= raw;
      found->second->told.Add(told);
    }
    const bool fits = chunk.bytes.capacity() >= config_.chunk_bytes &&
                      chunk.bytes.capacity() <= 2 * (config_.chunk_bytes + kBufferSlack);
    if (!fits || buffers_.size() >= kMaxBuffers) continue;
    chunk.bytes.clear();
    buffers_.push_back(std::move(chunk.bytes));
  }
}

}  // namespace rivulet
