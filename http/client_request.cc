// One call's request and answer, as libcurl's easy handle has them.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "http/client_impl.h"

namespace rivulet {

namespace {

// libcurl cuts what it hands over into 16 KiB; a larger buffer means fewer reads on a stream.
constexpr long kStreamBufferBytes = 256 * 1024;

bool SameName(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool NamesHeader(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         SameName(line.substr(0, name.size()), name);
}

Status CheckRequest(const ClientRequest& request) {
  const auto is_upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (request.method.empty() || !std::ranges::all_of(request.method, is_upper)) {
    return InvalidArgument(
        fmt::format("method \"{}\" must be upper-case letters", request.method.substr(0, 40)));
  }
  if (!request.url.starts_with("http://") && !request.url.starts_with("https://")) {
    return InvalidArgument("the URL must begin with http:// or https://");
  }
  if (request.url.find('\0') != std::string::npos) return InvalidArgument("the URL holds a NUL");
  for (const auto& header : request.headers) {
    if (header.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos ||
        header.find(':') == std::string::npos) {
      return InvalidArgument("a header must be \"Name: value\" on one line");
    }
  }
  return Status::Ok();
}

}  // namespace

namespace internal {

std::string ClientEndpoint(std::string_view method, std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  const auto scheme = url.find("://");
  const auto authority = scheme == std::string_view::npos ? 0 : scheme + 3;
  const auto at = url.substr(authority, url.find('/', authority) - authority).rfind('@');
  const auto host = at == std::string_view::npos ? authority : authority + at + 1;
  return fmt::format("{} {}{}", method, url.substr(0, authority), url.substr(host, 500));
}

long ClientMillis(Duration d) {
  return static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(d).count());
}

std::size_t ClientImpl::OnHeader(char* data, std::size_t, std::size_t size, void* user) {
  auto* state = static_cast<ClientCallState*>(user);
  if (state->cancelled) return 0;
  state->idle_ticks = 0;
  if (state->head_done) return size;  // a trailer
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  auto& response = state->response;
  if (line.empty()) {
    long code = 0;
    curl_easy_getinfo(state->easy.get(), CURLINFO_RESPONSE_CODE, &code);
    if (code >= 100 && code < 200) {
      response.headers.clear();
      return size;
    }
    response.code = static_cast<int>(code);
    state->head_done = true;
    if (state->request.on_head) state->request.on_head(response);
    return state->cancelled ? 0 : size;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) {
    response.headers.clear();  // a status line
    return size;
  }
  auto value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  value = value.substr(0, value.find_last_not_of(" \t") + 1);
  response.headers.emplace_back(line.substr(0, colon), value);
  return size;
}

std::size_t ClientImpl::OnBody(char* data, std::size_t, std::size_t size, void* user) {
  auto* state = static_cast<ClientCallState*>(user);
  if (state->cancelled) return 0;
  if (state->paused) return CURL_WRITEFUNC_PAUSE;
  state->idle_ticks = 0;
  const auto limit = state->request.max_body_bytes;
  state->body_bytes += size;
  if (limit != 0 && state->body_bytes > limit) {
    state->response.status = {StatusCode::kTooLarge,
                              fmt::format("the answer is longer than {} bytes", limit)};
    return 0;
  }
  if (!state->request.on_data) {
    state->response.body.append(data, size);
    return size;
  }
  switch (state->request.on_data({data, size})) {
    case ClientFlow::kContinue:
      break;
    case ClientFlow::kPause:
      state->paused = true;
      break;
    case ClientFlow::kAbort:
      state->response.status = {StatusCode::kUnavailable, "ended by the receiver"};
      return 0;
  }
  return state->cancelled ? 0 : size;
}

Status ClientImpl::SetUp(ClientCallState* state) {
  const auto& request = state->request;
  if (auto status = CheckRequest(request); !status.ok()) return status;
  if (pool.empty()) {
    state->easy.reset(curl_easy_init());
  } else {
    state->easy = std::move(pool.back());
    pool.pop_back();
  }
  CURL* easy = state->easy.get();
  if (easy == nullptr) return {StatusCode::kExhausted, "out of memory"};

  if (curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str()) != CURLE_OK) {
    return InvalidArgument("the URL is longer than 8 MB");
  }
  curl_easy_setopt(easy, CURLOPT_PRIVATE, state);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, state->error.data());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  if (!options.proxy_from_environment) curl_easy_setopt(easy, CURLOPT_PROXY, "");
  if (!request.unix_socket.empty()) {
    curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  }
  // curl reads zero as its default of five minutes.
  const long connect_timeout = ClientMillis(request.connect_timeout);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   connect_timeout == 0 ? 1L << 30 : connect_timeout);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, ClientMillis(request.timeout));
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, state);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, state);
  if (request.on_data) curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kStreamBufferBytes);
  SetUpBody(state);
  if (request.idle_timeout > Duration::zero()) {
    state->idle_timer = std::make_unique<Timer>(loop, [this, state] { OnIdleTick(state); });
    state->idle_timer->StartEvery(
        std::max<Duration>(request.idle_timeout / kIdleTicks, std::chrono::milliseconds(1)));
  }
  return Status::Ok();
}

void ClientImpl::SetUpBody(ClientCallState* state) {
  const auto& request = state->request;
  CURL* easy = state->easy.get();
  const auto body = request.body.view();
  bool has_type = false;
  bool has_accept = false;
  curl_slist* list = curl_slist_append(nullptr, "Expect:");
  for (const auto& header : request.headers) {
    has_type |= NamesHeader(header, "Content-Type");
    has_accept |= NamesHeader(header, "Accept");
    list = curl_slist_append(list, header.c_str());
  }
  // Otherwise curl says that every body is a form.
  if (!has_type) list = curl_slist_append(list, "Content-Type:");
  if (!has_accept) list = curl_slist_append(list, "Accept:");
  state->headers.reset(list);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
  if (request.method == "HEAD") {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method == "GET" && body.empty()) {
    curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
  } else {
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    // Not copied by curl: the state holds the body's owner until the call has ended.
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
    if (request.method != "POST") {
      curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
  }
}

Status ClientImpl::StatusOf(const ClientCallState& state, CURLcode code) const {
  if (code == CURLE_OK) return Status::Ok();
  if (!state.response.status.ok()) return state.response.status;
  const char* why = state.error[0] != '\0' ? state.error.data() : curl_easy_strerror(code);
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_BAD_FUNCTION_ARGUMENT:
      return InvalidArgument(why);
    case CURLE_OUT_OF_MEMORY:
      return {StatusCode::kExhausted, why};
    default:
      return {StatusCode::kUnavailable, why};
  }
}

}  // namespace internal

ClientBody::ClientBody(std::string bytes)
    : ClientBody(std::make_shared<const std::string>(std::move(bytes))) {}
ClientBody::ClientBody(const std::shared_ptr<const std::string>& bytes)
    : owner_(bytes), view_(bytes ? std::string_view(*bytes) : std::string_view()) {}
ClientBody::ClientBody(std::string_view view, std::shared_ptr<const void> owner)
    : owner_(std::move(owner)), view_(view) {}

std::string_view ClientResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (SameName(key, name)) return value;
  }
  return {};
}

bool ClientResponse::has_header(std::string_view name) const {
  return std::ranges::any_of(headers, [&](const auto& h) { return SameName(h.first, name); });
}

std::string ClientResponse::Describe() const {
  if (!status.ok()) return fmt::format("{}: {}", endpoint, status.message());
  return fmt::format("{}: answered {}", endpoint, code);
}

}  // namespace rivulet
