-- GET /mget: 100 messages. Fill the queue first.
dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "common.lua")

wrk.path = "/mget?items=100"
