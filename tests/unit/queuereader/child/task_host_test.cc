#include <doctest/doctest.h>

#include <cmath>
#include <deque>
#include <string>
#include <vector>

#include "queuereader/child/store_frames.h"
#include "queuereader/child/task_host_frames.h"
#include "queuereader/child/task_host_summary.h"
#include "queuereader/json_message.h"
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
  for (const std::string& wrong : {Frame("O1 z"),
                                   Frame("O1"),
                                   Frame("O"),
                                   Frame("O2 d"),
                                   Frame("O0 d"),
                                   Frame("Ox d"),
                                   Frame("Enone\nx"),
                                   Frame("C"),
                                   Frame("C1"),
                                   Frame("Cx y"),
                                   Frame("C-1 y"),
                                   Frame("B"),
                                   Frame("Bx \n"),
                                   Frame("Ba \nno command"),
                                   Frame("Bp x\n"),
                                   Frame("Q"),
                                   Frame("Qz 1\n"),
                                   Frame("Qs \n"),
                                   Frame("Z"),
                                   Frame("S"),
                                   std::string("{\"ok\":true}\n")}) {
    Host host;
    host.Send("1");
    CAPTURE(wrong);
    CHECK(host.Take(wrong) == Took::kBroken);
    CHECK_FALSE(host.why.empty());
  }
}

TEST_CASE("task host: what is asked of the store is answered, as the store answers itself") {
  Host host;
  host.Send("1");
  const auto body_of = [&](const std::string& request) {
    CHECK(host.Take(request) == Took::kOther);
    std::string_view rest = host.reply;
    HostFrame frame;
    std::string why;
    REQUIRE(TakeHostFrame(&rest, &frame, &why) == HostTook::kFrame);
    CHECK(frame.letter == 'R');
    return std::string(frame.body);
  };
  StoreBatch batch(StoreBatch::Mode::kAtomic);
  batch.Once("scope", "id-7");
  batch.Set("k", std::string("v\0\n", 3));
  batch.Get("k");
  batch.Get("absent");
  batch.Increment("n", -5);
  batch.SortedAdd("s", "member", 0.1);
  batch.SortedTop("s", -1);
  batch.HashSet("h", "field", "text");
  batch.HashAll("h");
  std::string request;
  AppendStoreBatch(&request, batch);
  const auto replies = ReadStoreReplies(body_of(request));
  REQUIRE(replies.ok());
  REQUIRE(replies->size() == batch.size());
  using Kind = StoreReply::Kind;
  CHECK((*replies)[0].whole == 1);
  CHECK((*replies)[2].kind == Kind::kText);
  CHECK((*replies)[2].text == std::string("v\0\n", 3));
  CHECK((*replies)[3].kind == Kind::kNothing);
  CHECK((*replies)[4].whole == -5);
  CHECK((*replies)[5].number == 0.1);
  REQUIRE((*replies)[6].items.size() == 1);
  CHECK((*replies)[6].items[0].name == "member");
  CHECK((*replies)[6].items[0].number == 0.1);
  REQUIRE((*replies)[8].items.size() == 1);
  CHECK((*replies)[8].items[0].text == "text");
  // The second time: what the id guards is skipped.
  const auto again = ReadStoreReplies(body_of(request));
  REQUIRE(again.ok());
  CHECK((*again)[0].whole == 0);
  CHECK((*again)[4].kind == Kind::kSkipped);

  request.clear();
  AppendStoreKeys(&request, "", StoreKind::kSorted, 10);
  const auto keys = ReadStoreKeys(body_of(request));
  REQUIRE(keys.ok());
  CHECK(*keys == std::vector<std::string>{"s"});

  StoreBatch wrong;
  wrong.Increment("k", 1);
  request.clear();
  AppendStoreBatch(&request, wrong);
  const auto refused = ReadStoreReplies(body_of(request));
  REQUIRE(refused.ok());
  CHECK(refused->front().status.code() == StatusCode::kInvalidArgument);
  CHECK(refused->front().status.message() ==
        host.context.memory.Increment("k", 1).status().message());
}

TEST_CASE("task host: broken answers of a store are errors") {
  for (const std::string body : {"", "Q", "V", "V12345678", "X99 what"}) {
    CAPTURE(body);
    CHECK(ReadStoreReplies(body).status().code() == StatusCode::kCorrupt);
  }
  const std::string refusal =
      RefuseStoreRequest(Status(StatusCode::kUnknownOutcome, "lost before it answered"));
  std::string_view rest = refusal;
  HostFrame frame;
  std::string why;
  REQUIRE(TakeHostFrame(&rest, &frame, &why) == HostTook::kFrame);
  CHECK(ReadStoreReplies(frame.body).status().code() == StatusCode::kUnknownOutcome);
  CHECK(ReadStoreKeys(frame.body).status().message() == "lost before it answered");
}

TEST_CASE("task host: messages are remembered from the first that left a state") {
  Host host;
  host.Send("1");
  host.Send("2");
  host.Send("3");
  CHECK(host.Take(Frame("O1 d")) == Took::kAnswer);
  CHECK(host.dialect.log().empty());
  CHECK_FALSE(host.dialect.has_state());
  StoreBatch asked;
  asked.Set("k", "v");
  std::string request;
  AppendStoreBatch(&request, asked);
  CHECK(host.Take(request) == Took::kOther);
  const std::string answered = host.reply;
  CHECK(host.Take(Frame("H")) == Took::kOther);
  CHECK(host.Take(Frame("O2 fno")) == Took::kAnswer);
  CHECK(host.dialect.has_state());
  REQUIRE(host.dialect.log().size() == 1);
  CHECK(host.dialect.log()[0].message == Frame("M0 2 5 id\n2"));
  CHECK(host.dialect.log()[0].replies == answered);
  // The third ended its child; the one that answers next was sent again.
  host.dialect.Restarted();
  host.Send("4");
  CHECK(host.Take(Frame("O4 d")) == Took::kAnswer);
  REQUIRE(host.dialect.log().size() == 2);
  CHECK(host.dialect.log()[1].message == Frame("M0 2 5 id\n4"));
  CHECK(host.dialect.log_bytes() == host.dialect.log()[0].message.size() +
                                        host.dialect.log()[1].message.size() + answered.size());
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
