#include "pubsub/record.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace rivulet;

namespace {

std::string Bytes(std::initializer_list<int> bytes) {
  std::string out;
  for (const int byte : bytes) out += static_cast<char>(byte);
  return out;
}

WallTime At(std::int64_t ns) { return WallTime(Duration(ns)); }

std::string Why(std::string_view bytes) {
  TopicRecord record;
  const Status status = DecodeTopicRecord(bytes, &record);
  return status.ok() ? "ok" : status.message();
}

std::string Described(TopicRecordDescriber* describer, std::string_view record) {
  std::string out;
  return describer->AppendMembers(record, &out) ? out : "-";
}

}  // namespace

// The expected bytes are made by hand from the format told in the header.

TEST_CASE("pubsub record: a topic is its number, next offset and name") {
  std::string bytes;
  EncodeTopic(&bytes, 300, 7, "clicks");
  CHECK(bytes == Bytes({1, 0xac, 0x02, 7}) + "clicks");
  TopicRecord record;
  REQUIRE(DecodeTopicRecord(bytes, &record).ok());
  CHECK(record.type == TopicRecordType::kTopic);
  CHECK(record.topic == 300);
  CHECK(record.next_offset == 7);
  CHECK(record.name == "clicks");
}

TEST_CASE("pubsub record: a run tells the first message's place, and all bodies") {
  std::string bytes;
  EncodeRunHead(&bytes, {2, 5, 9, At(130), {}});
  AppendMessage(&bytes, "ab");
  AppendMessage(&bytes, "");
  AppendMessage(&bytes, std::string(200, 'x'));
  CHECK(bytes ==
        Bytes({2, 2, 5, 4, 0x82, 0x01, 2}) + "ab" + Bytes({0, 0xc8, 0x01}) + std::string(200, 'x'));
  TopicRecord record;
  REQUIRE(DecodeTopicRecord(bytes, &record).ok());
  CHECK(record.type == TopicRecordType::kMessages);
  CHECK(record.topic == 2);
  CHECK(record.run.first_offset == 5);
  CHECK(record.run.first_sequence == 9);
  CHECK(record.run.time == At(130));
  CHECK(record.count == 3);
  CHECK(record.body_bytes == 202);
  std::vector<std::string> bodies;
  std::string_view rest = record.run.messages;
  std::string_view body;
  while (TakeMessage(&rest, &body)) bodies.emplace_back(body);
  CHECK(bodies == std::vector<std::string>{"ab", "", std::string(200, 'x')});
  CHECK(IsRunOf(bytes, 2));
  CHECK_FALSE(IsRunOf(bytes, 3));
  CHECK_FALSE(IsRunOf("", 2));
}

TEST_CASE("pubsub record: numbers come back up to their largest") {
  std::string bytes;
  EncodeRunHead(&bytes, {UINT32_MAX, UINT64_MAX - 1, 3, At(kMaxTopicRecordNs), {}});
  CHECK(bytes.size() <= kMostRunHeadBytes);
  AppendMessage(&bytes, "x");
  TopicRecord record;
  REQUIRE(DecodeTopicRecord(bytes, &record).ok());
  CHECK(record.run.topic == UINT32_MAX);
  CHECK(record.run.first_offset == UINT64_MAX - 1);
  CHECK(record.run.first_sequence == 3);
  CHECK(record.run.time == At(kMaxTopicRecordNs));
}

TEST_CASE("pubsub record: a key tells what it stands for") {
  std::string bytes;
  EncodePublishKey(&bytes, 1, {10, 3, 2, At(4)}, "k\0y");
  CHECK(bytes == Bytes({3, 1, 10, 3, 2, 4}) + "k");
  bytes.clear();
  EncodePublishKey(&bytes, 1, {10, 3, 2, At(4)}, std::string_view("k\0y", 3));
  TopicRecord record;
  REQUIRE(DecodeTopicRecord(bytes, &record).ok());
  CHECK(record.type == TopicRecordType::kKey);
  CHECK(record.published.first_offset == 10);
  CHECK(record.published.messages == 3);
  CHECK(record.published.clients == 2);
  CHECK(record.published.until == At(4));
  CHECK(record.key == std::string_view("k\0y", 3));
}

TEST_CASE("pubsub record: the sequence tells where all topics are") {
  std::string bytes;
  EncodeSequence(&bytes, 128, At(1));
  CHECK(bytes == Bytes({4, 0x80, 0x01, 1}));
  TopicRecord record;
  REQUIRE(DecodeTopicRecord(bytes, &record).ok());
  CHECK(record.next_sequence == 128);
  CHECK(record.last_time == At(1));
}

TEST_CASE("pubsub record: what nothing here wrote is refused, and says why") {
  CHECK(Why("") == "record: type 0, must be 1 to 4");
  CHECK(Why(Bytes({9})) == "record: type 9, must be 1 to 4");
  CHECK(Why(Bytes({1, 1})) == "topic record: next offset is missing");
  CHECK(Why(Bytes({1, 1, 1}) + "a/b") ==
        "topic record: topic's name must be 1 to 64 of A-Z a-z 0-9 . _ -");
  CHECK(Why(Bytes({1, 0xff, 0xff, 0xff, 0xff, 0x7f, 1}) + "a") ==
        "topic record: topic is 34359738367, must be at most 4294967295");
  CHECK(Why(Bytes({2, 1, 1})) == "messages record: a field before the messages is bad");
  CHECK(Why(Bytes({2, 1, 1, 1, 1})) == "messages record: there is no message in it");
  CHECK(Why(Bytes({2, 1, 1, 1, 1, 1, 'x', 2, 'y'})) == "messages record: message 1 is cut");
  CHECK(Why(Bytes({2, 1, 1, 1, 1, 0x80})) == "messages record: message 0 is cut");
  CHECK(Why(Bytes({3, 1, 1, 1, 1, 1})) == "key record: key is missing");
  CHECK(Why(Bytes({4, 1, 1, 1})) == "sequence record: there are bytes behind it");
}

TEST_CASE(
    "pubsub record: whatever is cut off a record is refused or another record, never read past") {
  std::string bytes;
  EncodeRunHead(&bytes, {1, 200, 300, At(1'000'000'000'000'000'000), {}});
  AppendMessage(&bytes, "first");
  const std::size_t whole = bytes.size();
  AppendMessage(&bytes, "second");
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const std::string copy = bytes.substr(0, size);  // so that a sanitizer sees its end
    CHECK((Why(copy) == "ok") == (size == whole || size == bytes.size()));
  }
}

TEST_CASE("pubsub record: times out of bounds are moved to them") {
  std::string bytes;
  EncodeSequence(&bytes, 0, At(-5));
  CHECK(bytes == Bytes({4, 0, 0}));
  bytes.clear();
  EncodeSequence(&bytes, 0, At(INT64_MAX));
  TopicRecord record;
  REQUIRE(DecodeTopicRecord(bytes, &record).ok());
  CHECK(record.last_time == At(kMaxTopicRecordNs));
}

TEST_CASE("pubsub record: people are told topics by name, times in seconds, bodies as text") {
  TopicRecordDescriber describer("", 8);
  std::string run;
  EncodeRunHead(&run, {1, 5, 6, At(1'500'000'000), {}});
  AppendMessage(&run, "a\"b");
  AppendMessage(&run, "cde");
  AppendMessage(&run, "does not fit");
  const std::string rest =
      R"(, "first_offset": 5, "first_sequence": 6, "time": 1.500000000, "messages": 3, "bytes": 18, )"
      R"("bodies": ["a\"b", "cde"])";
  CHECK(Described(&describer, run) == R"("type": "messages", "topic": "#1")" + rest);
  std::string topic;
  EncodeTopic(&topic, 1, 5, "t");
  CHECK(Described(&describer, topic) ==
        R"("type": "topic", "topic": "t", "number": 1, "next_offset": 5)");
  CHECK(Described(&describer, run) == R"("type": "messages", "topic": "t")" + rest);
  std::string key;
  EncodePublishKey(&key, 1, {1, 2, 3, At(4)}, "k");
  CHECK(Described(&describer, key) ==
        R"("type": "key", "topic": "t", "first_offset": 1, "messages": 2, "clients": 3, )"
        R"("until": 0.000000004, "key": "k")");
  std::string sequence;
  EncodeSequence(&sequence, 9, At(0));
  CHECK(Described(&describer, sequence) ==
        R"("type": "sequence", "next_sequence": 9, "time": 0.000000000)");
  CHECK(Described(&describer, Bytes({9, 0xab})) ==
        R"("type": "unknown", "why": "record: type 9, must be 1 to 4", "bytes": 2, "hex": "09ab")");
}

TEST_CASE("pubsub record: a long body is cut between characters, and what is not text is Base64") {
  TopicRecordDescriber describer("", 4);
  std::string run;
  EncodeRunHead(&run, {1, 0, 0, At(0), {}});
  AppendMessage(&run, "abc\xc3\xa9 and more");
  CHECK(Described(&describer, run).ends_with(R"("bodies": ["abc"])"));
  run.clear();
  EncodeRunHead(&run, {1, 0, 0, At(0), {}});
  AppendMessage(&run, "\xff\xfe");
  CHECK(Described(&describer, run).ends_with(R"("bodies_base64": ["//4="])"));
}

TEST_CASE("pubsub record: who asks for one topic is told of that one alone") {
  TopicRecordDescriber describer("b", 100);
  std::string a;
  std::string b;
  EncodeTopic(&a, 1, 0, "a");
  EncodeTopic(&b, 2, 0, "b");
  CHECK(Described(&describer, a) == "-");
  CHECK(Described(&describer, b) != "-");
  std::string run;
  EncodeRunHead(&run, {1, 0, 0, At(0), {}});
  AppendMessage(&run, "x");
  CHECK(Described(&describer, run) == "-");
  CHECK(Described(&describer, "?") == "-");
}
