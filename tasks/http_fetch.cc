#include "tasks/http_fetch.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>

namespace rivulet {
namespace {

constexpr long kTimeoutSeconds = 5;
// So long a stop may go unnoticed.
constexpr int kLookMilliseconds = 50;

struct Fetched {
  std::string body;
  bool too_large = false;
};

std::size_t TakeBody(char* bytes, std::size_t, std::size_t count, void* into) {
  auto* fetched = static_cast<Fetched*>(into);
  fetched->too_large = fetched->body.size() + count > kMaxFetchedBytes;
  if (fetched->too_large) return 0;
  fetched->body.append(bytes, count);
  return count;
}

using Easy = std::unique_ptr<CURL, void (*)(CURL*)>;
using Multi = std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)>;

/// As curl_easy_perform(), which looks only once a second whether it should stop.
CURLcode Perform(CURL* easy, const std::atomic<bool>* stop) {
  const Multi multi(curl_multi_init(), &curl_multi_cleanup);
  if (!multi || curl_multi_add_handle(multi.get(), easy) != CURLM_OK) return CURLE_OUT_OF_MEMORY;
  CURLcode code = CURLE_ABORTED_BY_CALLBACK;
  int running = 1;
  while (running > 0 && !(stop != nullptr && stop->load())) {
    if (curl_multi_perform(multi.get(), &running) != CURLM_OK) break;
    if (running > 0) curl_multi_poll(multi.get(), nullptr, 0, kLookMilliseconds, nullptr);
  }
  int left = 0;
  if (const CURLMsg* done = curl_multi_info_read(multi.get(), &left)) code = done->data.result;
  curl_multi_remove_handle(multi.get(), easy);
  return code;
}

}  // namespace

std::string ShownUrl(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(url);
  const std::size_t host = scheme + 3;
  const std::size_t end = std::min(url.find_first_of("/?#", host), url.size());
  const std::size_t at = url.substr(host, end - host).rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, host)).append(url.substr(host + at + 1));
}

Result<std::string> FetchUrl(const std::string& url, std::string_view json,
                             const std::atomic<bool>* stop) {
  const auto failed = [&](StatusCode code, std::string_view why) {
    return Status(code, fmt::format("{}: {}", ShownUrl(url), why));
  };
  const Easy easy(curl_easy_init(), &curl_easy_cleanup);
  if (!easy) return failed(StatusCode::kExhausted, "there is no memory for a request");
  CURL* curl = easy.get();
  Fetched fetched;
  std::array<char, CURL_ERROR_SIZE> error{};
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error.data());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  // A name that is not resolved within the timeout is not waited for.
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, kTimeoutSeconds);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &fetched);
  curl_slist* headers = curl_slist_append(nullptr, "Accept: application/json");
  if (!json.empty()) {
    headers = curl_slist_append(headers, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, json.data());
  }
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  const CURLcode code = Perform(curl, stop);
  curl_slist_free_all(headers);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  // Of an answer that was cut, too: the status says more than its length.
  if (status != 0 && (status < 200 || status > 299) && (code == CURLE_OK || fetched.too_large)) {
    return failed(StatusCode::kUnavailable,
                  fmt::format("it answered with status {}; it must be 2xx", status));
  }
  if (fetched.too_large) {
    return failed(StatusCode::kTooLarge,
                  fmt::format("its answer must have at most {} bytes", kMaxFetchedBytes));
  }
  if (code != CURLE_OK) {
    return failed(StatusCode::kUnavailable,
                  error[0] != '\0' ? error.data() : curl_easy_strerror(code));
  }
  return std::move(fetched.body);
}

}  // namespace rivulet
