// What is asked of a destination, and what its answer means.
#include "bridge/destination.h"

#include <doctest/doctest.h>
#include <zlib.h>

#include <array>
#include <string>

#include "bridge/message_log.h"

namespace rivulet {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

ClientResponse Answer(int code, std::string retry_after = {}) {
  ClientResponse response;
  response.code = code;
  if (!retry_after.empty()) response.headers.emplace_back("retry-after", std::move(retry_after));
  return response;
}

ClientResponse NoAnswer(StatusCode code) {
  ClientResponse response;
  response.status = Status(code, "why");
  return response;
}

DestinationConfig Post(std::string url, bool batched) {
  DestinationConfig config;
  config.post = true;
  config.post_url = std::move(url);
  config.batched = batched;
  return config;
}

// RFC 1952, read by zlib itself.
std::string Gunzip(std::string_view packed) {
  z_stream stream{};
  REQUIRE(inflateInit2(&stream, MAX_WBITS + 16) == Z_OK);
  std::string plain(100'000, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_out = static_cast<uInt>(plain.size());
  REQUIRE(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  plain.resize(stream.total_out);
  inflateEnd(&stream);
  return plain;
}

TEST_CASE(
    "destination: 2xx is delivered, 408, 429, 5xx and silence are tried again, 4xx is refused") {
  // The contract's classes: "4xx other than 408/429 goes to the dead letters; everything else is
  // retried".
  for (const int code : {200, 201, 202, 204, 299}) {
    CHECK(Judge(Answer(code)) == DeliveryVerdict::kDelivered);
  }
  for (const int code : {301, 302, 304, 408, 429, 500, 502, 503, 504, 599, 600}) {
    CHECK(Judge(Answer(code)) == DeliveryVerdict::kRetry);
  }
  for (const int code : {401, 403, 404, 405, 410, 415, 499}) {
    CHECK(Judge(Answer(code)) == DeliveryVerdict::kRefused);
  }
  for (const int code : {400, 413, 414, 422}) {
    CHECK(Judge(Answer(code)) == DeliveryVerdict::kRefusedBatch);
  }
  CHECK(Judge(NoAnswer(StatusCode::kUnavailable)) == DeliveryVerdict::kRetry);
  CHECK(Judge(NoAnswer(StatusCode::kExhausted)) == DeliveryVerdict::kRetry);
  CHECK(Judge(NoAnswer(StatusCode::kInvalidArgument)) == DeliveryVerdict::kRefused);
  auto cut = NoAnswer(StatusCode::kUnavailable);
  cut.code = 200;  // its head came
  CHECK(Judge(cut) == DeliveryVerdict::kDelivered);
}

TEST_CASE("destination: Retry-After is seconds or a date, and at most five minutes") {
  // RFC 9110, section 10.2.3; its example of a date is 784111777 s after 1970 (section 5.6.7).
  const WallTime at{seconds(784'111'777)};
  const char* date = "Sun, 06 Nov 1994 08:49:37 GMT";
  CHECK(RetryAfter(Answer(503, "120"), at) == seconds(120));
  CHECK(RetryAfter(Answer(503, "0"), at) == seconds(0));
  CHECK(RetryAfter(Answer(503, "99999999"), at) == minutes(5));
  CHECK(RetryAfter(Answer(503, date), at - seconds(90)) == seconds(90));
  CHECK(RetryAfter(Answer(503, date), at + seconds(90)) == seconds(0));
  CHECK(RetryAfter(Answer(503, date), at - minutes(90)) == minutes(5));
  CHECK(RetryAfter(Answer(503, "Thu, 29 Feb 2024 23:59:60 GMT"),
                   WallTime(seconds(1'709'251'200) - seconds(1))) == seconds(1));
  for (const char* bad : {"", "soon", "-1", "1.5", "Sun, 06 Nov 1994 08:49:37 UTC",
                          "Sun, 31 Feb 2094 08:49:37 GMT", "Sun, 06 Foo 2094 08:49:37 GMT",
                          "Sun, 06 Nov 2094 24:49:37 GMT", "Sun, 06 Nov 2094 08:60:37 GMT",
                          "Sun, 06 Nov +094 08:49:37 GMT", "Sun, 06 Nov 2094 08:49"}) {
    CAPTURE(bad);
    CHECK(RetryAfter(Answer(503, bad), at) == seconds(0));
  }
}

TEST_CASE("destination: a body is the message, or a line a message, and shares their bytes") {
  MessageLog log(UINT64_MAX);
  for (const char* message : {"one", "two"}) log.Append(message);
  const auto batch = log.Slice(0, 2);
  const auto lines = MakeDeliveryRequest(Post("http://h/mput", true), batch);
  CHECK(lines.method == "POST");
  CHECK(lines.url == "http://h/mput");
  CHECK(lines.body.view() == "one\ntwo\n");
  CHECK(lines.body.view().data() == batch.lines.data());
  const auto single = MakeDeliveryRequest(Post("http://h/put", false), log.Slice(1, 1));
  CHECK(single.url == "http://h/put");
  CHECK(single.body.view() == "two");
}

TEST_CASE("destination: what cannot be cut at newlines goes as a frame of a batch") {
  MessageLog log(UINT64_MAX);
  for (const char* message : {"a\nb", ""}) log.Append(message);
  const auto newline = log.Slice(0, 9);
  const auto empty = log.Slice(1, 9);
  CHECK(MakeDeliveryRequest(Post("http://h/mput", true), newline).body.view() == "3\na\nb\n");
  CHECK(MakeDeliveryRequest(Post("http://h/mput", true), empty).body.view() == "0\n\n");
  CHECK(MakeDeliveryRequest(Post("http://h/put", false), newline).body.view() == "a\nb");
  CHECK(MakeDeliveryRequest(Post("http://h/put", false), newline).url == "http://h/put");
  struct Urls {
    const char* plain;
    const char* framed;
  };
  for (const auto& [plain, framed] :
       {Urls{"http://h", "http://h?format=framed"}, Urls{"http://h/p", "http://h/p?format=framed"},
        Urls{"http://h/p?", "http://h/p?format=framed"},
        Urls{"http://h/p?a=b", "http://h/p?a=b&format=framed"},
        Urls{"http://h/p?a=b&#top", "http://h/p?a=b&format=framed"}}) {
    CHECK(MakeDeliveryRequest(Post(plain, true), newline).url == framed);
  }
}

TEST_CASE("destination: a body is packed when it should be, whatever its form") {
  MessageLog log(UINT64_MAX);
  const std::string big(50'000, 'x');
  for (const std::string& message : {big, std::string("a\nb"), std::string()}) log.Append(message);
  auto config = Post("http://h/mput", true);
  config.gzip = true;
  config.headers = {"X-Mine: 1"};
  const auto lines = MakeDeliveryRequest(config, log.Slice(0, 9));
  CHECK(lines.body.view().size() < 1000);
  CHECK((Gunzip(lines.body.view()) == big + "\n"));
  CHECK(lines.headers == std::vector<std::string>{"X-Mine: 1", "Content-Encoding: gzip"});
  CHECK(Gunzip(MakeDeliveryRequest(config, log.Slice(1, 9)).body.view()) == "3\na\nb\n");
  config.batched = false;
  CHECK(Gunzip(MakeDeliveryRequest(config, log.Slice(2, 1)).body.view()).empty());
}

TEST_CASE("destination: a GET has the message in its URL, and every option is passed on") {
  MessageLog log(UINT64_MAX);
  log.Append("a b&c");
  DestinationConfig config;
  config.get_url = {"http://h/put?data=", "&x=1"};
  config.ca_file = "/etc/ca.pem";
  config.gzip = true;  // there is no body
  config.connect_timeout = seconds(1);
  config.request_timeout = seconds(2);
  const auto request = MakeDeliveryRequest(config, log.Slice(0, 1));
  CHECK(request.method == "GET");
  CHECK(request.url == "http://h/put?data=a%20b%26c&x=1");  // case 234 of the recorded answers
  CHECK(request.headers.empty());
  CHECK(request.ca_file == "/etc/ca.pem");
  CHECK(request.connect_timeout == seconds(1));
  CHECK(request.timeout == seconds(2));
}

}  // namespace
}  // namespace rivulet
