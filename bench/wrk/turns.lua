-- POST /mput and GET /mget of 100 messages in turns: the queue stays as deep as it was.
dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "common.lua")

local pair, turn = {}, 0

function init()
  pair[0] = wrk.format("POST", "/mput", nil, lines(100, 100))
  pair[1] = wrk.format("GET", "/mget?items=100")
end

function request()
  turn = 1 - turn
  return pair[1 - turn]
end
