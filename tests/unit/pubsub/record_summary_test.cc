#include "pubsub/record_summary.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <random>
#include <set>
#include <string>
#include <vector>

using namespace rivulet;

namespace {

std::string TopicNamed(std::uint32_t number, std::uint64_t next_offset, std::string_view name) {
  std::string record;
  EncodeTopic(&record, number, next_offset, name);
  return record;
}

std::string Run(std::uint32_t topic, std::uint64_t first_offset,
                const std::vector<std::string>& bodies) {
  std::string messages;
  for (const std::string& body : bodies) AppendMessage(&messages, body);
  std::string record;
  EncodeRunHead(&record, {topic, first_offset, first_offset + 1000, WallTime(), messages});
  return record + messages;
}

/// The words of the table's line of that topic.
std::vector<std::string> RowOf(const std::string& table, const std::string& topic) {
  const std::size_t at = table.find("\n" + topic + " ");
  REQUIRE(at != std::string::npos);
  std::vector<std::string> words;
  std::string line = table.substr(at + 1, table.find('\n', at + 1) - at - 1);
  for (std::size_t from = 0; from < line.size();) {
    const std::size_t begin = line.find_first_not_of(' ', from);
    if (begin == std::string::npos) break;
    from = std::min(line.find(' ', begin), line.size());
    words.push_back(line.substr(begin, from - begin));
  }
  return words;
}

using Row = std::vector<std::string>;

}  // namespace

TEST_CASE("record summary: each topic's messages, bytes, offsets and keys, and records by type") {
  TopicRecordSummary summary;
  std::string sequence;
  EncodeSequence(&sequence, 7, WallTime());
  std::string key;
  EncodePublishKey(&key, 1, {}, "k");
  for (const std::string& record :
       {sequence, TopicNamed(1, 5, "clicks"), TopicNamed(2, 9, "quiet"),
        Run(1, 5, {"abc", "", "de"}), Run(1, 8, {"f"}), Run(3, 0, {"nameless"}), key}) {
    REQUIRE(summary.Visit(record).ok());
  }
  CHECK(summary.Types() == "  topic     2\n  messages  3\n  key       1\n  sequence  1\n");
  const std::string table = summary.Table();
  CHECK(RowOf(table, "clicks") == Row{"clicks", "4", "6", "5", "9", "1"});
  CHECK(RowOf(table, "quiet") == Row{"quiet", "0", "0", "9", "9", "0"});
  CHECK(RowOf(table, "#3") == Row{"#3", "1", "8", "0", "1", "0"});
}

TEST_CASE("record summary: a message that is told twice counts once") {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    TopicRecordSummary summary;
    REQUIRE(summary.Visit(TopicNamed(1, 0, "t")).ok());
    std::set<std::uint64_t> offsets;
    for (int i = 0; i < 40; ++i) {
      const std::uint64_t first = random() % 60;
      const std::uint64_t count = 1 + random() % 6;
      std::vector<std::string> bodies(count, "xy");
      for (std::uint64_t n = 0; n < count; ++n) offsets.insert(first + n);
      REQUIRE(summary.Visit(Run(1, first, bodies)).ok());
    }
    const auto number = [](std::uint64_t n) { return std::to_string(n); };
    CHECK(RowOf(summary.Table(), "t") == Row{"t", number(offsets.size()),
                                             number(2 * offsets.size()), number(*offsets.begin()),
                                             number(*offsets.rbegin() + 1), "0"});
  }
}

TEST_CASE("record summary: bytes that are no record are told as damage") {
  TopicRecordSummary summary;
  CHECK(summary.Visit("").code() == StatusCode::kCorrupt);
  CHECK(summary.Visit("\x7f").code() == StatusCode::kCorrupt);
}
