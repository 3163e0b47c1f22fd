import json, sys
for line in sys.stdin:
    message = json.loads(line)
    print("hello,", message.get("name"), file=sys.stderr)
    print(json.dumps({"ok": "name" in message, "error": "no name"}), flush=True)
