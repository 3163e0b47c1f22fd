#include <unistd.h>

#include "tests/unit/queuereader/source/file_source_support.h"

using namespace std::chrono_literals;
using rivulet::Batch;
using rivulet::Fate;
using rivulet::Status;
using rivulet::test::FileSourceFixture;
using rivulet::test::Strings;

TEST_CASE("file source: what is requeued comes after the end, marked as such, at its old place") {
  FileSourceFixture f;
  f.Open({f.Write("a", "1\n2\n")});
  f.Fetch();
  auto first = f.batch.messages.at(0);
  f.Settle(first, Fate::kRequeue, "again");
  f.Settle(f.batch.messages.at(1), Fate::kFinish);
  CHECK(f.source->unsettled() == 2);
  CHECK(f.settled.empty());  // never inside a verb
  f.Fetch();
  CHECK(f.settled == std::vector<std::uint64_t>{2, 4});
  CHECK(f.source->unsettled() == 0);
  CHECK(f.Bodies() == Strings{"again"});
  CHECK(f.batch.messages[0].requeued);
  CHECK(f.batch.messages[0].place == first.place);
  auto again = f.batch.messages[0];
  f.Fetch();
  CHECK(f.batch.state == Batch::State::kEnded);
  f.Settle(again, Fate::kRequeue, "late");
  CHECK(f.All() == Strings{"late"});
}

TEST_CASE("file source: a delay is waited for by the clock once nothing else is there") {
  FileSourceFixture f;
  f.Open({f.Write("a", "1\n2\n")});
  f.Fetch();
  f.Settle(f.batch.messages.at(0), Fate::kRequeue, "slow", 2ms);
  f.Settle(f.batch.messages.at(1), Fate::kRequeue, "soon", 1ms);
  f.answered = false;
  f.source->Fetch();
  for (int i = 0; i < 3; ++i) f.loop.RunOnce(2ms);
  CHECK_FALSE(f.answered);
  f.clock.Advance(1ms);
  for (int i = 0; i < 1000 && !f.answered; ++i) f.loop.RunOnce(10ms);
  CHECK(f.Bodies() == Strings{"soon"});
  f.clock.Advance(1ms);
  CHECK(f.All() == Strings{"slow"});
}

TEST_CASE("file source: very many requeued messages come before the rest of the input") {
  FileSourceFixture f;
  std::string lines;
  for (int i = 0; i < 10'001; ++i) lines += "1\n";
  f.Open({f.Write("a", lines)});
  f.Fetch();
  REQUIRE(f.batch.messages.size() == 10'000);
  for (const auto& message : f.batch.messages) f.Settle(message, Fate::kRequeue, "again");
  f.Fetch();
  CHECK(f.batch.messages.at(0).requeued);
}

TEST_CASE("file source: what was requeued can be taken back") {
  FileSourceFixture f;
  f.Open({f.Write("a", "1\n")});
  f.Fetch();
  f.Settle(f.batch.messages.at(0), Fate::kRequeue, "x");
  CHECK(f.source->Abandon() == Strings{"x"});
  CHECK(f.source->unsettled() == 0);
  CHECK(f.All().empty());
}

TEST_CASE("file source: reading goes on with what was not settled, and with nothing else") {
  FileSourceFixture f;
  const std::string a = f.Write("a", "1\n2\n3\n4\n5\n");
  const std::string b = f.Write("b", "6\n");
  f.Open({a, b});
  f.Fetch();
  auto lines = f.batch.messages;
  f.Settle(lines.at(0), Fate::kFinish);
  f.Settle(lines.at(2), Fate::kFinish);
  const std::string hole = f.source->Save();
  f.Settle(lines.at(1), Fate::kBury);
  f.Settle(lines.at(3), Fate::kReturn);
  f.Settle(lines.at(4), Fate::kFinish);
  const std::string saved = f.source->Save();
  f.Reopen({a, b}, hole);
  f.Fetch();
  CHECK(f.Bodies() == Strings{"2", "4", "5"});
  f.Settle(f.batch.messages[2], Fate::kFinish);
  f.Reopen({a, b}, f.source->Save());
  CHECK(f.All() == Strings{"2", "4", "6"});
  f.Reopen({a, b}, saved);
  CHECK(f.All() == Strings{"4", "6"});
  CHECK(f.batch.state == Batch::State::kEnded);
  // At the end, and a file that was appended to since.
  const std::string ended = f.source->Save();
  f.Reopen({a, b}, ended);
  CHECK(f.All().empty());
  f.Write("b", "6\n7\n");
  f.Reopen({a, b}, ended);
  CHECK(f.All() == Strings{"7"});
}

TEST_CASE("file source: a line that was overtaken by those of a later file is read again alone") {
  FileSourceFixture f;
  const std::string a = f.Write("a", "\n1\n22\n\n3\r\n");
  const Strings all{a, f.Write("b", "4\n5"), f.Write("c", "6\n7\n")};
  f.Open(all);
  std::vector<rivulet::Delivery> lines;
  for (f.Fetch(); f.batch.state == Batch::State::kMessages; f.Fetch()) {
    lines.insert(lines.end(), f.batch.messages.begin(), f.batch.messages.end());
  }
  REQUIRE(lines.size() == 7);
  for (std::size_t settled : {0u, 2u, 3u, 5u}) f.Settle(lines[settled], Fate::kFinish);
  const std::string saved = f.source->Save();
  f.Reopen(all, saved);
  CHECK(f.All() == Strings{"22", "5", "7"});
  f.Write("a", "other\n");
  f.Open(all);
  const Status status = f.source->Load(saved);
  CHECK(status.message().find(a + " is another file, and some lines") == 0);
}

TEST_CASE("file source: what is to be tried again is saved, in hand or not, with its due time") {
  FileSourceFixture f;
  const std::string a = f.Write("a", "1\n2\n3\n4\n");
  f.Open({a});
  f.Fetch();
  auto lines = f.batch.messages;
  f.Settle(lines.at(0), Fate::kRequeue, "one");
  f.Settle(lines.at(1), Fate::kRequeue, "two", 10s);
  f.Settle(lines.at(2), Fate::kFinish);
  f.Settle(lines.at(3), Fate::kRequeue, "four");
  f.Fetch();
  REQUIRE(f.Bodies() == Strings{"one", "four"});  // in hand now
  f.Settle(f.batch.messages[1], Fate::kFinish);
  const std::string saved = f.source->Save();
  f.clock.Advance(4s);
  f.Reopen({a}, saved);
  f.Fetch();
  CHECK(f.Bodies() == Strings{"one"});
  f.Settle(f.batch.messages[0], Fate::kReturn);
  f.Fetch();
  CHECK(f.Bodies() == Strings{"one"});
  f.Settle(f.batch.messages[0], Fate::kFinish);
  f.answered = false;
  f.source->Fetch();
  f.Turn();
  CHECK_FALSE(f.answered);
  f.source->CancelFetch();
  f.clock.Advance(6s);
  CHECK(f.All() == Strings{"two"});
}

TEST_CASE("file source: another file of that name is read from its beginning") {
  FileSourceFixture f;
  const std::string a = f.Write("a", "1\n2\n3\n");
  f.Open({a});
  f.Fetch();
  f.Settle(f.batch.messages.at(0), Fate::kRequeue, "retry");
  const std::string saved = f.source->Save();
  f.Write("a", "7\n8\n9\n");
  f.Reopen({a}, saved);
  CHECK(f.All() == Strings{"7", "8", "9", "retry"});
  const std::string b = f.Write("b", "x\n");
  f.Reopen({b}, saved);
  CHECK(f.All() == Strings{"x", "retry"});
}

TEST_CASE("file source: a file that has become shorter, or another order, refuses the start") {
  FileSourceFixture f;
  const std::string a = f.Write("a", std::string(2000, 'x') + "\n2\n3\n");
  f.Open({a});
  CHECK(f.All().size() == 3);
  const std::string saved = f.source->Save();
  f.Write("a", std::string(2000, 'x') + "\n2\n");
  f.Open({a});
  Status status = f.source->Load(saved);
  REQUIRE_FALSE(status.ok());
  CHECK(status.message().find(a + " has 2003 bytes, had 2005, and was read up to byte 2005") == 0);
  f.Open({f.Write("b", ""), a});
  status = f.source->Load(saved);
  CHECK(status.message().find(a + " was file 1 of those that were read, and is file 2 now") == 0);
}

TEST_CASE("file source: no piece of what was saved is taken for the whole") {
  FileSourceFixture f;
  const std::string a = f.Write("a", "1\n2\n3\n");
  f.Open({a});
  f.Fetch();
  f.Settle(f.batch.messages.at(0), Fate::kRequeue, "retry");
  const std::string saved = f.source->Save();
  for (std::size_t size = 0; size < saved.size(); ++size) {
    f.Open({a});
    CHECK_FALSE(f.source->Load(saved.substr(0, size)).ok());
  }
  f.Open({a});
  CHECK_FALSE(f.source->Load(saved + "x").ok());
}

TEST_CASE("file source: retries of a pipe do not wait for its end for ever") {
  FileSourceFixture f;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  f.Open({"/dev/fd/" + std::to_string(ends[0])});
  REQUIRE(write(ends[1], "1\n", 2) == 2);
  f.Fetch();
  f.Settle(f.batch.messages.at(0), Fate::kRequeue, "again");
  f.Fetch();  // after a while without input
  CHECK(f.Bodies() == Strings{"again"});
  close(ends[1]);
  close(ends[0]);
}
