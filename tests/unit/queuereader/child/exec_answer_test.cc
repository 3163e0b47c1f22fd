#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "queuereader/child/exec_protocol.h"
#include "tests/unit/queuereader/child/child_support.h"

using namespace rivulet;
using Took = ChildDialect::Took;

namespace {

/// The outcome, then emissions and counters, or "refused".
std::string Parsed(std::string_view line) {
  const auto answer = ParseExecAnswer(line);
  if (!answer.ok()) return "refused";
  std::string all = Told(answer->outcome);
  for (const auto& [output, message] : answer->emissions) all += " | " + output + " " + message;
  for (const auto& [name, n] : answer->counters) all += " | " + name + "+" + std::to_string(n);
  return all;
}

}  // namespace

TEST_CASE("exec answer: what a program may say") {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"ok":true})", "done"},
      {R"({"ok": true})", "done"},
      {R"( { "ok" : true , "more" : [1] } )", "done"},
      {"{\"ok\":true}\r", "done"},
      {R"({"ok":false})", "failed: failed"},
      {R"({"ok":false,"error":"no \"db\""})", "failed: no \"db\""},
      {R"({"ok":false,"error":null})", "failed: failed"},
      {R"({"ok":false,"error":"busy","backoff":false})", "failed at full speed: busy"},
      {R"({"ok":false,"error":"busy","backoff":true})", "failed: busy"},
      {R"({"ok":false,"data":1})", "failed: failed"},
      {R"({"drop":true})", "drop"},
      {R"({"ok":true,"drop":true,"data":1})", "drop"},
      {R"({"ok":true,"drop":false})", "done"},
      {R"({"ok":true,"data":{"x" : 1}})", R"(data {"x" : 1})"},
      {R"({"data":null,"ok":true})", "data null"},
      {R"({"data":"}],\"","ok":true})", R"(data "}],\"")"},
      {R"({"ok":true,"emit":{"a":["x y",{"b":[1, 2]},null],"c":[]},"count":{"n":2,"m_1":0}})",
       R"(done | a x y | a {"b":[1, 2]} | a null | n+2 | m_1+0)"},
      {R"({"drop":true,"emit":{"a":["x"]}})", "drop | a x"},
  };
  for (const auto& row : cases) {
    const auto& line = row.first;
    const auto& expected = row.second;
    CAPTURE(line);
    CHECK(Parsed(line) == expected);
  }
}

TEST_CASE("exec answer: a number keeps its digits") {
  CHECK(Parsed(R"({"ok":true,"data":123456789012345678901234567890.10})") ==
        "data 123456789012345678901234567890.10");
  CHECK(Parsed(R"({"ok":true,"emit":{"a":[[ 18446744073709551617 ]]}})") ==
        "done | a [ 18446744073709551617 ]");
  const auto state =
      ParseExecState(R"({"state": {"sum":1e400000000000,"n":1180591620717411303424} })");
  CHECK(!state.ok());  // no number of JSON that any reader takes
  const auto large = ParseExecState(R"({"state": {"n":1180591620717411303424} })");
  REQUIRE(large.ok());
  CHECK(*large == R"({"n":1180591620717411303424})");
}

TEST_CASE("exec answer: what is no answer is refused, and what would be one is told") {
  for (const char* line : {"",
                           "ok",
                           "true",
                           "[]",
                           "{}",
                           R"({"ok":1})",
                           R"({"ok":"true"})",
                           R"({"okay":true})",
                           R"({"ok":false,"drop":true})",
                           R"({"drop":1})",
                           R"({"drop":false})",
                           R"({"ok":true)",
                           R"({"ok":true} {"ok":true})",
                           R"({"ok":false,"error":1})",
                           R"({"ok":false,"backoff":0})",
                           R"({"ok":true,"emit":["a"]})",
                           R"({"ok":true,"emit":{"a":"x"}})",
                           R"({"ok":true,"count":{"n":-1}})",
                           R"({"ok":true,"count":{"n":1.5}})",
                           R"({"ok":true,"count":{"a b":1}})",
                           R"({"ok":true,"count":3})"}) {
    CAPTURE(line);
    CHECK(Parsed(line) == "refused");
  }
  const Status told = ParseExecAnswer("hello").status();
  CHECK(told.message().find("'hello'") != std::string::npos);
  CHECK(told.message().find(R"(must be {"ok":true} or {"ok":false,"error":"..."})") !=
        std::string::npos);
  CHECK(ParseExecAnswer(std::string(100'000, 'x')).status().message().size() < 400);
}

TEST_CASE("exec answer: state is what stands under that name") {
  CHECK(*ParseExecState(R"({"ok":true,"state":[1, 2]})") == "[1, 2]");
  CHECK(*ParseExecState(R"({"state":null})") == "null");
  CHECK(!ParseExecState(R"({"ok":true})").ok());
  CHECK(!ParseExecState("[]").ok());
  CHECK(ParseExecLoaded(R"({"ok":true})").ok());
  CHECK(!ParseExecLoaded(R"({"ok":false,"error":"too old"})").ok());
  CHECK(!ParseExecLoaded("gibberish").ok());
}

TEST_CASE("exec dialect: a message is a line, whatever newlines stand between its tokens") {
  ExecDialect dialect({}, nullptr);
  std::string out = "before\n";
  dialect.AppendMessage(&out, TextMessage("{\n\"a\":\"b\\n\",\r\n\"c\":1}"));
  CHECK(out == "before\n{ \"a\":\"b\\n\",\r \"c\":1}\n");
}

TEST_CASE("exec dialect: answers are lines, taken when they are whole") {
  ExecDialect dialect({"out"}, nullptr);
  NotingContext context;
  ChildAnswer answer;
  std::string reply;
  std::string why;
  std::string_view bytes = "{\"drop\":true}\n{\"ok\":t";
  CHECK(dialect.Take(&bytes, context, &answer, &reply, &why) == Took::kAnswer);
  CHECK(Told(answer.outcome) == "drop");
  CHECK(dialect.Take(&bytes, context, &answer, &reply, &why) == Took::kNothing);
  CHECK(bytes == "{\"ok\":t");
  bytes = "\n";
  CHECK(dialect.Take(&bytes, context, &answer, &reply, &why) == Took::kBroken);
  CHECK(!why.empty());
}

TEST_CASE(
    "exec dialect: an output that there is not fails the message before anything is emitted") {
  ExecDialect dialect({"out"}, nullptr);
  NotingContext context;
  ChildAnswer answer;
  std::string reply;
  std::string why;
  std::string_view bytes =
      "{\"ok\":true,\"emit\":{\"out\":[1],\"alerts\":[2]},\"count\":{\"n\":1}}\n";
  CHECK(dialect.Take(&bytes, context, &answer, &reply, &why) == Took::kAnswer);
  CHECK(Told(answer.outcome) ==
        "failed: emits to 'alerts', which is no output: needs --output=alerts=URL");
  CHECK(answer.emissions.empty());
  CHECK(answer.counters.size() == 1);
}

TEST_CASE("exec state: what a new program is given is the state and what was answered since") {
  ExecState state;
  CHECK(state.Encode().empty());
  CHECK(state.Replay(state.messages(), state.has_state()).empty());
  state.Asked("1\n");
  state.Asked("2\n");
  state.Answered();
  state.Ended();
  state.Asked("3\n");
  state.Answered();
  CHECK(state.Replay(state.messages(), state.has_state()) == "1\n3\n");
  state.Saved("{\"sum\":4}", state.messages());
  CHECK(state.messages() == 0);
  state.Asked("4\n");
  state.Answered();
  CHECK(state.Replay(state.messages(), state.has_state()) == "{\"_load_\":{\"sum\":4}}\n4\n");

  ExecState again;
  REQUIRE(again.Decode(state.Encode()).ok());
  CHECK(again.Replay(again.messages(), again.has_state()) ==
        state.Replay(state.messages(), state.has_state()));
  CHECK(again.messages() == 1);
  ExecState unsaved;
  unsaved.Asked("5\n");
  unsaved.Answered();
  ExecState unsaved_again;
  REQUIRE(unsaved_again.Decode(unsaved.Encode()).ok());
  CHECK(unsaved_again.Replay(unsaved_again.messages(), unsaved_again.has_state()) == "5\n");
  CHECK(!ExecState().Decode("another format").ok());
  CHECK(!ExecState().Decode(state.Encode() + "torn").ok());
}

TEST_CASE("exec state: after 1,000 messages or 1 MiB it is to be saved") {
  ExecState state;
  for (int i = 0; i < 999; ++i) {
    state.Asked("1\n");
    state.Answered();
  }
  CHECK(!state.is_long());
  state.Asked("1\n");
  CHECK(!state.is_long());
  state.Answered();
  CHECK(state.is_long());
  state.Saved("1", state.messages());
  CHECK(!state.is_long());
  state.Asked(std::string((1 << 20) - 1, ' ') + "\n");
  state.Answered();
  CHECK(state.is_long());
}
