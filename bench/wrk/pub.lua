-- POST /pub: one message of 100 bytes.
dofile(debug.getinfo(1, "S").source:match("@(.*/)") .. "common.lua")

wrk.method = "POST"
wrk.path = "/pub"
wrk.body = string.rep("x", 100)
