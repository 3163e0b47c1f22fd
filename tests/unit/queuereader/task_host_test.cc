#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <string>
#include <vector>

#include "queuereader/json_message.h"
#include "queuereader/task_host_frames.h"
#include "queuereader/task_host_summary.h"
#include "store/memory_store.h"

namespace rivulet {
namespace {

using Took = ChildDialect::Took;

std::string Frame(const std::string& content) {
  return std::to_string(content.size()) + "\n" + content + "\n";
}

class NoContext final : public Context {
 public:
  void Emit(std::string_view, std::string_view) override {}
  void Count(std::string_view, std::uint64_t) override {}
  Store& store() override { return memory; }
  WallTime now() const override { return {}; }
  void Log(std::string_view line) override { logged += line; }
  MemoryStore memory;
  std::string logged;
};

struct Host {
  /// A message as it is sent, and its number.
  std::string Send(const std::string& text, const std::string& id = "id") {
    texts.push_back(text);
    texts.push_back(id);
    JsonMessage& message = messages.emplace_back();
    message.Bind({texts[texts.size() - 2], nullptr, 2, WallTime(Duration(5)), texts.back()});
    std::string out;
    dialect.AppendMessage(&out, message);
    return out;
  }
  Took Take(const std::string& said) {
    rest = said;
    reply.clear();
    why.clear();
    return dialect.Take(&rest, context, &answer, &reply, &why);
  }
  HostDialect dialect{{"alerts"}};
  NoContext context;
  std::deque<std::string> texts;
  std::deque<JsonMessage> messages;
  ChildAnswer answer;
  std::string_view rest;
  std::string reply;
  std::string why;
};

TEST_CASE("task host: a frame is taken when it is whole, and what is none is refused") {
  struct Row {
    std::string bytes;
    HostTook took;
  };
  for (const Row& row :
       {Row{"", HostTook::kNothing}, Row{"1", HostTook::kNothing}, Row{"3\n", HostTook::kNothing},
        Row{"3\nKab", HostTook::kNothing}, Row{"3\nKab\n", HostTook::kFrame},
        Row{"3\nKab\n1\nS\n", HostTook::kFrame}, Row{"3\nKabc", HostTook::kBroken},
        Row{"0\n\n", HostTook::kBroken}, Row{"\n", HostTook::kBroken}, Row{"x", HostTook::kBroken},
        Row{"-1\n", HostTook::kBroken}, Row{"12345678901", HostTook::kBroken},
        Row{"9999999999\n", HostTook::kBroken}, Row{"3 \nKab\n", HostTook::kBroken}}) {
    CAPTURE(row.bytes);
    std::string_view rest = row.bytes;
    HostFrame frame;
    std::string why;
    CHECK(TakeHostFrame(&rest, &frame, &why) == row.took);
    CHECK(why.empty() == (row.took != HostTook::kBroken));
    if (row.took == HostTook::kFrame) {
      CHECK(frame.letter == 'K');
      CHECK(frame.body == "ab");
      CHECK(rest == row.bytes.substr(6));
    } else {
      CHECK(rest == row.bytes);
    }
  }
}

TEST_CASE("task host: a message is sent whole, with its number") {
  Host host;
  CHECK(host.Send("{\"a\":\n1}") == Frame("M1 2 5 id\n{\"a\":\n1}"));
  CHECK(host.Send("2", "") == Frame("M2 2 5 \n2"));
  const auto read = ReadHostMessage("7 2 -5 q/1 9\n{\"a\":\n1}");
  REQUIRE(read);
  CHECK(read->number == 7);
  CHECK(read->tries == 2);
  CHECK(read->started == WallTime(Duration(-5)));
  CHECK(read->id == "q/1 9");
  CHECK(read->data == "{\"a\":\n1}");
  for (const char* wrong :
       {"", "7", "7 2", "x 2 5 id\n1", "-1 2 5 id\n1", "7 9999999999 5 id\n1"}) {
    CHECK_FALSE(ReadHostMessage(wrong));
  }
}

TEST_CASE("task host: an answer is taken with what was emitted and counted before it") {
  Host host;
  host.Send("1");
  CHECK(host.Take(Frame("Ealerts\na\nb")) == Took::kOther);
  CHECK(host.Take(Frame("C12 seen")) == Took::kOther);
  CHECK(host.Take(Frame("Lhello")) == Took::kOther);
  CHECK(host.context.logged == "hello");
  CHECK(host.Take(Frame("O1 fwhy not")) == Took::kAnswer);
  CHECK(host.rest.empty());
  CHECK(host.answer.outcome.kind() == Outcome::Kind::kFailed);
  CHECK(host.answer.outcome.why() == "why not");
  CHECK(host.answer.emissions == decltype(host.answer.emissions){{"alerts", "a\nb"}});
  CHECK(host.answer.counters == decltype(host.answer.counters){{"seen", 12}});
  host.Send("2");
  CHECK(host.Take(Frame("O2 d")) == Took::kAnswer);
  CHECK(host.answer.emissions.empty());
}

TEST_CASE("task host: what a child says wrong breaks it, whatever it is") {
  for (const std::string& wrong :
       {Frame("O1 z"), Frame("O1"), Frame("O"), Frame("O2 d"), Frame("O0 d"), Frame("Ox d"),
        Frame("Enone\nx"), Frame("C"), Frame("C1"), Frame("Cx y"), Frame("C-1 y"), Frame("G"),
        Frame("Gkey"), Frame("A3\nkey\n"), Frame("A3\nkey\nx"), Frame("Z"), Frame("S"),
        std::string("{\"ok\":true}\n")}) {
    Host host;
    host.Send("1");
    CAPTURE(wrong);
    CHECK(host.Take(wrong) == Took::kBroken);
    CHECK_FALSE(host.why.empty());
  }
}

TEST_CASE("task host: what is asked of the store is answered") {
  Host host;
  host.Send("1");
  auto ask = [&](const std::string& request) {
    CHECK(host.Take(Frame(request)) == Took::kOther);
    return host.reply;
  };
  CHECK(ask("G1\nk\n") == Frame("RN"));
  CHECK(ask("P1\nk\nv\n") == Frame("RN"));
  CHECK(ask("G1\nk\n") == Frame("RVv\n"));
  CHECK(ask("A1\nn\n-5") == Frame("RV-5"));
  CHECK(ask("D1\nk\n") == Frame("RN"));
  CHECK(ask("G1\nk\n") == Frame("RN"));
  ask("P1\nt\ntext");
  const std::string refused = ask("A1\nt\n1");
  std::string_view rest = refused;
  HostFrame frame;
  std::string why;
  REQUIRE(TakeHostFrame(&rest, &frame, &why) == HostTook::kFrame);
  const StoreReply reply = ReadStoreReply(frame.body);
  CHECK(reply.status().code() == StatusCode::kInvalidArgument);
  CHECK(reply.status().message() == host.context.memory.Increment("t", 1).status().message());
  CHECK(ReadStoreReply("Q").status().code() == StatusCode::kCorrupt);
  CHECK(ReadStoreReply("X99 what").status().code() == StatusCode::kCorrupt);
}

TEST_CASE("task host: messages are remembered from the first that left a state") {
  Host host;
  host.Send("1");
  host.Send("2");
  host.Send("3");
  CHECK(host.Take(Frame("O1 d")) == Took::kAnswer);
  CHECK(host.dialect.log().empty());
  CHECK_FALSE(host.dialect.has_state());
  CHECK(host.Take(Frame("P1\nk\nv")) == Took::kOther);
  CHECK(host.Take(Frame("H")) == Took::kOther);
  CHECK(host.Take(Frame("O2 fno")) == Took::kAnswer);
  CHECK(host.dialect.has_state());
  REQUIRE(host.dialect.log().size() == 1);
  CHECK(host.dialect.log()[0].message == Frame("M0 2 5 id\n2"));
  CHECK(host.dialect.log()[0].replies == Frame("RN"));
  // The third ended its child; the one that answers next was sent again.
  host.dialect.Restarted();
  host.Send("4");
  CHECK(host.Take(Frame("O4 d")) == Took::kAnswer);
  REQUIRE(host.dialect.log().size() == 2);
  CHECK(host.dialect.log()[1].message == Frame("M0 2 5 id\n4"));
  CHECK(host.dialect.log_bytes() == host.dialect.log()[0].message.size() +
                                        host.dialect.log()[1].message.size() + Frame("RN").size());
  host.dialect.ForgetLog();
  CHECK(host.dialect.log_bytes() == 0);
}

TEST_CASE("task host: what a child says of its task is read, or refused") {
  const auto ready = ReadHostReady(R"({"batch":10,"state":true,"views":["svg","html"]})");
  REQUIRE(ready.ok());
  CHECK(ready->batch == 10);
  CHECK(ready->has_state);
  CHECK(ready->views == std::vector<std::string>{"svg", "html"});
  CHECK(WriteHostReady(*ready) == R"({"batch":10,"state":true,"views":["svg","html"]})");
  for (const char* wrong :
       {"", "[]", "{}", R"({"batch":0,"state":true,"views":[]})",
        R"({"batch":-1,"state":true,"views":[]})", R"({"batch":1,"state":1,"views":[]})",
        R"({"batch":1,"state":true,"views":[1]})", R"({"batch":1,"state":true,"views":{}})"}) {
    CHECK_FALSE(ReadHostReady(wrong).ok());
  }
}

/// Writes down what it is told.
class Transcript final : public Summary {
 public:
  void Count(std::string_view name, std::uint64_t value) override {
    text += std::string(name) + "=" + std::to_string(value) + ";";
  }
  void Number(std::string_view name, double value) override {
    text += std::string(name) + "~" + (std::isnan(value) ? "nan" : std::to_string(value)) + ";";
  }
  void Text(std::string_view name, std::string_view value) override {
    text += std::string(name) + ":" + std::string(value) + ";";
  }
  void Table(std::string_view name, std::vector<std::string> columns) override {
    text += "table " + std::string(name);
    for (const std::string& column : columns) text += "|" + column;
    text += ";";
  }
  void Row(std::vector<Cell> cells) override {
    for (const Cell& cell : cells) {
      if (cell.kind == Cell::Kind::kText) text += "|" + cell.text;
      if (cell.kind == Cell::Kind::kCount) text += "|=" + std::to_string(cell.count);
      if (cell.kind == Cell::Kind::kNumber) text += "|~" + std::to_string(cell.number);
    }
    text += ";";
  }
  std::string text;
};

void Tell(Summary& summary) {
  summary.Count("n", 18446744073709551615U);
  summary.Number("x", -0.5);
  summary.Number("whole", 3);
  summary.Number("none", std::nan(""));
  summary.Text("t\n", "a\"b");
  summary.Table("top", {"name", "count", "share"});
  summary.Row({"é", std::uint64_t{7}, 1.0});
  summary.Row({});
}

TEST_CASE("task host: a summary comes out as it went in") {
  Transcript expected;
  Tell(expected);
  HostSummaryWriter writer;
  Tell(writer);
  Transcript read;
  REQUIRE(ReadHostSummary(writer.Finish(), read).ok());
  CHECK(read.text == expected.text);
  CHECK(HostSummaryWriter().Finish() == "[]");
}

TEST_CASE("task host: a summary that is none is refused") {
  for (const char* wrong :
       {"", "{}", "[1]", "[[]]", R"([["count","n"]])", R"([["count","n",-1]])",
        R"([["count",1,1]])", R"([["text","t",1]])", R"([["table"]])", R"([["table","t",1]])",
        R"([["row",{}]])", R"([["row",-1]])", R"([["what","n",1]])", R"([["number","n","x"]])"}) {
    CAPTURE(wrong);
    Transcript transcript;
    CHECK_FALSE(ReadHostSummary(wrong, transcript).ok());
  }
}

}  // namespace
}  // namespace rivulet
