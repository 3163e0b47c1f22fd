// What an easy handle is set up with, once for all calls of a kind.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>

#include "http/client_impl.h"
#include "http/message.h"

namespace rivulet {

namespace {

// curl reads into a buffer that it allocates for each call. Answers to what has a body are short;
// on a stream a larger one means fewer reads.
constexpr long kShortBufferBytes = 4 * 1024;
constexpr long kStreamBufferBytes = 256 * 1024;
// From here on curl would send "Expect:" and wait for a 100.
constexpr std::size_t kLargeBodyBytes = std::size_t{1} << 20;
// The whole head must fit in a buffer of 1 MiB in curl, which else says that memory is short.
constexpr std::size_t kMaxUrlBytes = 900'000;
constexpr unsigned kUrlFlags = CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME;

bool NamesHeader(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         EqualsIgnoreCase(line.substr(0, name.size()), name);
}

bool SendsBody(const ClientRequest& request) {
  if (request.method == "HEAD") return false;
  return request.method != "GET" || !request.body.view().empty();
}

Status CheckKind(const ClientRequest& request) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (request.method.empty() || !std::ranges::all_of(request.method, is_upper)) {
    return InvalidArgument(
        fmt::format("method \"{}\" must be upper-case letters", request.method.substr(0, 40)));
  }
  for (const auto& header : request.headers) {
    if (header.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos ||
        header.find(':') == std::string::npos) {
      return InvalidArgument("a header must be \"Name: value\" on one line");
    }
  }
  return Status::Ok();
}

}  // namespace

Status CheckClientUrl(std::string_view url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  if (!parsed) return {StatusCode::kExhausted, "out of memory"};
  switch (curl_url_set(parsed.get(), CURLUPART_URL, std::string(url).c_str(), kUrlFlags)) {
    case CURLUE_OK:
      return Status::Ok();
    case CURLUE_BAD_PORT_NUMBER:
      return InvalidArgument("a URL with a port from 1 to 65535");
    default:
      return InvalidArgument("http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH");
  }
}

namespace internal {

bool ClientHandle::IsFor(const ClientRequest& request) const {
  return set_up && method == request.method && headers == request.headers &&
         sends_body == SendsBody(request) &&
         is_body_large == (request.body.view().size() >= kLargeBodyBytes) &&
         streams == static_cast<bool>(request.on_data) && timeout == request.timeout &&
         connect_timeout == request.connect_timeout && unix_socket == request.unix_socket &&
         ca_file == request.ca_file;
}

Status ClientHandle::SetUp(const ClientRequest& request, const ClientOptions& options) {
  if (auto status = CheckKind(request); !status.ok()) return status;
  Reset();
  method = request.method;
  headers = request.headers;
  unix_socket = request.unix_socket;
  ca_file = request.ca_file;
  connect_timeout = request.connect_timeout;
  timeout = request.timeout;
  sends_body = SendsBody(request);
  is_body_large = request.body.view().size() >= kLargeBodyBytes;
  streams = static_cast<bool>(request.on_data);

  CURL* curl = easy.get();
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error.data());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
  if (!options.proxy_from_environment) {
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");  // else it looks into the environment each time
  }
  if (!unix_socket.empty()) {
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, unix_socket.c_str());
  }
  if (!ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file.c_str());
  // curl reads zero as its default of five minutes.
  const long connect_ms = ClientMillis(connect_timeout);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms == 0 ? 1L << 30 : connect_ms);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ClientMillis(timeout));
  if (streams) {
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kStreamBufferBytes);
  } else if (sends_body) {
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, kShortBufferBytes);
  }
  SetMethod();
  SetHeaders();
  set_up = true;
  return Status::Ok();
}

void ClientHandle::SetMethod() const {
  if (method == "HEAD") {
    curl_easy_setopt(easy.get(), CURLOPT_NOBODY, 1L);
  } else if (!sends_body) {
    curl_easy_setopt(easy.get(), CURLOPT_HTTPGET, 1L);
  } else {
    curl_easy_setopt(easy.get(), CURLOPT_POST, 1L);
    if (method != "POST") curl_easy_setopt(easy.get(), CURLOPT_CUSTOMREQUEST, method.c_str());
  }
}

void ClientHandle::SetHeaders() {
  bool has_type = false;
  bool has_accept = false;
  curl_slist* list = nullptr;
  for (const auto& header : headers) {
    has_type |= NamesHeader(header, "Content-Type");
    has_accept |= NamesHeader(header, "Accept");
    list = curl_slist_append(list, header.c_str());
  }
  if (is_body_large) list = curl_slist_append(list, "Expect:");
  // Otherwise curl says that every body is a form.
  if (sends_body && !has_type) list = curl_slist_append(list, "Content-Type:");
  if (!has_accept) list = curl_slist_append(list, "Accept:");
  curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, list);
  header_list.reset(list);
}

Status ClientHandle::SetUrl(const std::string& wanted) {
  CURL* curl = easy.get();
  if (wanted == url && !url.empty()) {
    if (parsed_url) return Status::Ok();
    // Parsing costs more than copying what was parsed.
    parsed_url.reset(curl_url());
    const bool parsed = parsed_url && curl_url_set(parsed_url.get(), CURLUPART_URL, url.c_str(),
                                                   kUrlFlags) == CURLUE_OK;
    if (parsed) curl_easy_setopt(curl, CURLOPT_CURLU, parsed_url.get());
    return Status::Ok();
  }
  if (!wanted.starts_with("http://") && !wanted.starts_with("https://")) {
    return InvalidArgument("the URL must begin with http:// or https://");
  }
  if (wanted.find('\0') != std::string::npos) return InvalidArgument("the URL holds a NUL");
  if (wanted.size() > kMaxUrlBytes) {
    return InvalidArgument(
        fmt::format("the URL is {} bytes long: must be at most {}", wanted.size(), kMaxUrlBytes));
  }
  if (parsed_url) curl_easy_setopt(curl, CURLOPT_CURLU, nullptr);
  parsed_url.reset();
  if (curl_easy_setopt(curl, CURLOPT_URL, wanted.c_str()) != CURLE_OK) {
    return {StatusCode::kExhausted, "out of memory"};
  }
  url = wanted;
  return Status::Ok();
}

void ClientHandle::SetBody(std::string_view body) const {
  // Not copied by curl: the call holds the body's owner until it has ended.
  curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
}

void ClientHandle::Reset() {
  curl_easy_reset(easy.get());
  header_list.reset();
  parsed_url.reset();
  url.clear();
  set_up = false;
}

}  // namespace internal

}  // namespace rivulet
