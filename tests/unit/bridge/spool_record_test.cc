#include "bridge/spool_record.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "base/json.h"
#include "bridge/spool_record_summary.h"
#include "bridge/spool_restorer.h"

using namespace rivulet;

namespace {

// By hand, as bridge/spool_record.h tells them.
const std::string kRun("\x01\xac\x02\x03one\x00\x02\n\xff", 11);  // 300: "one", "", "\n\xff"
const std::string kDone("\x02\x01\xac\x02", 4);                   // reader 1 at 300
const std::string kSource("\x03\x00\x07", 3);                     // source 0 at 7
const std::string kState(
    "\x04\x05\x02\x01"
    "a\x03\x01"
    "b\x04\x01\x04"
    "u?to\x09",
    16);

std::string Described(std::string_view record, SpoolRecordDescriber* describer) {
  std::string out;
  describer->AppendMembers(record, &out);
  JsonDocument json;
  CHECK(json.Parse("{" + out + "}").ok());
  return out;
}

RecordPlace At(std::uint64_t batch) { return {1, 100 * batch + 16, 100 * batch + 90, 100 * batch}; }

}  // namespace

TEST_CASE("spool record: each is written as its format says") {
  std::string run;
  EncodeSpoolRunHead(&run, 300);
  AppendSpoolMessage(&run, "one");
  AppendSpoolMessage(&run, "");
  AppendSpoolMessage(&run, "\n\xff");
  CHECK(run == kRun);
  std::string done;
  EncodeSpoolDone(&done, 1, 300);
  CHECK(done == kDone);
  std::string source;
  EncodeSpoolSource(&source, 0, 7);
  CHECK(source == kSource);
  std::string state;
  EncodeSpoolState(&state, 5, {{"a", 3}, {"b", 4}}, {{"u?to", 9}});
  CHECK(state == kState);
}

TEST_CASE("spool record: each is read as its format says") {
  SpoolRecord record;
  REQUIRE(DecodeSpoolRecord(kRun, &record).ok());
  CHECK(record.type == SpoolRecordType::kRun);
  CHECK(record.run.first == 300);
  CHECK(record.count == 3);
  CHECK(record.bytes == 5);
  std::string_view rest = record.run.messages;
  std::string_view message;
  for (const std::string_view expected : {"one", "", "\n\xff"}) {
    REQUIRE(TakeSpoolMessage(&rest, &message));
    CHECK(message == expected);
  }
  CHECK_FALSE(TakeSpoolMessage(&rest, &message));
  REQUIRE(DecodeSpoolRecord(kDone, &record).ok());
  CHECK(record.type == SpoolRecordType::kDone);
  CHECK(record.index == 1);
  CHECK(record.number == 300);
  REQUIRE(DecodeSpoolRecord(kSource, &record).ok());
  CHECK(record.type == SpoolRecordType::kSource);
  CHECK(record.index == 0);
  CHECK(record.number == 7);
  REQUIRE(DecodeSpoolRecord(kState, &record).ok());
  CHECK(record.type == SpoolRecordType::kState);
  CHECK(record.number == 5);
  CHECK(record.readers == std::vector<SpoolMark>{{"a", 3}, {"b", 4}});
  CHECK(record.sources == std::vector<SpoolMark>{{"u?to", 9}});
}

TEST_CASE("spool record: what is cut, too long or of no type is corrupt") {
  SpoolRecord record;
  for (const std::string& whole : {kDone, kSource, kState}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      CHECK(DecodeSpoolRecord(whole.substr(0, size), &record).code() == StatusCode::kCorrupt);
    }
    CHECK(DecodeSpoolRecord(whole + "x", &record).code() == StatusCode::kCorrupt);
  }
  using namespace std::string_literals;
  for (const std::string& bad : {""s, "\0"s, "\5"s, "\xff"s, "\1"s, "\1\2"s, "\1\2\4abc"s,
                                 // The last number would be 2^64.
                                 "\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\1\0"s,
                                 // More readers than any memory holds.
                                 "\4\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"s}) {
    CHECK(DecodeSpoolRecord(bad, &record).code() == StatusCode::kCorrupt);
  }
}

TEST_CASE("spool record: bytes at random never are more than corrupt") {
  std::mt19937 random(7);
  SpoolRecord record;
  SpoolRecordDescriber describer(20);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = i % 2 == 0 ? kState : kRun;
    for (int n = 0; n < 3; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 1));
    const Status status = DecodeSpoolRecord(bytes, &record);
    CHECK((status.ok() || status.code() == StatusCode::kCorrupt));
    std::string out;
    describer.AppendMembers(bytes, &out);
    CHECK_FALSE(out.empty());
  }
}

TEST_CASE("spool record: people read the names of readers and sources, and no token") {
  SpoolRecordDescriber describer(4);
  CHECK(Described(kSource, &describer) == R"("type": "source", "source": "#0", "position": 7)");
  CHECK(Described(kState, &describer) ==
        R"("type": "state", "next": 5, "readers": [{"reader": "a", "number": 3}, )"
        R"({"reader": "b", "number": 4}], "sources": [{"source": "u", "position": 9}])");
  CHECK(Described(kDone, &describer) == R"("type": "done", "reader": "b", "number": 300)");
  CHECK(Described(kSource, &describer) == R"("type": "source", "source": "u", "position": 7)");
  CHECK(Described(std::string("\1\0\2ab\1c\2de", 10), &describer) ==
        R"("type": "run", "first": 0, "messages": 3, "bytes": 5, "bodies": ["ab", "c"])");
  CHECK(Described(kRun, &describer).ends_with(R"("bodies_base64": ["b25l", ""])"));
  CHECK(Described("\x09", &describer).starts_with(R"("type": "unknown", "why": "record: type 9)"));
}

TEST_CASE("spool record: the summary tells what each reader has still to get") {
  SpoolRecordSummary summary;
  std::string state;
  EncodeSpoolState(&state, 300, {{"GET http://d/?x", 290}, {"POST http://e/", 300}},
                   {{"http://source/sub?token", 9}});
  std::string done;
  EncodeSpoolDone(&done, 0, 302);
  for (const std::string& record : {state, kRun, done, kSource}) {
    REQUIRE(summary.Visit(record).ok());
  }
  CHECK(summary.Types() == "  run       1\n  done      1\n  source    1\n  state     1\n");
  CHECK(summary.Table() ==
        "3 messages are there, 5 bytes: number 300 to before 303\n"
        "   done before     to deliver  reader\n"
        "           302              1  GET http://d/\n"
        "           300              3  POST http://e/\n"
        "      position                 source\n"
        "             7                 http://source/sub\n");
  CHECK(summary.Visit("?").code() == StatusCode::kCorrupt);
}

TEST_CASE("spool restorer: records that do not follow from those before are corrupt") {
  RestoredSpool restored;
  SpoolRestorer restorer(&restored);
  CHECK(restorer.Visit(kRun, At(1)).code() == StatusCode::kCorrupt);
  CHECK(restorer.Visit(kSource, At(1)).code() == StatusCode::kCorrupt);
  std::string state;
  EncodeSpoolState(&state, 300, {{"a", 10}}, {});
  REQUIRE(restorer.Visit(state, At(1)).ok());
  CHECK(restorer.Visit(kDone, At(2)).code() == StatusCode::kCorrupt);
  REQUIRE(restorer.Visit(kRun, At(2)).ok());
  CHECK(restorer.Visit(kRun, At(3)).code() == StatusCode::kCorrupt);
  CHECK(restorer.Visit(state, At(3)).code() == StatusCode::kCorrupt);
  CHECK(restored.first == 300);
  CHECK(restored.next == 303);
}

TEST_CASE("spool restorer: nobody is done with a message that is yet to come") {
  RestoredSpool restored;
  SpoolRestorer restorer(&restored);
  std::string record;
  EncodeSpoolState(&record, 300, {{"a", 400}}, {});
  REQUIRE(restorer.Visit(record, At(1)).ok());
  record.clear();
  EncodeSpoolDone(&record, 0, 301);
  REQUIRE(restorer.Visit(record, At(2)).ok());
  REQUIRE(restorer.Visit(kRun, At(3)).ok());
  CHECK(restored.readers == std::vector<NamedNumber>{{"a", 300}});
}
