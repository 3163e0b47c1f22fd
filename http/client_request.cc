// One call's request and answer, as libcurl's easy handle has them.
#include <fmt/format.h>

#include <algorithm>

#include "http/client_impl.h"
#include "http/message.h"

namespace rivulet {

namespace {

constexpr std::size_t kUsualHeaders = 8;

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
  ClientCallState* state = static_cast<ClientHandle*>(user)->call;
  if (state->cancelled) return 0;
  state->idle_ticks = 0;
  if (state->head_done) return size;  // a trailer
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  auto& response = state->response;
  if (line.empty()) {
    long code = 0;
    curl_easy_getinfo(state->handle->easy.get(), CURLINFO_RESPONSE_CODE, &code);
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
  if (response.headers.empty()) response.headers.reserve(kUsualHeaders);
  response.headers.emplace_back(line.substr(0, colon), value);
  return size;
}

std::size_t ClientImpl::OnBody(char* data, std::size_t, std::size_t size, void* user) {
  ClientCallState* state = static_cast<ClientHandle*>(user)->call;
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

HandlePtr ClientImpl::TakeHandle(const ClientRequest& request) {
  // Calls come in few kinds, so that one of the handles used last will do.
  constexpr std::size_t kLook = 8;
  std::size_t best = pool.size();
  for (std::size_t i = pool.size(); i > 0 && i + kLook > pool.size(); --i) {
    if (!pool[i - 1]->IsFor(request)) continue;
    best = i - 1;
    if (pool[best]->url == request.url) break;
  }
  if (best == pool.size()) {
    if (pool.size() < kLook) {
      auto handle = std::make_unique<ClientHandle>();
      handle->easy.reset(curl_easy_init());
      return handle;
    }
    best = 0;  // used longest ago
  }
  HandlePtr handle = std::move(pool[best]);
  pool.erase(pool.begin() + static_cast<std::ptrdiff_t>(best));
  return handle;
}

Status ClientImpl::SetUp(ClientCallState* state) {
  const auto& request = state->request;
  state->handle = TakeHandle(request);
  ClientHandle& handle = *state->handle;
  const bool is_set_up = handle.IsFor(request);
  if (!is_set_up || handle.url != request.url) {
    handle.endpoint = ClientEndpoint(request.method, request.url);
  }
  state->response.endpoint = handle.endpoint;
  if (!handle.easy) return {StatusCode::kExhausted, "out of memory"};
  handle.call = state;
  if (!is_set_up) {
    if (auto status = handle.SetUp(request, options); !status.ok()) return status;
    SetCallbacks(&handle);
  }
  if (auto status = handle.SetUrl(request.url); !status.ok()) return status;
  if (handle.sends_body) handle.SetBody(request.body.view());
  if (request.idle_timeout > Duration::zero()) {
    state->idle_timer = std::make_unique<Timer>(loop, [this, state] { OnIdleTick(state); });
    state->idle_timer->StartEvery(
        std::max<Duration>(request.idle_timeout / kIdleTicks, std::chrono::milliseconds(1)));
  }
  return Status::Ok();
}

void ClientImpl::SetCallbacks(ClientHandle* handle) {
  CURL* easy = handle->easy.get();
  curl_easy_setopt(easy, CURLOPT_PRIVATE, handle);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, handle);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, handle);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, &OnOpen);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, &OnClose);
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, this);
}

Status ClientImpl::StatusOf(const ClientCallState& state, CURLcode code) const {
  if (code == CURLE_OK) return Status::Ok();
  if (!state.response.status.ok()) return state.response.status;
  const auto& error = state.handle->error;
  const char* why = error[0] != '\0' ? error.data() : curl_easy_strerror(code);
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
    if (EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

bool ClientResponse::has_header(std::string_view name) const {
  return std::ranges::any_of(headers,
                             [&](const auto& h) { return EqualsIgnoreCase(h.first, name); });
}

std::string ClientResponse::Describe() const {
  if (!status.ok()) return fmt::format("{}: {}", endpoint, status.message());
  return fmt::format("{}: answered {}", endpoint, code);
}

}  // namespace rivulet
