// The script by which a Redis server carries out an atomic batch, and the commands that Redis does
// not have: sent by EVALSHA, or by EVAL where the server does not know it yet.
//
//   EVALSHA SHA1 KEYCOUNT KEY… MODE [OP KEY-NUMBER ARGUMENT…]…
//
// KEYS are the distinct keys of the commands. MODE "a": all or nothing; "p": each for itself. The
// answer: {"done", [reply…]} or, of "a", {"refused", NUMBER, WHAT, VALUE}: which command, counted
// from 1, and why. In "p" a command that is refused has [WHAT, VALUE] for its reply.
#pragma once

#include <string_view>

namespace rivulet {

extern const std::string_view kRedisScript;
/// Its SHA-1 in hexadecimal.
std::string_view RedisScriptSha();

}  // namespace rivulet
