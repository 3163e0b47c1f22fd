#include "ps_to_file/gatherer.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace rivulet {
namespace {

FileNameFormat FormatOf(std::string_view text) {
  auto format = FileNameFormat::Parse(text, "");
  REQUIRE(format.ok());
  return std::move(format).value();
}

/// What a writer would have on its disk.
struct WrittenFiles {
  struct File {
    std::string base;
    std::string content;
    bool complete = false;
  };
  std::map<std::uint64_t, File> files;

  void Write(Gatherer* gatherer, WriteBatch batch) {
    for (const auto& begin : batch.begun) {
      CHECK_FALSE(files.contains(begin.part));
      files[begin.part].base = begin.base;
    }
    std::uint64_t bytes = 0;
    for (auto& chunk : batch.chunks) {
      auto& file = files.at(chunk.part);
      CHECK_FALSE(file.complete);
      chunk.begin_bytes = file.content.size();
      file.content += chunk.bytes;
      chunk.file_bytes = file.content.size();
      bytes += chunk.bytes.size();
    }
    CHECK(bytes == batch.bytes);
    for (const auto part : batch.complete) files.at(part).complete = true;
    gatherer->OnWritten(std::move(batch));
  }
  /// Base and content of each file, in the order in which they were begun for their base.
  std::map<std::string, std::vector<std::pair<std::string, bool>>> all() const {
    std::map<std::string, std::vector<std::pair<std::string, bool>>> out;
    for (const auto& [id, file] : files) out[file.base].emplace_back(file.content, file.complete);
    return out;
  }
};

TEST_CASE("gatherer: messages of one name are one file, a newline after each") {
  Gatherer gatherer(FormatOf("log"), {});
  WrittenFiles disk;
  gatherer.SetTime(0);
  gatherer.Append("one");
  gatherer.Append("");
  gatherer.Append(std::string_view("a\0b\r", 4));
  CHECK(gatherer.bytes() == 10);
  disk.Write(&gatherer, gatherer.TakeAll());
  CHECK(gatherer.bytes() == 0);
  gatherer.Append("two\nlines");
  CHECK(gatherer.newlines() == 1);
  disk.Write(&gatherer, gatherer.TakeAll());
  REQUIRE(disk.files.size() == 1);
  CHECK(disk.files.begin()->second.content == std::string("one\n\na\0b\r\ntwo\nlines\n", 20));
  CHECK_FALSE(disk.files.begin()->second.complete);
  CHECK(gatherer.TakeAll().chunks.empty());
}

TEST_CASE("gatherer: framed messages have their length before them") {
  Gatherer gatherer(FormatOf("log"), {.framed = true});
  gatherer.SetTime(0);
  gatherer.Append("two\nlines");
  gatherer.Append("");
  CHECK(gatherer.newlines() == 0);
  const auto batch = gatherer.TakeAll();
  REQUIRE(batch.chunks.size() == 1);
  CHECK(batch.chunks[0].bytes == "9\ntwo\nlines\n0\n\n");
  CHECK(batch.chunks[0].messages == 2);
}

TEST_CASE("gatherer: a file is complete when its time is over, also without a message") {
  Gatherer gatherer(FormatOf("%S"), {});
  WrittenFiles disk;
  gatherer.SetTime(7);
  gatherer.Append("a");
  disk.Write(&gatherer, gatherer.TakeAll());
  CHECK_FALSE(gatherer.has_complete());
  gatherer.SetTime(8);
  CHECK(gatherer.has_complete());
  gatherer.Append("b");
  disk.Write(&gatherer, gatherer.TakeFull());
  CHECK(disk.all() == decltype(disk.all()){{"07", {{"a\n", true}}}});
  disk.Write(&gatherer, gatherer.TakeAll());
  CHECK(disk.all().at("08") == std::vector<std::pair<std::string, bool>>{{"b\n", false}});
}

TEST_CASE("gatherer: what has reached a chunk is taken alone") {
  Gatherer gatherer(FormatOf("{p}"), {.chunk_bytes = 30});
  gatherer.SetTime(0);
  gatherer.Append(R"({"p":"small"})");
  gatherer.Append(R"({"p":"large"})");
  CHECK_FALSE(gatherer.has_full());
  gatherer.Append(R"({"p":"large","x":"123456"})");
  REQUIRE(gatherer.has_full());
  const auto batch = gatherer.TakeFull();
  REQUIRE(batch.begun.size() == 1);
  CHECK(batch.begun[0].base == "large");
  CHECK(batch.chunks.at(0).bytes == "{\"p\":\"large\"}\n{\"p\":\"large\",\"x\":\"123456\"}\n");
  CHECK(gatherer.bytes() == 14);
  CHECK_FALSE(gatherer.has_full());
  CHECK(gatherer.TakeAll().chunks.size() == 1);
}

TEST_CASE("gatherer: each compressed file is measured by how it compresses itself") {
  Gatherer gatherer(FormatOf("{p}"), {.max_file_bytes = 100, .compressed = true});
  gatherer.SetTime(0);
  const std::string text(26, 'x');
  const std::string dense = R"({"p":"d","t":")" + text + "\"}";  // 43 bytes
  const std::string random = R"({"p":"r","t":")" + text + "\"}";
  const auto write = [&] {
    auto batch = gatherer.TakeAll();
    for (auto& chunk : batch.chunks) {
      const bool is_dense = chunk.bytes.find("\"d\"") != std::string::npos;
      chunk.file_bytes = chunk.begin_bytes + (is_dense ? 1 : chunk.bytes.size());
    }
    gatherer.OnWritten(std::move(batch));
  };
  gatherer.Append(dense);
  gatherer.Append(random);
  write();
  for (int i = 0; i < 20; ++i) gatherer.Append(dense);
  CHECK_FALSE(gatherer.has_complete());
  // 43 bytes are in its file, and two more such do not fit.
  gatherer.Append(random);
  CHECK_FALSE(gatherer.has_complete());
  gatherer.Append(random);
  CHECK(gatherer.has_complete());
}

TEST_CASE("gatherer: many chunks of one file come in order, and their buffers serve again") {
  Gatherer gatherer(FormatOf("{p}-%S"), {.chunk_bytes = 30});
  WrittenFiles disk;
  std::map<std::string, std::string> expected;
  for (int i = 0; i < 60; ++i) {
    gatherer.SetTime(i / 20);
    for (const char* p : {"a", "b"}) {
      const std::string message =
          R"({"p":")" + std::string(p) + R"(","i":)" + std::to_string(i) + "}";
      gatherer.Append(message);
      expected[std::string(p) + "-0" + std::to_string(i / 20)] += message + "\n";
    }
    // Chunks of files that are complete by then are among them.
    if (i % 7 == 6) disk.Write(&gatherer, i % 2 == 0 ? gatherer.TakeFull() : gatherer.TakeAll());
  }
  gatherer.CompleteAll();
  disk.Write(&gatherer, gatherer.TakeFull());
  CHECK(gatherer.bytes() == 0);
  CHECK(disk.files.size() == expected.size());
  for (const auto& [id, file] : disk.files) {
    CHECK(file.content == expected.at(file.base));
    CHECK(file.complete);
  }
}

TEST_CASE("gatherer: a file that was adopted goes on, and is measured with what it had") {
  Gatherer gatherer(FormatOf("log"), {.max_file_bytes = 10});
  gatherer.SetTime(0);
  const auto part = gatherer.Adopt("log", 7);
  gatherer.Append("12");  // 7 + 3
  gatherer.Append("3");
  const auto batch = gatherer.TakeAll();
  CHECK(batch.complete == std::vector<std::uint64_t>{part});
  REQUIRE(batch.chunks.size() == 2);
  CHECK(batch.chunks[0].part == part);
  CHECK(batch.chunks[0].bytes == "12\n");
  CHECK(batch.begun.size() == 1);
  CHECK(batch.chunks[1].bytes == "3\n");
}

TEST_CASE("gatherer: compressed files are measured by what became of earlier bytes") {
  Gatherer gatherer(FormatOf("log"), {.max_file_bytes = 1000, .compressed = true});
  gatherer.SetTime(0);
  const std::string message(99, 'x');
  std::uint64_t before = 0;
  const auto write = [&](int messages, std::uint64_t file_bytes) {
    for (int i = 0; i < messages; ++i) gatherer.Append(message);
    auto batch = gatherer.TakeAll();
    const auto complete = batch.complete.size();
    for (auto& chunk : batch.chunks) {
      chunk.begin_bytes = std::exchange(before, file_bytes);
      chunk.file_bytes = file_bytes;
    }
    gatherer.OnWritten(std::move(batch));
    return complete;
  };
  // A tenth is left of them: 500 bytes after 5000, so that 5000 more fit.
  CHECK(write(30, 300) == 0);
  CHECK(write(20, 500) == 0);
  CHECK(write(50, 1000) == 0);
  CHECK(write(1, 10) == 1);
}

// The rules once more, without any of the lists that make them quick.
struct Model {
  std::uint64_t max_file_bytes;
  std::map<std::string, std::vector<std::pair<std::string, bool>>> files;

  void EndAll() {
    for (auto& [base, list] : files) list.back().second = true;
  }
  void Append(const std::string& base, const std::string& message) {
    auto& list = files[base];
    const std::string line = message + "\n";
    if (!list.empty() && list.back().first.size() + line.size() > max_file_bytes) {
      list.back().second = true;
    }
    if (list.empty() || list.back().second) list.emplace_back();
    list.back().first += line;
  }
};

TEST_CASE("gatherer: files are as a plain model says, however they are taken") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    const std::uint64_t max_file = 20 + below(200);
    Gatherer gatherer(FormatOf("%M/{p}"), {.max_file_bytes = max_file, .chunk_bytes = 50});
    WrittenFiles disk;
    Model model{max_file, {}};
    std::int64_t seconds = 0;
    gatherer.SetTime(seconds);
    for (int step = 0; step < 300; ++step) {
      const unsigned what = below(20);
      if (what == 0) {
        const std::int64_t later = seconds + below(40);
        gatherer.SetTime(later);
        if (later / 60 != seconds / 60) model.EndAll();
        seconds = later;
      } else if (what == 1) {
        gatherer.CompleteAll();
        model.EndAll();
      } else if (what == 2) {
        disk.Write(&gatherer, gatherer.TakeAll());
      } else if (what == 3) {
        disk.Write(&gatherer, gatherer.TakeFull());
      } else {
        const std::string p = std::to_string(below(4));
        const std::string message =
            R"({"p":")" + p + R"(","x":")" + std::string(below(60), 'x') + "\"}";
        gatherer.Append(message);
        const auto minute = std::to_string(100 + seconds / 60 % 60).substr(1);
        model.Append(minute + "/" + p, message);
      }
    }
    disk.Write(&gatherer, gatherer.TakeAll());
    CHECK(disk.all() == model.files);
  }
}

}  // namespace
}  // namespace rivulet
