-- GET /get: one message. Fill the queue first.
dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "common.lua")

wrk.path = "/get"
