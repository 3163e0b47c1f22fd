#include "file_to_http/depth_gate.h"

#include <doctest/doctest.h>

using namespace rivulet;

namespace {
ClientResponse Answer(int code, std::string body) {
  ClientResponse response;
  response.code = code;
  response.body = std::move(body);
  response.endpoint = "GET http://127.0.0.1:1/stats";
  return response;
}
}  // namespace

TEST_CASE("depth gate: the depth is asked for where the destination's queue is") {
  CHECK(DepthUrlOf("http://h:8081/mput") == "http://h:8081/stats?format=json");
  CHECK(DepthUrlOf("http://h:8081") == "http://h:8081/stats?format=json");
  CHECK(DepthUrlOf("https://h/put?data=%s&queue=clicks") ==
        "https://h/stats?format=json&queue=clicks");
  CHECK(DepthUrlOf("http://h/mput?queue=a-b.c&separator=x#top") ==
        "http://h/stats?format=json&queue=a-b.c");
  CHECK(DepthUrlOf("http://h?myqueue=x") == "http://h/stats?format=json");
}

TEST_CASE("depth gate: the depth is a field of the answer") {
  // As simplequeue answers.
  const auto depth = DepthIn(Answer(200, R"({"puts": 7,"gets": 2,"depth": 5,"queues": {}})"));
  REQUIRE(depth.ok());
  CHECK(*depth == 5);
}

TEST_CASE("depth gate: an answer without a depth names the endpoint and says what would be right") {
  for (const auto& [code, body] :
       {std::pair{200, "depth:5"}, std::pair{200, "{}"}, std::pair{200, R"({"depth":-1})"},
        std::pair{200, R"({"depth":{}})"}, std::pair{404, ""}}) {
    const auto depth = DepthIn(Answer(code, body));
    CHECK(depth.status().code() == StatusCode::kUnavailable);
    CHECK(depth.status().message().find("GET http://127.0.0.1:1/stats") != std::string::npos);
  }
}
