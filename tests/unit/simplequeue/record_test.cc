#include "simplequeue/record.h"

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "journal/format.h"
#include "simplequeue/wall_times.h"

using namespace rivulet;
using namespace std::chrono_literals;

namespace {

using Runs = std::vector<IdRun>;

DecodedRecord Decoded(std::string_view bytes) {
  DecodedRecord record;
  const Status status = DecodeRecord(bytes, &record);
  INFO(status.message());
  CHECK(status.ok());
  return record;
}

std::string Error(std::string_view bytes) {
  DecodedRecord record;
  const Status status = DecodeRecord(bytes, &record);
  CHECK(status.code() == StatusCode::kCorrupt);
  return status.message();
}

void CheckRuns(const Runs& seen, const Runs& expected) {
  REQUIRE(seen.size() == expected.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    CHECK(seen[i].first_id == expected[i].first_id);
    CHECK(seen[i].count == expected[i].count);
  }
}

// A message as it is when it comes in on the day of these lines.
StoredMessage Fresh(std::uint64_t id) {
  StoredMessage message;
  message.id = id;
  message.position = FreshPosition(id);
  message.put_at_ms = 1'795'247'000'123;
  return message;
}

// One good record of each kind, with every field.
std::vector<std::string> OneOfEach() {
  std::vector<std::string> records(9);
  const Runs runs = {{7, 3}, {100, 1}, {2, 4}};
  StoredMessage message = Fresh(77);
  message.state = MessageState::kDeferred;
  message.attempts = 5;
  message.position = FreshPosition(80) + 3;
  message.due_ms = 1'795'247'100'000;
  message.ttl_ms = 60'000;
  EncodeQueue(&records[0], 3, "jobs", 1234, true);
  EncodePut(&records[1], 3, Fresh(1), "");
  EncodePut(&records[2], 3, message, "a key");
  EncodeLease(&records[3], 3, runs);
  EncodeForget(&records[4], 3, runs);
  EncodeReturn(&records[5], 3, FreshPosition(90) + 1, true, runs);
  EncodeDefer(&records[6], 3, 1'795'247'100'000, runs);
  EncodeBury(&records[7], 3, 12, runs);
  EncodeKey(&records[8], 3, 9, 1'795'247'100'000, "a key");
  records[1] += "body";
  records[2] += "body";
  return records;
}

}  // namespace

TEST_CASE("record: a fresh put is the bytes that the header counts") {
  std::string bytes;
  EncodePut(&bytes, 1, Fresh(300), "");
  // By hand: put, no flags, queue 1, id 300 = 0x12c, 1795247000123 ms in groups of seven bits.
  std::string expected = {2, 0, 1, '\xac', 2};
  for (std::uint64_t rest = 1'795'247'000'123; rest > 0; rest >>= 7) {
    expected += static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  }
  CHECK(bytes == expected);
  CHECK(bytes.size() == 11);
}

TEST_CASE("record: a put of 100 bytes alone in its batch costs at most 32 bytes beside its body") {
  for (const std::uint64_t id : {1ULL, 1'000'000ULL, 268'435'455ULL, 30'000'000'000ULL}) {
    for (const std::uint32_t queue : {1U, 127U}) {
      std::string record;
      EncodePut(&record, queue, Fresh(id), "");
      std::string size;
      AppendVarint(&size, record.size() + 100);
      CHECK(kBatchHeaderBytes + size.size() + record.size() <= 32);
    }
  }
}

TEST_CASE("record: a lease or a finish of one message costs at most 10 bytes") {
  for (const std::uint64_t id : {1ULL, 100'000'000ULL}) {
    const Runs runs = {{id, 1}};
    std::string lease;
    std::string forget;
    EncodeLease(&lease, 1, runs);
    EncodeForget(&forget, 1, runs);
    CHECK(lease.size() + 1 <= 10);
    CHECK(forget.size() + 1 <= 10);
  }
}

TEST_CASE("record: a put with every field comes back as it was") {
  const std::string bytes = OneOfEach()[2];
  const DecodedRecord record = Decoded(bytes);
  CHECK(record.type == RecordType::kPut);
  CHECK(record.queue == 3);
  CHECK(record.message.id == 77);
  CHECK(record.message.state == MessageState::kDeferred);
  CHECK(record.message.attempts == 5);
  CHECK(record.message.position == FreshPosition(80) + 3);
  CHECK(record.message.put_at_ms == 1'795'247'000'123);
  CHECK(record.message.due_ms == 1'795'247'100'000);
  CHECK(record.message.ttl_ms == 60'000);
  CHECK(record.key == "a key");
  CHECK(record.body == "body");
}

TEST_CASE("record: what a put does not carry is a fresh message's") {
  const std::string bytes = OneOfEach()[1];
  const DecodedRecord record = Decoded(bytes);
  CHECK(record.message.state == MessageState::kReady);
  CHECK(record.message.attempts == 0);
  CHECK(record.message.position == FreshPosition(1));
  CHECK(record.message.due_ms == 0);
  CHECK(record.message.ttl_ms == 0);
  CHECK(record.key.empty());
  CHECK(record.body == "body");
}

TEST_CASE("record: bodies are any bytes, none too") {
  for (const std::string& body :
       {std::string(), std::string("\0\xff\n", 3), std::string(70000, 'x')}) {
    std::string bytes;
    EncodePut(&bytes, 1, Fresh(1), "");
    bytes += body;
    CHECK(Decoded(bytes).body == body);
  }
}

TEST_CASE("record: the others come back as they were") {
  const Runs runs = {{7, 3}, {100, 1}, {2, 4}};
  const std::vector<std::string> bytes = OneOfEach();
  const DecodedRecord queue = Decoded(bytes[0]);
  CHECK(queue.name == "jobs");
  CHECK(queue.next_id == 1234);
  CHECK(queue.paused);
  CheckRuns(Decoded(bytes[3]).runs, runs);
  CheckRuns(Decoded(bytes[4]).runs, runs);
  const DecodedRecord returned = Decoded(bytes[5]);
  CHECK(returned.position == FreshPosition(90) + 1);
  CHECK(returned.kicked);
  CheckRuns(returned.runs, runs);
  CHECK(Decoded(bytes[6]).due_ms == 1'795'247'100'000);
  const DecodedRecord buried = Decoded(bytes[7]);
  CHECK(buried.position == 12);
  CheckRuns(buried.runs, runs);
  const DecodedRecord key = Decoded(bytes[8]);
  CHECK(key.id == 9);
  CHECK(key.until_ms == 1'795'247'100'000);
  CHECK(key.key == "a key");
}

TEST_CASE("record: the largest ids, positions and runs come back") {
  const Runs runs = {{kMaxRecordId, 1}, {1, kMaxRecordId}};
  std::string bytes;
  EncodeReturn(&bytes, UINT32_MAX, UINT64_MAX, false, runs);
  const DecodedRecord record = Decoded(bytes);
  CHECK(record.queue == UINT32_MAX);
  CHECK(record.position == UINT64_MAX);
  CheckRuns(record.runs, runs);
}

TEST_CASE("record: what no encoder writes is refused, and the error says what is wrong") {
  CHECK(Error("") == "record: type 0, must be 1 to 8");
  CHECK(Error("\x09") == "record: type 9, must be 1 to 8");
  CHECK(Error("\x01") == "queue record: queue is missing");
  CHECK(Error({"\x01\x01\x01\x00", 4}) ==
        "queue record: queue's name must be 1 to 64 of A-Z a-z 0-9 . _ -");
  CHECK(Error({"\x01\x01\x01\x02q", 5}) == "queue record: flags is 2, must be 0 to 1");
  CHECK(Error({"\x02\x40\x01\x01\x01", 5}) == "put record: flags is 64, must be 0 to 63");
  CHECK(Error({"\x02\x00\x00\x01\x01", 5}) == "put record: queue is 0, must be 1 to 4294967295");
  CHECK(Error({"\x02\x00\x01\x00\x01", 5}) == "put record: id is 0, must be 1 to 1099511627775");
  CHECK(Error({"\x02\x10\x01\x01\x01\x04", 6}) == "put record: state is 4, must be 0 to 3");
  CHECK(Error({"\x02\x20\x01\x01\x01\x03"
               "ab",
               8}) == "put record: key is cut");
  CHECK(Error({"\x03\x01\x00", 3}).starts_with("lease record: count of runs is 0"));
  CHECK(Error({"\x03\x01\x01\x02\x00", 5}).starts_with("lease record: count of ids is 0"));
  CHECK(Error({"\x03\x01\x01\x00\x01", 5}).starts_with("lease record: first id is 0"));
  CHECK(Error({"\x03\x01\x01\x01\x01", 5})
            .starts_with("lease record: first id is 18446744073709551615"));
  CHECK(Error({"\x03\x01\x01\x02\x01x", 6}) == "lease record: 1 bytes too many");
  CHECK(Error({"\x03\x01\xff\xff\xff\xff\x0f", 7})
            .starts_with("lease record: count of runs is 4294967295"));
  CHECK(Error({"\x08\x01\x01\x01", 4}) == "key record: key is missing");
}

TEST_CASE("record: times that no one means are refused before they overflow") {
  StoredMessage late = Fresh(1);
  late.put_at_ms = kMaxRecordMs;
  std::string bytes;
  EncodePut(&bytes, 1, late, "");
  Decoded(bytes);
  late.ttl_ms = 1;
  bytes.clear();
  EncodePut(&bytes, 1, late, "");
  CHECK(Error(bytes) == "put record: ttl is 1, too late an end");
  bytes.clear();
  EncodeDefer(&bytes, 1, kMaxRecordMs + 1, Runs{{1, 1}});
  CHECK(Error(bytes).starts_with("defer record: due is 8000000000001"));
}

TEST_CASE("record: a record cut at any byte is refused or is a shorter text") {
  for (const std::string& whole : OneOfEach()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      DecodedRecord record;
      const Status status = DecodeRecord(std::string_view(whole).substr(0, size), &record);
      if (!status.ok()) continue;
      const bool ends_in_text = record.type == RecordType::kQueue ||
                                record.type == RecordType::kPut || record.type == RecordType::kKey;
      CHECK(ends_in_text);
    }
  }
}

TEST_CASE("record: any bytes are decoded or refused, and what is decoded keeps its bounds") {
  std::mt19937_64 random(20261121);
  std::vector<std::string> seeds = OneOfEach();
  DecodedRecord record;
  for (int round = 0; round < 200'000; ++round) {
    std::string bytes = seeds[random() % seeds.size()];
    for (std::uint64_t changes = random() % 4; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (!DecodeRecord(bytes, &record).ok()) continue;
    CHECK(record.queue >= 1);
    switch (record.type) {
      case RecordType::kQueue:
        CHECK(record.name.size() <= 64);
        break;
      case RecordType::kPut:
        CHECK(record.message.id >= 1);
        CHECK(record.message.id <= kMaxRecordId);
        CHECK(record.message.put_at_ms + record.message.ttl_ms <= kMaxRecordMs);
        break;
      case RecordType::kKey:
        CHECK(!record.key.empty());
        break;
      default:
        for (const IdRun& run : record.runs) {
          CHECK(run.first_id >= 1);
          CHECK(run.count >= 1);
          CHECK(run.first_id + run.count - 1 <= kMaxRecordId);
        }
    }
  }
}

TEST_CASE("wall times: a time comes back to the millisecond, the past nearest, what is due up") {
  FakeClock clock;
  const WallTimes times(clock);
  const MonoTime now = clock.Now();
  const std::int64_t wall_ms = 1'331'923'247'000;  // of the fake clock
  CHECK(times.Nearest(now) == wall_ms);
  CHECK(times.Nearest(now + 1400us) == wall_ms + 1);
  CHECK(times.Next(now + 1400us) == wall_ms + 2);
  CHECK(times.FromMs(wall_ms + 5) == now + 5ms);
}

TEST_CASE("wall times: what a record cannot hold is moved to its bounds") {
  FakeClock clock;
  const WallTimes times(clock);
  CHECK(times.Next(MonoTime::max()) == kMaxRecordMs);
  CHECK(times.Nearest(MonoTime::max()) == kMaxRecordMs);
  CHECK(times.Nearest(MonoTime::min()) == 0);
  CHECK(times.Next(MonoTime::min()) == 1);
  clock.StepWall(-std::chrono::hours(24 * 365 * 100));
  const WallTimes before_1970(clock);
  CHECK(before_1970.Nearest(clock.Now()) == 0);
  CHECK(before_1970.FromMs(kMaxRecordMs) > clock.Now());
}

TEST_CASE("wall times: a time goes to a record and back for ever, although clocks are read apart") {
  FakeClock clock;
  MonoTime put_at = clock.Now() + 1234567ns;
  MonoTime due = clock.Now() + 7654321ns;
  const std::int64_t put_at_ms = WallTimes(clock).Nearest(put_at);
  const std::int64_t due_ms = WallTimes(clock).Next(due);
  for (int i = 0; i < 100; ++i) {
    put_at = WallTimes(clock).FromMs(put_at_ms);
    due = WallTimes(clock).FromMs(due_ms);
    clock.StepWall(i % 2 == 0 ? -300ns : 400ns);
    CHECK(WallTimes(clock).Nearest(put_at) == put_at_ms);
    CHECK(WallTimes(clock).Next(due) == due_ms);
  }
}

TEST_CASE("wall times: a message is the same on the way to a record and back") {
  FakeClock clock;
  const WallTimes times(clock);
  MessageInfo message;
  message.id = 5;
  message.state = MessageState::kDeferred;
  message.attempts = 2;
  message.position = FreshPosition(9) + 1;
  message.put_at = clock.Now() - 3s;
  message.due = clock.Now() + 10s;
  message.ttl = 1min;
  const MessageInfo again = FromStored(ToStored(message, times), "body", times);
  CHECK(again.id == 5);
  CHECK(again.state == MessageState::kDeferred);
  CHECK(again.attempts == 2);
  CHECK(again.position == message.position);
  CHECK(again.put_at == message.put_at);
  CHECK(again.due == message.due);
  CHECK(again.ttl == message.ttl);
  CHECK(again.body == "body");
}

TEST_CASE("wall times: a time to live for ever stays within a record") {
  FakeClock clock;
  const WallTimes times(clock);
  MessageInfo message;
  message.id = 1;
  message.put_at = clock.Now();
  message.ttl = Duration::max();
  const StoredMessage stored = ToStored(message, times);
  CHECK(stored.put_at_ms + stored.ttl_ms == kMaxRecordMs);
}
