#include "simplequeue/record.h"

#include <fmt/format.h>

#include <array>
#include <optional>

#include "base/names.h"
#include "journal/format.h"

namespace rivulet {

namespace {

constexpr std::array<std::string_view, kRecordTypes> kNames = {
    "none", "queue", "put", "lease", "forget", "return", "defer", "bury", "key"};

constexpr std::uint64_t kHasDue = 1;
constexpr std::uint64_t kHasTtl = 2;
constexpr std::uint64_t kHasAttempts = 4;
constexpr std::uint64_t kHasPosition = 8;
constexpr std::uint64_t kHasState = 16;
constexpr std::uint64_t kHasKey = 32;
constexpr std::uint64_t kAllPutFlags = 63;
constexpr std::uint64_t kPositionMask = (1ULL << kPositionBits) - 1;

void Begin(std::string* out, RecordType type) { *out += static_cast<char>(type); }

void AppendPosition(std::string* out, std::uint64_t position) {
  AppendVarint(out, position >> kPositionBits);
  AppendVarint(out, position & kPositionMask);
}

void AppendRuns(std::string* out, std::span<const IdRun> runs) {
  AppendVarint(out, runs.size());
  std::uint64_t end = 0;
  for (const IdRun& run : runs) {
    // Unsigned: a distance back wraps round, and comes back so.
    const std::uint64_t distance = run.first_id - end;
    const bool back = (distance >> 63) != 0;
    AppendVarint(out, (distance << 1) ^ (back ? ~0ULL : 0));
    AppendVarint(out, run.count);
    end = run.first_id + run.count;
  }
}

// Takes fields off a record. After the first that is not there or wrong nothing more is read, and
// error() says what it was.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes) : rest_(bytes) {}

  std::uint64_t Number(std::string_view what, std::uint64_t low, std::uint64_t high) {
    if (!error_.empty()) return low;
    const std::optional<std::uint64_t> value = TakeVarint(&rest_);
    if (!value) {
      error_ = fmt::format("{} is missing", what);
    } else if (*value < low || *value > high) {
      error_ = fmt::format("{} is {}, must be {} to {}", what, *value, low, high);
    } else {
      return *value;
    }
    return low;
  }
  std::int64_t Time(std::string_view what) {
    return static_cast<std::int64_t>(Number(what, 0, kMaxRecordMs));
  }
  std::uint64_t Id() { return Number("id", 1, kMaxRecordId); }
  std::uint64_t Position() {
    const std::uint64_t id = Number("position", 0, kMaxRecordId);
    return FreshPosition(id) + Number("position's second half", 0, kPositionMask);
  }
  void Runs(std::vector<IdRun>* runs) {
    runs->clear();
    // Each takes two bytes at least: no count makes us reserve more than the record is worth.
    const std::uint64_t count = Number("count of runs", 1, rest_.size() / 2 + 1);
    std::uint64_t end = 0;
    for (std::uint64_t i = 0; i < count && error_.empty(); ++i) {
      const std::uint64_t zigzag = Number("first id", 0, UINT64_MAX);
      const std::uint64_t first = end + ((zigzag >> 1) ^ (0 - (zigzag & 1)));
      if (error_.empty() && (first < 1 || first > kMaxRecordId)) {
        error_ = fmt::format("first id is {}, must be 1 to {}", first, kMaxRecordId);
        return;
      }
      const std::uint64_t ids = Number("count of ids", 1, kMaxRecordId - first + 1);
      runs->push_back({first, ids});
      end = first + ids;
    }
  }
  std::string_view Text(std::string_view what, std::uint64_t bytes) {
    if (error_.empty() && bytes > rest_.size()) error_ = fmt::format("{} is cut", what);
    if (!error_.empty()) return {};
    const std::string_view text = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return text;
  }
  std::string_view Rest() { return Text("rest", rest_.size()); }
  void Refuse(std::string error) {
    if (error_.empty()) error_ = std::move(error);
  }
  /// Nothing must be left.
  void End() {
    if (!rest_.empty()) Refuse(fmt::format("{} bytes too many", rest_.size()));
  }
  bool ok() const { return error_.empty(); }
  const std::string& error() const { return error_; }

 private:
  std::string_view rest_;
  std::string error_;
};

void DecodeQueue(FieldReader* fields, DecodedRecord* record) {
  record->queue = static_cast<std::uint32_t>(fields->Number("queue", 1, UINT32_MAX));
  record->next_id = fields->Number("next id", 1, kMaxRecordId + 1);
  record->paused = fields->Number("flags", 0, 1) != 0;
  record->name = fields->Rest();
  if (!IsName(record->name)) fields->Refuse(fmt::format("queue's name {}", kNameRule));
}

void DecodePut(FieldReader* fields, DecodedRecord* record) {
  const std::uint64_t flags = fields->Number("flags", 0, kAllPutFlags);
  record->queue = static_cast<std::uint32_t>(fields->Number("queue", 1, UINT32_MAX));
  StoredMessage& message = record->message;
  message = {};
  message.id = fields->Id();
  message.put_at_ms = fields->Time("put at");
  if ((flags & kHasDue) != 0) message.due_ms = fields->Time("due");
  if ((flags & kHasTtl) != 0) message.ttl_ms = fields->Time("ttl");
  if ((flags & kHasAttempts) != 0) {
    message.attempts = static_cast<std::uint32_t>(fields->Number("attempts", 0, UINT32_MAX));
  }
  message.position = (flags & kHasPosition) != 0 ? fields->Position() : FreshPosition(message.id);
  if ((flags & kHasState) != 0) {
    message.state = static_cast<MessageState>(
        fields->Number("state", 0, static_cast<std::uint64_t>(MessageState::kDead)));
  }
  if (message.ttl_ms > kMaxRecordMs - message.put_at_ms) {
    fields->Refuse(fmt::format("ttl is {}, too late an end", message.ttl_ms));
  }
  record->key = {};
  if ((flags & kHasKey) != 0) {
    record->key = fields->Text("key", fields->Number("bytes of the key", 1, UINT32_MAX));
  }
  record->body = fields->Rest();
}

void DecodeKey(FieldReader* fields, DecodedRecord* record) {
  record->queue = static_cast<std::uint32_t>(fields->Number("queue", 1, UINT32_MAX));
  record->id = fields->Id();
  record->until_ms = fields->Time("until");
  record->key = fields->Rest();
  if (record->key.empty()) fields->Refuse("key is missing");
}

// Those that end in runs.
void DecodeRuns(FieldReader* fields, DecodedRecord* record) {
  record->queue = static_cast<std::uint32_t>(fields->Number("queue", 1, UINT32_MAX));
  switch (record->type) {
    case RecordType::kReturn:
      record->position = fields->Position();
      record->kicked = fields->Number("flags", 0, 1) != 0;
      break;
    case RecordType::kDefer:
      record->due_ms = fields->Time("due");
      break;
    case RecordType::kBury:
      record->position = fields->Position();
      break;
    default:
      break;
  }
  fields->Runs(&record->runs);
  fields->End();
}

}  // namespace

std::string_view RecordTypeName(RecordType type) { return kNames[static_cast<std::size_t>(type)]; }

void EncodeQueue(std::string* out, std::uint32_t queue, std::string_view name,
                 std::uint64_t next_id, bool paused) {
  Begin(out, RecordType::kQueue);
  AppendVarint(out, queue);
  AppendVarint(out, next_id);
  AppendVarint(out, paused ? 1 : 0);
  *out += name;
}

void EncodePut(std::string* out, std::uint32_t queue, const StoredMessage& message,
               std::string_view key) {
  std::uint64_t flags = 0;
  if (message.due_ms != 0) flags |= kHasDue;
  if (message.ttl_ms != 0) flags |= kHasTtl;
  if (message.attempts != 0) flags |= kHasAttempts;
  if (message.position != FreshPosition(message.id)) flags |= kHasPosition;
  if (message.state != MessageState::kReady) flags |= kHasState;
  if (!key.empty()) flags |= kHasKey;
  Begin(out, RecordType::kPut);
  AppendVarint(out, flags);
  AppendVarint(out, queue);
  AppendVarint(out, message.id);
  AppendVarint(out, static_cast<std::uint64_t>(message.put_at_ms));
  if ((flags & kHasDue) != 0) AppendVarint(out, static_cast<std::uint64_t>(message.due_ms));
  if ((flags & kHasTtl) != 0) AppendVarint(out, static_cast<std::uint64_t>(message.ttl_ms));
  if ((flags & kHasAttempts) != 0) AppendVarint(out, message.attempts);
  if ((flags & kHasPosition) != 0) AppendPosition(out, message.position);
  if ((flags & kHasState) != 0) AppendVarint(out, static_cast<std::uint64_t>(message.state));
  if ((flags & kHasKey) != 0) {
    AppendVarint(out, key.size());
    *out += key;
  }
}

void EncodeLease(std::string* out, std::uint32_t queue, std::span<const IdRun> runs) {
  Begin(out, RecordType::kLease);
  AppendVarint(out, queue);
  AppendRuns(out, runs);
}

void EncodeForget(std::string* out, std::uint32_t queue, std::span<const IdRun> runs) {
  Begin(out, RecordType::kForget);
  AppendVarint(out, queue);
  AppendRuns(out, runs);
}

void EncodeReturn(std::string* out, std::uint32_t queue, std::uint64_t position, bool kicked,
                  std::span<const IdRun> runs) {
  Begin(out, RecordType::kReturn);
  AppendVarint(out, queue);
  AppendPosition(out, position);
  AppendVarint(out, kicked ? 1 : 0);
  AppendRuns(out, runs);
}

void EncodeDefer(std::string* out, std::uint32_t queue, std::int64_t due_ms,
                 std::span<const IdRun> runs) {
  Begin(out, RecordType::kDefer);
  AppendVarint(out, queue);
  AppendVarint(out, static_cast<std::uint64_t>(due_ms));
  AppendRuns(out, runs);
}

void EncodeBury(std::string* out, std::uint32_t queue, std::uint64_t position,
                std::span<const IdRun> runs) {
  Begin(out, RecordType::kBury);
  AppendVarint(out, queue);
  AppendPosition(out, position);
  AppendRuns(out, runs);
}

void EncodeKey(std::string* out, std::uint32_t queue, std::uint64_t id, std::int64_t until_ms,
               std::string_view key) {
  Begin(out, RecordType::kKey);
  AppendVarint(out, queue);
  AppendVarint(out, id);
  AppendVarint(out, static_cast<std::uint64_t>(until_ms));
  *out += key;
}

Status DecodeRecord(std::string_view bytes, DecodedRecord* record) {
  const auto type = bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
  if (type == 0 || type >= kRecordTypes) {
    return {StatusCode::kCorrupt,
            fmt::format("record: type {}, must be 1 to {}", type, kRecordTypes - 1)};
  }
  record->type = static_cast<RecordType>(type);
  FieldReader fields(bytes.substr(1));
  switch (record->type) {
    case RecordType::kQueue:
      DecodeQueue(&fields, record);
      break;
    case RecordType::kPut:
      DecodePut(&fields, record);
      break;
    case RecordType::kKey:
      DecodeKey(&fields, record);
      break;
    default:
      DecodeRuns(&fields, record);
  }
  if (fields.ok()) return {};
  return {StatusCode::kCorrupt,
          fmt::format("{} record: {}", RecordTypeName(record->type), fields.error())};
}

}  // namespace rivulet
