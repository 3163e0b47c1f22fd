#include "journal/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace rivulet {

namespace {
constexpr char kBadBatch[] = "the batch is bad";
}  // namespace

/// A stretch of a file. It begins with a batch, or inside of a large one.
struct JournalReader::Window {
  std::uint64_t segment = 0;  // 0: of none
  SegmentHeader header;
  std::uint64_t begin = 0;    // in the file
  std::uint64_t end = 0;      // in the file
  std::uint64_t checked = 0;  // in the file: what lies before may be given; if less than `end`, a
                              // batch begins there
  std::unique_ptr<char[]> bytes;

  std::string_view From(std::uint64_t offset) const {
    return {bytes.get() + (offset - begin), static_cast<std::size_t>(end - offset)};
  }
  std::uint64_t PositionOf(std::uint64_t offset) const {
    return header.start + offset - kSegmentHeaderBytes;
  }
  void Clear() { segment = begin = end = checked = 0; }
};

JournalReader::JournalReader(Config config)
    : config_(std::move(config)), files_(config_.path, config_.max_open_files) {
  config_.window_bytes = std::max(config_.window_bytes, kSegmentHeaderBytes);
  config_.windows = std::max<std::size_t>(config_.windows, 1);
}

JournalReader::~JournalReader() = default;

JournalReader::Record JournalReader::Next(RecordPlace* place, std::uint64_t end) {
  if (place->offset < end && !windows_.empty()) {
    if (const auto record = TakeIn(*windows_.front(), place)) return record;
  }
  return Find(place, end);
}

JournalReader::Record JournalReader::Find(RecordPlace* place, std::uint64_t end) {
  while (place->offset < end) {
    if (place->batch_end != 0) return Take(place, end);
    if (Status status = PassHeader(place, end); !status.ok()) return status;
  }
  return std::optional<std::string_view>();
}

void JournalReader::Forget(std::uint64_t segment) {
  for (const auto& window : windows_) {
    if (window->segment == segment) window->Clear();
  }
  files_.Forget(segment);
}

// A batch.

Status JournalReader::PassHeader(RecordPlace* place, std::uint64_t end) {
  const auto batch = Check(place->segment, place->offset, end);
  if (!batch.ok()) return batch.status();
  const std::uint64_t records = place->offset + kBatchHeaderBytes;
  const std::uint64_t behind = records + batch->bytes;
  if (batch->is_void || batch->bytes == 0) {
    *place = {place->segment, behind};
  } else {
    *place = {place->segment, records, behind, place->offset};
  }
  return Status::Ok();
}

/// The batch at that offset, which passes its check. When it is not larger than a window, all of it
/// is in the first one then.
Result<BatchHeader> JournalReader::Check(std::uint64_t segment, std::uint64_t offset,
                                         std::uint64_t end) {
  if (Window* const window = Front(segment, offset)) {
    if (offset < window->checked) {
      const auto batch = PeekBatch(window->From(offset));
      return batch ? Result<BatchHeader>(*batch) : files_.Damage(segment, offset, kBadBatch);
    }
    while (window->checked < offset) {
      // What is bad before concerns only who reads there.
      const auto before = CheckNext(window, end);
      if (!before.ok() || !*before) break;
    }
    // What is bad there may have been read before it was written: it is read again.
    const Batch batch =
        window->checked == offset ? CheckNext(window, end) : Batch(std::optional<BatchHeader>());
    if (batch.ok() && *batch) return **batch;
  }
  const auto window = Load(segment, offset, end);
  if (!window.ok()) return window.status();
  const auto batch = CheckNext(*window, end);
  if (!batch.ok()) return batch.status();
  if (!*batch) return files_.Damage(segment, offset, kBadBatch);
  files_.Remember(segment, offset, config_.window_bytes / 2);
  return **batch;
}

/// For a place that does not tell it: from the last batch before it that is known.
Status JournalReader::FindBatch(RecordPlace* place, std::uint64_t end) {
  std::uint64_t begin = files_.BatchBefore(place->segment, place->offset);
  while (true) {
    const auto batch = Check(place->segment, begin, end);
    if (!batch.ok()) return batch.status();
    const std::uint64_t behind = begin + kBatchHeaderBytes + batch->bytes;
    if (place->offset < behind) break;
    begin = behind;
  }
  place->batch_begin = begin;
  return Status::Ok();
}

/// The batch behind what is checked of the window. Nothing when it does not fit there, and is not
/// so large that it fits nowhere.
JournalReader::Batch JournalReader::CheckNext(Window* window, std::uint64_t end) {
  Batch batch = TryNext(window, end);
  if (batch.ok()) return batch;
  // What is not good may not have been committed yet, and would have to be read again.
  window->end = window->checked;
  if (window->begin == window->end) window->Clear();
  return batch;
}

JournalReader::Batch JournalReader::TryNext(Window* window, std::uint64_t end) {
  const std::uint64_t offset = window->checked;
  const std::uint64_t records = offset + kBatchHeaderBytes;
  const std::uint64_t most = window->begin + config_.window_bytes;
  if (records > most) return std::optional<BatchHeader>();
  if (Status status = Extend(window, records, end); !status.ok()) return status;
  const auto batch = PeekBatch(window->From(offset));
  if (!batch) return files_.Damage(window->segment, offset, kBadBatch);
  const std::uint64_t behind = records + batch->bytes;
  const bool is_large = behind - offset > config_.window_bytes;
  if (behind > most && !is_large) return std::optional<BatchHeader>();
  if (Status status = Extend(window, std::min(behind, most), end); !status.ok()) return status;
  if (is_large) {
    if (Status s = CheckLarge(window->segment, offset, behind); !s.ok()) return s;
    window->checked = window->end;
    return batch;
  }
  const bool passes =
      CheckBatch(window->From(offset), window->header.salt, window->PositionOf(offset)).has_value();
  if (!passes) return files_.Damage(window->segment, offset, kBadBatch);
  window->checked = behind;
  return batch;
}

/// Of a batch that is larger than a window: reads it once, and remembers that it is good.
Status JournalReader::CheckLarge(std::uint64_t segment, std::uint64_t begin, std::uint64_t end) {
  const auto opened = files_.Open(segment);
  if (!opened.ok()) return opened.status();
  ReaderFiles::File& file = **opened;
  if (const auto known = file.large.find(begin); known != file.large.end()) {
    return known->second == end ? Status() : files_.Damage(segment, begin, kBadBatch);
  }
  std::string piece(config_.window_bytes, '\0');
  std::optional<BatchCheck> check;
  for (std::uint64_t at = begin; at < end;) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(end - at, piece.size()));
    const auto got = files_.ReadAt(file, at, piece.data(), wanted);
    if (!got.ok()) return got.status();
    if (*got < wanted) return files_.Damage(segment, begin, kBadBatch);
    std::string_view bytes(piece.data(), wanted);
    if (!check) {
      const auto batch = PeekBatch(bytes);
      if (!batch || begin + kBatchHeaderBytes + batch->bytes != end) {
        return files_.Damage(segment, begin, kBadBatch);
      }
      const std::uint64_t position = file.header.start + begin - kSegmentHeaderBytes;
      check.emplace(bytes.substr(0, kBatchHeaderBytes), file.header.salt, position);
      bytes.remove_prefix(kBatchHeaderBytes);
    }
    check->Add(bytes);
    at += wanted;
  }
  if (!check || !check->Passes()) return files_.Damage(segment, begin, kBadBatch);
  file.large[begin] = end;
  return Status::Ok();
}

// A record.

/// Nothing when not all of it is in what is checked of the window.
std::optional<std::string_view> JournalReader::TakeIn(const Window& window, RecordPlace* place) {
  const std::uint64_t offset = place->offset;
  const std::uint64_t limit = std::min(window.checked, place->batch_end);
  if (window.segment != place->segment || offset < window.begin || offset >= limit) {
    return std::nullopt;
  }
  const char* const at = window.bytes.get() + (offset - window.begin);
  std::string_view rest(at, static_cast<std::size_t>(limit - offset));
  // Most sizes are of one byte.
  const auto first = static_cast<unsigned char>(at[0]);
  std::uint64_t size = first;
  if (first < 0x80) {
    rest.remove_prefix(1);
  } else if (const auto taken = TakeVarint(&rest)) {
    size = *taken;
  } else {
    return std::nullopt;
  }
  if (size > rest.size()) return std::nullopt;
  MoveTo(limit - rest.size() + size, place);
  return rest.substr(0, static_cast<std::size_t>(size));
}

inline void JournalReader::MoveTo(std::uint64_t offset, RecordPlace* place) {
  place->offset = offset;
  if (offset == place->batch_end) place->batch_end = place->batch_begin = 0;
}

JournalReader::Record JournalReader::Take(RecordPlace* place, std::uint64_t end) {
  for (std::size_t i = 0; i < windows_.size(); ++i) {
    const auto record = TakeIn(*windows_[i], place);
    if (!record) continue;
    if (i > 0) MakeFirst(i);
    return record;
  }
  const std::uint64_t committed = std::max(end, place->batch_end);
  if (place->batch_begin == 0) {
    if (Status status = FindBatch(place, committed); !status.ok()) return status;
  }
  const std::uint64_t begin = place->batch_begin;
  if (place->offset < begin + kBatchHeaderBytes || place->offset >= place->batch_end) {
    return InvalidArgument(fmt::format("{}:{}: no record can be there, in the batch from {} to {}",
                                       files_.PathOf(place->segment), place->offset, begin,
                                       place->batch_end));
  }
  if (place->batch_end - begin > config_.window_bytes) return TakeLarge(place);
  const auto batch = Check(place->segment, begin, committed);
  if (!batch.ok()) return batch.status();
  if (batch->is_void || begin + kBatchHeaderBytes + batch->bytes != place->batch_end) {
    return files_.Damage(place->segment, begin, kBadBatch);
  }
  if (const auto record = TakeIn(*windows_.front(), place)) return record;
  return files_.Damage(place->segment, place->offset, "the record is longer than its batch");
}

/// Out of a batch that is larger than a window. No window has it.
JournalReader::Record JournalReader::TakeLarge(RecordPlace* place) {
  const std::uint64_t segment = place->segment;
  Status status = CheckLarge(segment, place->batch_begin, place->batch_end);
  if (!status.ok()) return status;
  const auto loaded = Load(segment, place->offset, place->batch_end);
  if (!loaded.ok()) return loaded.status();
  Window& window = **loaded;
  window.checked = window.end;
  if (const auto record = TakeIn(window, place)) return record;
  std::string_view rest = window.From(place->offset);
  const auto bytes = TakeVarint(&rest);
  const std::uint64_t from = window.end - rest.size();
  if (!bytes || *bytes > place->batch_end - from) {
    return files_.Damage(segment, place->offset, "the record is longer than its batch");
  }
  const auto opened = files_.Open(segment);
  if (!opened.ok()) return opened.status();
  large_.resize(*bytes);
  const auto got = files_.ReadAt(**opened, from, large_.data(), large_.size());
  if (!got.ok()) return got.status();
  if (*got < large_.size()) return files_.Damage(segment, place->offset, "the file ends here");
  MoveTo(from + *bytes, place);
  return std::optional<std::string_view>(large_);
}

// Windows.

/// One that has that offset or has room for it, made the first; one where it is checked, if any.
JournalReader::Window* JournalReader::Front(std::uint64_t segment, std::uint64_t offset) {
  std::size_t found = windows_.size();
  for (std::size_t i = 0; i < windows_.size(); ++i) {
    const Window& window = *windows_[i];
    if (window.segment != segment || offset < window.begin) continue;
    if (offset >= window.begin + config_.window_bytes) continue;
    if (found == windows_.size() || offset < window.checked) found = i;
    if (offset < window.checked) break;
  }
  return found == windows_.size() ? nullptr : MakeFirst(found);
}

JournalReader::Window* JournalReader::MakeFirst(std::size_t i) {
  const auto begin = windows_.begin();
  const auto at = begin + static_cast<std::ptrdiff_t>(i);
  std::rotate(begin, at, at + 1);
  return windows_.front().get();
}

/// A new first one that begins there.
Result<JournalReader::Window*> JournalReader::Load(std::uint64_t segment, std::uint64_t offset,
                                                   std::uint64_t end) {
  const auto file = files_.Open(segment);
  if (!file.ok()) return file.status();
  if (windows_.size() < config_.windows) {
    windows_.push_back(std::make_unique<Window>());
    windows_.back()->bytes = std::make_unique_for_overwrite<char[]>(config_.window_bytes);
  }
  Window* const window = MakeFirst(windows_.size() - 1);
  window->segment = segment;
  window->header = (*file)->header;
  window->begin = window->end = window->checked = offset;
  if (Status status = Extend(window, offset + 1, end); !status.ok()) {
    window->Clear();
    return status;
  }
  return window;
}

/// Reads on up to `end`, if the window does not have all up to `needed`, for which it has room.
Status JournalReader::Extend(Window* window, std::uint64_t needed, std::uint64_t end) {
  if (needed <= window->end) return Status::Ok();
  const auto file = files_.Open(window->segment);
  if (!file.ok()) return file.status();
  const std::uint64_t to = std::min(std::max(needed, end), window->begin + config_.window_bytes);
  char* const at = window->bytes.get() + (window->end - window->begin);
  const auto got =
      files_.ReadAt(**file, window->end, at, static_cast<std::size_t>(to - window->end));
  if (!got.ok()) return got.status();
  window->end += *got;
  if (window->end >= needed) return Status::Ok();
  return files_.Damage(window->segment, window->checked, "the file ends inside of this batch");
}

}  // namespace rivulet
