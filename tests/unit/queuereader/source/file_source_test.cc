#include "queuereader/source/file_source.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/unit/queuereader/source/file_source_support.h"

using namespace std::chrono_literals;
using rivulet::Batch;
using rivulet::Fate;
using rivulet::OpenFileSource;
using rivulet::StatusCode;
using rivulet::test::FileSourceFixture;
using rivulet::test::Strings;

namespace {

std::string Gzip(const std::string& text) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  std::string out(text.size() + 1000, '\0');
  std::string in = text;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::string Zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 1));
  return out;
}

}  // namespace

TEST_CASE("file source: lines are messages; empty ones and carriage returns are not") {
  FileSourceFixture f;
  f.Open({f.Write("a", "1\n\n\r\n2\r\n3")});
  CHECK(f.All() == Strings{"1", "2", "3"});
  CHECK(f.batch.state == Batch::State::kEnded);
}

TEST_CASE("file source: files follow each other, and a line never spans two") {
  FileSourceFixture f;
  f.Open({f.Write("a", "1"), f.Write("b", ""), f.Write("c", "2\n3\n")});
  CHECK(f.All() == Strings{"1", "2", "3"});
}

TEST_CASE("file source: a message knows its file and the byte behind its line") {
  FileSourceFixture f;
  f.Open({f.Write("a", "1\n\n22\r\n"), f.Write("b", "333")});
  f.Fetch();
  REQUIRE(f.batch.messages.size() == 2);
  CHECK(f.batch.messages[0].place == 2);
  CHECK(f.batch.messages[1].place == 7);
  f.Fetch();
  CHECK(f.batch.messages.at(0).origin == 1);
  CHECK(f.batch.messages.at(0).place == 3);
  CHECK(f.source->origin_name(1) == (f.folder / "b").string());
  CHECK(f.source->origins() == 2);
}

TEST_CASE("file source: gzip, zstd and plain files give the same messages at the same places") {
  std::string text;
  for (int i = 0; i < 30'000; ++i) text += "{\"n\":" + std::to_string(i * i) + "}\n";
  Strings plain;
  std::vector<std::uint64_t> places;
  for (const std::string& content : {text, Gzip(text), Zstd(text)}) {
    FileSourceFixture f;
    f.Open({f.Write("a", content)});
    Strings all;
    std::vector<std::uint64_t> seen;
    for (f.Fetch(); f.batch.state == Batch::State::kMessages; f.Fetch()) {
      CHECK(f.batch.messages.size() <= 10'000);
      for (const auto& message : f.batch.messages) seen.push_back(message.place);
      for (auto& body : f.Bodies()) all.push_back(std::move(body));
    }
    if (plain.empty()) {
      plain = all;
      places = seen;
      CHECK(all.size() == 30'000);
      CHECK(all.back() == "{\"n\":899940001}");
    }
    CHECK(all == plain);
    CHECK(seen == places);
    CHECK(f.source->fraction() == 1);
  }
}

TEST_CASE("file source: lines longer than any block are whole, and so are those around them") {
  FileSourceFixture f;
  Strings expected;
  std::string content;
  for (std::size_t size : {1u, 262143u, 262144u, 262145u, 5u, 1000000u, 7u, 0x40000u - 8u, 3u}) {
    expected.emplace_back(size, static_cast<char>('a' + expected.size()));
    content += expected.back() + "\n";
  }
  f.Open({f.Write("a", content)});
  CHECK(f.All() == expected);
}

TEST_CASE("file source: what damage leaves whole is run before the source fails by name") {
  std::string text;
  for (int i = 0; i < 50'000; ++i) text += std::to_string(i * 7919) + "\n";
  const std::string whole = Gzip(text);
  FileSourceFixture f;
  f.Open({f.Write("a.gz", whole.substr(0, whole.size() / 2)), f.Write("b", "1\n")});
  std::vector<rivulet::Delivery> read;
  f.Fetch();
  for (; f.answered && f.batch.state == Batch::State::kMessages;) {
    for (const auto& message : f.batch.messages) read.push_back(message);
    f.answered = false;
    f.source->Fetch();
    f.Turn();
  }
  REQUIRE(read.size() > 10'000);
  CHECK_FALSE(f.answered);  // while what was read is in hand
  for (const auto& message : read) {
    if (&message == &read.front()) {
      f.Settle(message, Fate::kRequeue, "again");
    } else {
      f.Settle(message, Fate::kFinish);
    }
  }
  f.Turn();
  REQUIRE(f.answered);
  CHECK(f.Bodies() == Strings{"again"});
  f.Settle(f.batch.messages[0], Fate::kFinish);
  f.Fetch();
  REQUIRE(f.batch.state == Batch::State::kFailed);
  CHECK(f.batch.status.code() == StatusCode::kCorrupt);
  CHECK(f.batch.status.message().find("a.gz: gzip data ends too early, at byte") !=
        std::string::npos);
}

TEST_CASE("file source: a line longer than 64 MiB fails it, with the lines before it read") {
  FileSourceFixture f;
  const std::string path = f.Write("a", "1\n");
  REQUIRE(truncate(path.c_str(), (off_t{64} << 20) + 3) == 0);
  f.Open({path});
  CHECK(f.All() == Strings{"1"});
  REQUIRE(f.batch.state == Batch::State::kFailed);
  CHECK(f.batch.status.code() == StatusCode::kTooLarge);
  CHECK(f.batch.status.message().find("a: a line of 67108865 bytes") != std::string::npos);
}

TEST_CASE("file source: a file that is missing, or a folder, is refused at the start") {
  FileSourceFixture f;
  std::string good = f.Write("a", "1\n");
  std::string missing = (f.folder / "missing").string();
  auto opened = OpenFileSource(f.loop, f.clock, {good, missing});
  REQUIRE_FALSE(opened.ok());
  CHECK(opened.status().message().find(missing) != std::string::npos);
  CHECK_FALSE(OpenFileSource(f.loop, f.clock, {f.folder.string()}).ok());
}

TEST_CASE("file source: a pipe is waited for without blocking the loop") {
  FileSourceFixture f;
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  f.Open({"/dev/fd/" + std::to_string(ends[0])});
  CHECK(f.source->fraction() < 0);
  f.source->Fetch();
  f.Turn();
  CHECK_FALSE(f.answered);
  CHECK(f.source->CancelFetch());
  REQUIRE(write(ends[1], "1\n2", 3) == 3);
  f.Turn();
  CHECK_FALSE(f.answered);  // was given up
  f.Fetch();
  CHECK(f.Bodies() == Strings{"1"});
  REQUIRE(write(ends[1], "2\n", 2) == 2);
  close(ends[1]);
  CHECK(f.All() == Strings{"22"});
  close(ends[0]);
}

TEST_CASE("file source: it is drained at any time, and leases nothing") {
  FileSourceFixture f;
  f.Open({f.Write("a", "1\n")});
  bool drained = false;
  f.source->AskDrained([&](bool answer) { drained = answer; });
  CHECK_FALSE(drained);
  f.Turn();
  CHECK(drained);
  CHECK_FALSE(f.source->leases());
  CHECK_FALSE(f.source->keeps_requeued());
}

TEST_CASE("file source: a last line without a newline is left, and read when it is whole") {
  FileSourceFixture f;
  f.unfinished = rivulet::UnfinishedLine::kLeave;
  const Strings paths{f.Write("a", "1\n2"), f.Write("b", "3\n4\n{\"x\":1")};
  f.Open(paths);
  // The file before another will not be looked at again.
  CHECK(f.All() == Strings{"1", "2", "3", "4"});
  CHECK(f.batch.state == Batch::State::kEnded);
  std::string saved = f.source->Save();
  f.Reopen(paths, saved);
  CHECK(f.All() == Strings{});
  saved = f.source->Save();
  f.Write("b", "3\n4\n{\"x\":10}\n5\n");
  f.Reopen(paths, saved);
  CHECK(f.All() == Strings{"{\"x\":10}", "5"});
}

TEST_CASE("file source: what has no next run, or is written as a whole, is read to its last byte") {
  FileSourceFixture f;
  f.unfinished = rivulet::UnfinishedLine::kLeave;
  f.Open({f.Write("a", Gzip("1\n2"))});
  CHECK(f.All() == Strings{"1", "2"});
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  REQUIRE(write(ends[1], "1\n2", 3) == 3);
  close(ends[1]);
  f.Open({"/dev/fd/" + std::to_string(ends[0])});
  CHECK(f.All() == Strings{"1", "2"});
  close(ends[0]);
}

TEST_CASE("file source: the place of a reader of queues is refused, and says so") {
  FileSourceFixture f;
  f.Open({f.Write("a", "1\n")});
  const rivulet::Status status = f.source->Load("queues");
  CHECK(status.message().starts_with("it is of a reader of queues"));
}
