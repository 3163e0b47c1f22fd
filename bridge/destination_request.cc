// The half of bridge/destination.h that knows HTTP: what is asked, and what an answer means.
#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>
#include <optional>
#include <utility>

#include "base/frames.h"
#include "base/units.h"
#include "bridge/destination.h"

namespace rivulet {

namespace {

constexpr Duration kMaxRetryAfter = std::chrono::minutes(5);
constexpr std::uint64_t kMaxAnswerBytes = std::uint64_t{1} << 20;

// RFC 1952. Fast rather than small: the loop waits for it.
std::string Gzip(std::string_view bytes) {
  z_stream stream{};
  // It fails for want of memory alone.
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    throw std::bad_alloc();
  }
  std::string packed(deflateBound(&stream, bytes.size()), '\0');
  // zlib reads through a pointer that is not const; messages are far below 4 GiB.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

ClientBody MakeBody(const DestinationConfig& config, const MessageBatch& batch) {
  if (config.batched && !batch.cut_at_newlines) {
    std::string framed;
    framed.reserve(FrameBytes(batch.message()));
    AppendFrame(&framed, batch.message());
    return config.gzip ? ClientBody(Gzip(framed)) : ClientBody(std::move(framed));
  }
  const auto bytes = config.batched ? batch.lines : batch.message();
  return config.gzip ? ClientBody(Gzip(bytes)) : ClientBody(bytes, batch.owner);
}

std::optional<int> TakeDigits(std::string_view text, std::size_t at, std::size_t count) {
  const auto digits = ParseUint(text.substr(at, count));
  if (!digits.ok()) return std::nullopt;
  return static_cast<int>(*digits);
}

// IMF-fixdate, RFC 9110 section 5.6.7: "Sun, 06 Nov 1994 08:49:37 GMT". The older two forms, which
// no server writes any more, are not read.
std::optional<WallTime> ParseHttpDate(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT" ||
      text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':') {
    return std::nullopt;
  }
  const auto month = std::ranges::find(kMonths, text.substr(8, 3));
  const auto day = TakeDigits(text, 5, 2);
  const auto year = TakeDigits(text, 12, 4);
  const auto hour = TakeDigits(text, 17, 2);
  const auto minute = TakeDigits(text, 20, 2);
  const auto second = TakeDigits(text, 23, 2);
  if (month == kMonths.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date(
      std::chrono::year(*year),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(static_cast<unsigned>(*day)));
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second);
}

}  // namespace

DeliveryVerdict Judge(const ClientResponse& response) {
  const int code = response.code;
  // The head is the answer, even where the rest of it never came.
  if (code >= 200 && code < 300) return DeliveryVerdict::kDelivered;
  if (!response.status.ok() && code == 0) {
    const bool hopeless = response.status.code() == StatusCode::kInvalidArgument;
    return hopeless ? DeliveryVerdict::kRefused : DeliveryVerdict::kRetry;
  }
  if (code < 400 || code >= 500 || code == 408 || code == 429) return DeliveryVerdict::kRetry;
  if (code == 400 || code == 413 || code == 414 || code == 422)
    return DeliveryVerdict::kRefusedBatch;
  return DeliveryVerdict::kRefused;
}

Duration RetryAfter(const ClientResponse& response, WallTime now) {
  const auto text = response.header("Retry-After");
  if (const auto date = ParseHttpDate(text)) {
    return std::clamp<Duration>(*date - now, Duration::zero(), kMaxRetryAfter);
  }
  const auto seconds = ParseUint(text);
  if (!seconds.ok()) return Duration::zero();
  const auto capped = std::min<std::uint64_t>(*seconds, kMaxRetryAfter / std::chrono::seconds(1));
  return std::chrono::seconds(static_cast<std::int64_t>(capped));
}

ClientRequest MakeDeliveryRequest(const DestinationConfig& config, const MessageBatch& batch) {
  ClientRequest request;
  request.headers = config.headers;
  request.ca_file = config.ca_file;
  request.connect_timeout = config.connect_timeout;
  request.timeout = config.request_timeout;
  request.max_body_bytes = kMaxAnswerBytes;
  if (!config.post) {
    request.url = config.get_url.For(batch.message());
    return request;
  }
  request.method = "POST";
  const bool framed = config.batched && !batch.cut_at_newlines;
  request.url = framed ? FramedUrl(config.post_url) : config.post_url;
  request.body = MakeBody(config, batch);
  if (config.gzip) request.headers.emplace_back("Content-Encoding: gzip");
  return request;
}

}  // namespace rivulet
