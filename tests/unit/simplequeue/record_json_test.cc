#include "simplequeue/record_json.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "base/json.h"

using namespace rivulet;

namespace {

std::string Members(std::string_view bytes, std::size_t max_body_bytes = 100) {
  DecodedRecord record;
  REQUIRE(DecodeRecord(bytes, &record).ok());
  std::string out;
  AppendRecordMembers(&out, record, "jobs", max_body_bytes);
  JsonDocument parsed;
  CHECK(parsed.Parse("{" + out + "}").ok());
  return out;
}

std::string Put(std::string_view body, std::string_view key = {}) {
  StoredMessage message;
  message.id = 7;
  message.position = FreshPosition(7);
  message.put_at_ms = 1'795'247'000'045;
  std::string bytes;
  EncodePut(&bytes, 1, message, key);
  return bytes + std::string(body);
}

}  // namespace

TEST_CASE("record json: a fresh put") {
  CHECK(Members(Put("hi \"there\"\n")) ==
        R"("type": "put", "queue": "jobs", "id": 7, "state": "ready", "attempts": 0, )"
        R"("put_at": 1795247000.045, "bytes": 11, "body": "hi \"there\"\n")");
}

TEST_CASE("record json: a put with every field") {
  StoredMessage message;
  message.id = 7;
  message.state = MessageState::kDeferred;
  message.attempts = 2;
  message.position = FreshPosition(80) + 3;
  message.put_at_ms = 5;
  message.due_ms = 1000;
  message.ttl_ms = 1500;
  std::string bytes;
  EncodePut(&bytes, 1, message, "a key");
  CHECK(Members(bytes) ==
        R"("type": "put", "queue": "jobs", "id": 7, "state": "deferred", "attempts": 2, )"
        R"("position": "80+3", "put_at": 0.005, "due": 1.000, "ttl": 1.500, "key": "a key", )"
        R"("bytes": 0, "body": "")");
}

TEST_CASE("record json: ids are told as runs") {
  const std::vector<IdRun> runs = {{7, 3}, {100, 1}, {2, 2}};
  std::string bytes;
  EncodeReturn(&bytes, 1, FreshPosition(9) + 1, true, runs);
  CHECK(
      Members(bytes) ==
      R"("type": "return", "queue": "jobs", "position": "9+1", "kicked": true, "ids": "7-9,100,2-3")");
  bytes.clear();
  EncodeDefer(&bytes, 1, 61'001, runs);
  CHECK(Members(bytes) ==
        R"("type": "defer", "queue": "jobs", "due": 61.001, "ids": "7-9,100,2-3")");
}

TEST_CASE("record json: a body that is no text is Base64, a long one is cut between characters") {
  // By coreutils' base64.
  CHECK(Members(Put(std::string_view("\xff\0\xfe", 3)))
            .ends_with(R"("bytes": 3, "body_base64": "/wD+")"));
  CHECK(Members(Put("\xc3\xa9\xc3\xa9"), 3).ends_with("\"bytes\": 4, \"body\": \"\xc3\xa9\""));
  CHECK(Members(Put("abc"), 0).ends_with(R"("bytes": 3, "body": "")"));
}

TEST_CASE("record json: a queue's record and a key's") {
  std::string bytes;
  EncodeQueue(&bytes, 4, "jobs", 12, true);
  CHECK(Members(bytes) ==
        R"("type": "queue", "queue": "jobs", "number": 4, "next_id": 12, "paused": true)");
  bytes.clear();
  EncodeKey(&bytes, 4, 9, 2500, "k");
  CHECK(Members(bytes) == R"("type": "key", "queue": "jobs", "id": 9, "until": 2.500, "key": "k")");
}
