// What stores say when they refuse, in the same words whichever it is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "store/store_batch.h"

namespace rivulet {

/// A key or a value for a message: quoted, cut after 64 bytes, control bytes as \xHH.
std::string ShownBytes(std::string_view bytes);

// All of them kInvalidArgument, but Conflict().

/// "key 'x' holds a text, and not a hash".
Status WrongKind(std::string_view key, std::string_view holds, std::string_view needs);
/// `field` is nullptr where the key itself holds it.
Status NotWhole(std::string_view key, const std::string_view* field, std::string_view holds);
Status NotNumber(std::string_view key, std::string_view field, std::string_view holds);
Status LeavesWhole(std::string_view key, const std::string_view* field, std::int64_t held,
                   std::int64_t by);
Status LeavesNumbers(std::string_view key, std::string_view field);
Status NoCapacity(std::string_view key, std::int64_t capacity);
Status NoNumbers(std::string_view key, std::string_view field);
Status NotNumbers(std::string_view key, std::string_view field);
Status NoMoments(std::string_view key);
Status NoDecay(std::string_view key);
Status KeyOfDecays(std::string_view key);
Status OnlyAtomic(std::string_view key);
Status NoSuchCommand(std::string_view key, StoreOp op);
/// kConflict.
Status Conflict(std::string_view key, std::string_view required);

}  // namespace rivulet
