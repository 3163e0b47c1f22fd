// What a task in a child asks of its reader's store, and the answers, as frames' contents
// (queuereader/child/task_host.h).
//
//   B mode patience\n commands      a StoreBatch: mode p or a, patience in milliseconds or nothing
//   Q kind most\n prefix            Store::Keys(): kind t, h or s
//   R …                             the answer to either; X and the error where it failed
//
// What a child says is not trusted. Pure but for the store that is asked; thread: one.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "queuereader/child/task_host_frames.h"
#include "store/store.h"

namespace rivulet {

void AppendStoreBatch(std::string* out, const StoreBatch& batch);
void AppendStoreKeys(std::string* out, std::string_view prefix, StoreKind kind, std::size_t most);
inline bool IsStoreRequest(char letter) { return letter == 'B' || letter == 'Q'; }

/// Asks the store what the frame asks: the frame of the answer. Nothing where the frame is broken.
std::optional<std::string> AnswerStoreRequest(const HostFrame& request, Store& store);
/// The answer to what is not asked any more.
std::string RefuseStoreRequest(const Status& why);

/// Of R, where a batch was asked, and where keys were.
Result<std::vector<StoreReply>> ReadStoreReplies(std::string_view body);
Result<std::vector<std::string>> ReadStoreKeys(std::string_view body);

}  // namespace rivulet
